"""What the networks of the claims make of unseen images while they are trained."""

from replication.scripts import job

with job(snakemake):
    from replication.data.mnist import Sample
    from replication.parameters import Parameters
    from replication.records import record
    from replication.studies.denoised import denoise

    params = snakemake.params
    runs, sample = [Parameters(**run) for run in params.runs], next(map(Sample.load, snakemake.input.images))
    arguments = {"runs": runs, "sample": sample, **params.pictures}
    record(denoise, params.known_by, snakemake.output.denoised, snakemake.input.published, **arguments)
