"""A verdict on every claim."""

from replication.scripts import job

with job(snakemake):
    from replication.paths import ResultFiles
    from replication.verdicts.claims import judge, write

    params = snakemake.params
    write(judge(ResultFiles(), params.settings, params.optimizers), snakemake.output.claims)
