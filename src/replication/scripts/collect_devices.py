"""What was timed on devices of other machines."""

from replication.scripts import job

with job(snakemake):
    from replication.files import write_json
    from replication.speed.devices import collect

    write_json(snakemake.output.report, collect(snakemake.input.devices))
