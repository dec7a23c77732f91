"""The verdicts of a study: of claims, limits or ladder."""

from replication.scripts import job

with job(snakemake):
    from importlib import import_module

    from replication.files import write_json
    from replication.results import Results

    verdicts = import_module(f"replication.verdicts.{snakemake.wildcards.study}")
    table = verdicts.collect(Results(snakemake.params.results), snakemake.config)
    write_json(snakemake.output.verdicts, table, indent=None)
