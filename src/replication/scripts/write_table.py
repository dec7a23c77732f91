"""A table of the evidence."""

from replication.scripts import job

with job(snakemake):
    from replication.report.tables import make
    from replication.results import Results

    make(snakemake.wildcards.table, Results(**snakemake.params.results), snakemake.output.table)
