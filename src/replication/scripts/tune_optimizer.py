"""Every trial of one optimizer, with every seed of the search."""

from replication.scripts import job

with job(snakemake):
    from dataclasses import asdict

    from replication.data.mnist import read_samples
    from replication.parameters import Parameters
    from replication.records import record
    from replication.search import Search, tune

    params = snakemake.params

    def search() -> dict:
        return asdict(tune(Parameters(**params.run), Search(**params.search), read_samples(params.samples)))

    record(search, params.known_by, snakemake.output.report, snakemake.input.published)
