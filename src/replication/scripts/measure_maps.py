"""The noisy input, the mean image and the best linear map."""

from replication.data.mnist import read_samples
from replication.files import write_json
from replication.parameters import Parameters
from replication.scripts import job
from replication.studies.maps import measure

with job(snakemake):
    params = snakemake.params
    measured = measure(Parameters(**params.run), read_samples(params.samples), params.with_ssim)
    write_json(snakemake.output.maps, measured)
