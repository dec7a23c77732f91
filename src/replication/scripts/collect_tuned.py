"""The chosen settings."""

from replication.scripts import job
from replication.search import Report, collect

with job(snakemake):
    collect(list(map(Report.read, snakemake.input.reports)), snakemake.params.select_by, snakemake.output.tuned)
