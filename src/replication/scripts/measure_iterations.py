"""The time of an iteration by size, and memory."""

from replication.scripts import job

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    with job(snakemake):
        from replication.files import write_json
        from replication.speed.iterations import measure

        write_json(snakemake.output.report, measure(snakemake.params.settings, snakemake.params.device))
