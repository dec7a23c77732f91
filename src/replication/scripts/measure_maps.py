"""The noisy input, the mean image and the best linear map."""

from replication.scripts import job

with job(snakemake):
    from replication.compute.maps import measure
    from replication.data.mnist import read_samples
    from replication.files import write_json
    from replication.parameters import Parameters

    params = snakemake.params
    measured = measure(Parameters(**params.run), read_samples(params.samples), params.with_ssim)
    write_json(snakemake.output.maps, measured)
