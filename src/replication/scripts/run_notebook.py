"""A notebook with parameters."""

from replication.scripts import job

with job(snakemake):
    from replication.notebooks import execute

    params = snakemake.params
    execute(snakemake.input.notebook, snakemake.output.notebook, params.parameters, params.working_copy)
