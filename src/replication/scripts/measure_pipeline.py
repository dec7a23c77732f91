"""Where the time of the default target goes."""

from replication.files import write_json
from replication.scripts import job
from replication.speed.pipeline import measure

with job(snakemake):
    write_json(snakemake.output.report, measure(snakemake.params.snakefile, snakemake.params.config))
