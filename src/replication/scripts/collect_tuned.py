"""The chosen settings."""

from replication.scripts import job

with job(snakemake):
    from replication.search import Report, collect

    collect(list(map(Report.read, snakemake.input.reports)), snakemake.params.select_by, snakemake.output.tuned)
