"""The images of a seed."""

from replication.data import mnist
from replication.scripts import job

with job(snakemake):
    params = snakemake.params
    mnist.draw(params.root, **params.drawn, sources=params.sources).save(snakemake.output.images)
