"""Every seed of the claims with one optimizer."""

from replication.scripts import job

with job(snakemake):
    from dataclasses import asdict

    from replication.compute.seeds import train_seeds
    from replication.data.mnist import read_samples
    from replication.parameters import Parameters
    from replication.records import record

    params = snakemake.params

    def train() -> dict:
        runs = train_seeds(Parameters(**params.run), read_samples(params.samples), params.every, params.with_ssim)
        return {"settings": params.run["settings"], "runs": [asdict(run) for run in runs]}

    record(train, params.known_by, snakemake.output.runs, snakemake.input.published)
