"""One optimizer tuned and run at one setting of the limits."""

from replication.parameters import Parameters
from replication.records import record
from replication.scripts import job
from replication.studies.limits import Search, study

with job(snakemake):
    study_of = snakemake.params.study
    arguments = {"parameters": Parameters(**study_of["parameters"]), "search": Search(**study_of["search"])}
    record(study, study_of["keys"], snakemake.output.record, **arguments, root=snakemake.params.root)
