"""The verdicts of every setting."""

from replication.scripts import job
from replication.verdicts.limits import collect

with job(snakemake):
    collect(snakemake.params.settings, snakemake.output.limits)
