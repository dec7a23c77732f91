"""Every seed of the claims with one optimizer."""

from replication.scripts import job

with job(snakemake):
    from dataclasses import asdict

    from replication.data.mnist import read_samples
    from replication.files import write_json
    from replication.parameters import Parameters
    from replication.studies.seeds import train_seeds

    params = snakemake.params
    runs = train_seeds(Parameters(**params.run), read_samples(params.samples), params.every, params.with_ssim)
    write_json(snakemake.output.runs, {"parameters": params.run, "runs": [asdict(run) for run in runs]})
