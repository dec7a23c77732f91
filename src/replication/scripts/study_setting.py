"""One optimizer tuned and run at one setting of the limits."""

from replication.scripts import job

with job(snakemake):
    from replication.parameters import Parameters
    from replication.records import record
    from replication.studies.limits import Search, study

    study_of = snakemake.params.study
    arguments = {"parameters": Parameters(**study_of["parameters"]), "search": Search(**study_of["search"])}
    record(study, study_of["keys"], snakemake.output.record, **arguments, root=snakemake.params.root)
