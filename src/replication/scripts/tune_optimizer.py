"""Every trial of one optimizer, with every seed of the search."""

from replication.scripts import job

with job(snakemake):
    from replication.data.mnist import read_samples
    from replication.parameters import Parameters
    from replication.search import Search, tune

    params = snakemake.params
    report = tune(Parameters(**params.run), Search(**params.search), read_samples(params.samples))
    report.write(snakemake.output.report)
