"""A figure."""

from replication.scripts import job

with job(snakemake):
    from replication.report.figures import write
    from replication.results import Results

    write(snakemake.wildcards.figure, Results(**snakemake.params.results), list(snakemake.output))
