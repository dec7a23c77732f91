"""A notebook with parameters."""

from replication.notebooks import execute
from replication.scripts import job

with job(snakemake):
    execute(
        snakemake.input.notebook,
        snakemake.output.notebook,
        snakemake.params.parameters,
        snakemake.params.working_copy,
    )
