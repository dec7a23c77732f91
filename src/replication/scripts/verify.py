"""Numbers and records held against those in the repository."""

from replication.scripts import job

with job(snakemake):
    from replication.verdicts.verify import verify

    files = snakemake.input
    verify(files.numbers, files.expected, files.again, files.records)
