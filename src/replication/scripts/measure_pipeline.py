"""Where the time of the default target goes."""

from replication.scripts import job

with job(snakemake):
    from replication.files import write_json
    from replication.speed.pipeline import measure

    write_json(snakemake.output.report, measure(snakemake.params.snakefile, snakemake.params.config))
