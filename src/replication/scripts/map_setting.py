"""The reference maps at one setting of the limits."""

from replication.parameters import Parameters
from replication.records import record
from replication.scripts import job
from replication.studies.limits import measure_maps

with job(snakemake):
    maps, output = snakemake.params.maps, snakemake.output.record
    parameters = Parameters(**maps["parameters"])
    record(measure_maps, maps["keys"], output, parameters=parameters, seeds=maps["seeds"], root=snakemake.params.root)
