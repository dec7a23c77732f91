"""One method of the ladder."""

from replication.scripts import job

with job(snakemake):
    from replication.data.mnist import read_samples
    from replication.parameters import Parameters
    from replication.records import record
    from replication.search import Search
    from replication.studies.ladder import study

    params = snakemake.params
    parameters, samples = Parameters(**params.run), read_samples(params.samples)
    tuning = samples.pop(parameters.seed)

    def climb() -> dict:
        return {"runs": study(parameters, Search(**params.search), params.rows, tuning, samples)}

    record(climb, params.known_by, snakemake.output.runs, snakemake.input.published)
