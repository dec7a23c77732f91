"""The verdicts of every setting."""

from replication.scripts import job

with job(snakemake):
    from replication.verdicts.limits import collect

    collect(snakemake.params.settings, snakemake.params.margins, snakemake.output.limits)
