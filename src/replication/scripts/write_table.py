"""A table of the evidence."""

from replication.report.tables import make
from replication.results import Results
from replication.scripts import job

with job(snakemake):
    make(snakemake.wildcards.table, Results(**snakemake.params.results), snakemake.output.table)
