"""An iteration of each optimizer, timed side by side."""

from replication.scripts import job

with job(snakemake):
    from replication.data.mnist import Sample
    from replication.files import write_json
    from replication.parameters import Parameters
    from replication.speed.clock import time_iterations

    runs = [Parameters(**run) for run in snakemake.params.runs]
    sample = next(map(Sample.load, snakemake.input.images), None)
    write_json(snakemake.output.report, time_iterations(runs, sample, snakemake.params.rounds))
