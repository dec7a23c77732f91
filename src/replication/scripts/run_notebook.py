"""A notebook with parameters."""

from replication.scripts import job

with job(snakemake):
    from replication.notebooks import execute

    execute(
        snakemake.input.notebook,
        snakemake.output.notebook,
        snakemake.params.parameters,
        snakemake.params.working_copy,
    )
