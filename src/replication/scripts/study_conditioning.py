"""A perceptron at every condition number."""

from replication.scripts import job

with job(snakemake):
    from replication.compute.conditioning import study
    from replication.data.mnist import read_samples
    from replication.files import write_json
    from replication.parameters import Parameters

    params = snakemake.params
    runs = {name: Parameters(**run) for name, run in params.runs.items()}
    table = study(runs, params.ranges, **params.numbers, samples=read_samples(params.samples))
    write_json(snakemake.output.report, table, indent=None)
