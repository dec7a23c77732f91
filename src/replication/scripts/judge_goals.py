"""Speed and size against their goals."""

from replication.scripts import job

with job(snakemake):
    from replication.files import read_json, write_json
    from replication.results import Results
    from replication.speed.goals import judge

    names = ("iterations", "processes", "pipeline")
    reports = {name: read_json(snakemake.input[name]) for name in names}
    write_json(snakemake.output.goals, judge(**reports, results=Results(**snakemake.params.results)))
