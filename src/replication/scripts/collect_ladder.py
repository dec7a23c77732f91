"""Every run of the ladder in one file."""

from replication.scripts import job

with job(snakemake):
    from replication.files import write_json
    from replication.studies.ladder import Rung, collect

    params = snakemake.params
    entries = collect([Rung(**rung) for rung in params.rungs], params.rows, params.seeds)
    write_json(snakemake.output.ladder, entries, indent=None)
