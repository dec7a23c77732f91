"""Numbers, and records of the limits computed anew, held against those in the repository."""

from replication.scripts import job

with job(snakemake):
    from replication.verdicts.verify import verify

    files, params = snakemake.input, snakemake.params
    verify(files.numbers, files.expected, params.jobs, params.root)
