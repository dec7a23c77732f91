"""A figure."""

from replication.scripts import job

with job(snakemake):
    from replication.report.writing import figure
    from replication.results import Results

    figure(snakemake.wildcards.figure, Results(snakemake.params.results), list(snakemake.output))
