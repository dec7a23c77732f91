"""The images of a seed."""

from replication.data import mnist
from replication.scripts import job

with job(snakemake):
    params = snakemake.params
    sources = snakemake.config["data"]["sources"]
    mnist.draw(params.root, **params.drawn, sources=sources).save(snakemake.output.images)
