"""The settings that the searches chose."""

from replication.scripts import job

with job(snakemake):
    from replication.results import Results
    from replication.verdicts.tuned import write

    write(Results(snakemake.params.results), snakemake.output.tuned)
