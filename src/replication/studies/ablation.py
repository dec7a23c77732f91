"""From one weight update of BADMM to the other, one setting at a time: which of them made which difference."""

from dataclasses import asdict

from replication import parameters, records
from replication.methods import POSTER, of_role
from replication.parameters import AUTOENCODER, CRITERIA
from replication.studies.study import Job


def jobs(config: dict) -> list[Job]:
    """A job for each criterion that settings are chosen by: "ablation/CRITERION"."""
    made = []
    for criterion in CRITERIA:
        runs = {name: parameters.of_run(config, AUTOENCODER, name, 0, criterion) for name in of_role(POSTER)}
        seeds = config["limits"]["seeds"]
        depends = {"runs": {name: records.described(run) for name, run in runs.items()}, "seeds": seeds}
        arguments = {"runs": {name: asdict(run) for name, run in runs.items()}, "seeds": seeds}
        made.append(Job(f"ablation/{criterion}", "ablation", depends, arguments))
    return made
