"""The methods timed side by side at one setting of the limits."""

from replication.scripts import job

with job(snakemake):
    from replication.parameters import Parameters
    from replication.records import record
    from replication.studies.limits import time_methods

    timing, output = snakemake.params.timing, snakemake.output.record
    runs = [Parameters(**run) for run in timing["runs"]]
    record(time_methods, timing["keys"], output, runs=runs, rounds=timing["rounds"], root=snakemake.params.root)
