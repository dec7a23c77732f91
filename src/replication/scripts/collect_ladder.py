"""Every run of the ladder in one file."""

from replication.scripts import job

with job(snakemake):
    from replication.files import read_json, write_json

    runs = [run for path in snakemake.input.runs for run in read_json(path)["result"]["runs"]]
    write_json(snakemake.output.ladder, runs, indent=None)
