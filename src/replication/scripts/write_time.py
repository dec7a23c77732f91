"""What the jobs of a target took, as a table."""

from replication.report.rows import write
from replication.report.tables import time_of
from replication.scripts import job

with job(snakemake):
    write(snakemake.output.table, time_of(snakemake.wildcards.target, snakemake.input.times))
