"""Both weight steps of BADMM with each other's settings."""

from replication.scripts import job

with job(snakemake):
    from replication.compute.ablation import study
    from replication.data.mnist import read_samples
    from replication.files import write_json
    from replication.parameters import Parameters

    runs = {name: Parameters(**run) for name, run in snakemake.params.runs.items()}
    write_json(snakemake.output.report, study(runs, read_samples(snakemake.params.samples)), indent=None)
