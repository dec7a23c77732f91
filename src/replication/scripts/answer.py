"""The record of one job of a study."""

from replication.scripts import job

with job(snakemake):
    from replication.studies.study import compute

    params = snakemake.params
    compute(params.job, params.root, params.published, snakemake.output.record)
