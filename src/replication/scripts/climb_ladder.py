"""One method of the ladder."""

from replication.scripts import job

with job(snakemake):
    from replication.data.mnist import read_samples
    from replication.files import write_json
    from replication.parameters import Parameters
    from replication.search import Search
    from replication.studies.ladder import study

    params = snakemake.params
    parameters, samples = Parameters(**params.run), read_samples(params.samples)
    tuning = samples.pop(parameters.seed)
    runs = study(parameters, Search(**params.search), params.rows, tuning, samples)
    write_json(snakemake.output.runs, runs, indent=None)
