"""The numbers that the default runs come to."""

from replication.scripts import job

with job(snakemake):
    from replication.files import write_json
    from replication.results import Results
    from replication.verdicts.verify import numbers

    write_json(snakemake.output.numbers, numbers(Results(snakemake.params.results)))
