"""A verdict on every claim."""

from replication.paths import ResultFiles
from replication.scripts import job
from replication.verdicts.claims import judge, write

with job(snakemake):
    params = snakemake.params
    write(judge(ResultFiles(), params.settings, params.optimizers), snakemake.output.claims)
