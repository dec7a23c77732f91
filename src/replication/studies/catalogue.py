"""The list of the studies: all of their jobs, and groups of records that figures and tables are made of."""

from replication import parameters
from replication.studies import (
    ablation,
    claims,
    conditioning,
    field,
    ladder,
    limits,
    optimizers,
    pictures,
    references,
    tuning,
)
from replication.studies.study import Job

STUDIES = (tuning, claims, optimizers, limits, ladder, field, references, pictures, conditioning, ablation)
# Groups of results by name, which figures and tables can need.
GROUPS = {
    "runs:default": lambda config: [f"runs/{name}/*" for name in parameters.of_target(config, None)],
    "claims:judged": claims.judged_records,
    "claims:timed": claims.timed_records,
    "claims:shown": claims.shown_records,
    "optimizers:all": optimizers.records,
    "ladder:rows": ladder.records,
}


def jobs(config: dict) -> list[Job]:
    """The jobs of all studies."""
    return [job for study in STUDIES for job in study.jobs(config)]
