"""Numbers and records held against those in the repository."""

from replication.scripts import job
from replication.verdicts.verify import verify

with job(snakemake):
    files = snakemake.input
    verify(files.numbers, files.expected, files.again, files.records)
