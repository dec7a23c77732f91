"""The reference maps at one setting of the limits."""

from replication.scripts import job

with job(snakemake):
    from replication.parameters import Parameters
    from replication.records import record
    from replication.studies.limits import measure_maps

    maps, output = snakemake.params.maps, snakemake.output.record
    parameters = Parameters(**maps["parameters"])
    record(measure_maps, maps["keys"], output, parameters=parameters, seeds=maps["seeds"], root=snakemake.params.root)
