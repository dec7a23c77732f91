"""Speed and size against their goals."""

from replication.scripts import job

with job(snakemake):
    from replication.files import write_json
    from replication.results import Results
    from replication.speed.goals import judge

    write_json(snakemake.output.goals, judge(Results(snakemake.params.results)))
