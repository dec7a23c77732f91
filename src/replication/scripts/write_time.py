"""What the jobs of a target took, as a table."""

from replication.scripts import job

with job(snakemake):
    from replication.report.rows import write
    from replication.report.tables import time_of

    write(snakemake.output.table, time_of(snakemake.wildcards.target, snakemake.input.times))
