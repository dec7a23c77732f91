"""The numbers that the default runs come to."""

from replication.files import write_json
from replication.results import Results
from replication.scripts import job
from replication.verdicts.verify import numbers

with job(snakemake):
    write_json(snakemake.output.numbers, numbers(Results(**snakemake.params.results)))
