"""A table of the evidence."""

from replication.scripts import job

with job(snakemake):
    from replication.report.writing import table
    from replication.results import Results

    table(snakemake.wildcards.table, Results(snakemake.params.results), snakemake.output.table)
