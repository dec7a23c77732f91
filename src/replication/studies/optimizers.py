"""Every optimizer of the experiments that try more than the poster's, beside BADMM."""

from replication.parameters import CRITERIA
from replication.studies import claims
from replication.studies.study import Job


def experiments(config: dict) -> dict[str, list[str]]:
    """Their methods by experiment."""
    return {
        name: sorted(section["optimizers"]) for name, section in config["experiments"].items() if "in_target" in section
    }


def runs(config: dict) -> list[tuple[str, str, str]]:
    """Experiment, criterion and method of the runs that they are judged by."""
    return [
        (e, criterion, name) for e, names in experiments(config).items() for criterion in CRITERIA for name in names
    ]


def records(config: dict) -> list[str]:
    """The names of the records that their table is made of."""
    own = experiments(config)
    tuned = [f"tuning/{experiment}/{name}" for experiment, names in own.items() for name in names]
    return tuned + [f"optimizers/timing/{name}" for name in own]


def jobs(config: dict) -> list[Job]:
    """The timings, "optimizers/timing/EXPERIMENT". The runs are those of the study "tuning"."""
    return [claims.time_of(config, f"optimizers/timing/{name}", name, own) for name, own in experiments(config).items()]
