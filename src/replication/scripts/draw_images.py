"""The images of a seed."""

from replication.scripts import job

with job(snakemake):
    from replication.data import mnist

    params = snakemake.params
    sources = snakemake.config["data"]["sources"]
    mnist.draw(params.root, **params.drawn, sources=sources).save(snakemake.output.images)
