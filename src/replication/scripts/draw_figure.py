"""A figure."""

from replication.report.figures import write
from replication.results import Results
from replication.scripts import job

with job(snakemake):
    write(snakemake.wildcards.figure, Results(**snakemake.params.results), list(snakemake.output))
