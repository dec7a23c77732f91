"""Both weight steps of BADMM with each other's settings."""

from replication.data.mnist import read_samples
from replication.files import write_json
from replication.parameters import Parameters
from replication.scripts import job
from replication.studies.ablation import study

with job(snakemake):
    runs = {name: Parameters(**run) for name, run in snakemake.params.runs.items()}
    write_json(snakemake.output.report, study(runs, read_samples(snakemake.params.samples)), indent=None)
