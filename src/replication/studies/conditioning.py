"""The perceptron explained: how far from its optimum each optimizer stays, by the condition number of the inputs."""

from dataclasses import asdict

from replication import parameters, records
from replication.studies.study import Job

EXPERIMENTS = ("perceptron", "perceptron-teacher")


def jobs(config: dict) -> list[Job]:
    """A job for each perceptron whose inputs have a condition number: "conditioning/EXPERIMENT"."""
    made = []
    for experiment in EXPERIMENTS:
        section = config["experiments"][experiment]
        runs = {name: parameters.of_run(config, experiment, name, 0) for name in sorted(section["optimizers"])}
        asked = {"ranges": section["tuning"]["ranges"], **config["conditioning"]}
        depends = {"runs": {name: records.described(run) for name, run in runs.items()}, **asked}
        arguments = {"runs": {name: asdict(run) for name, run in runs.items()}, **asked}
        made.append(Job(f"conditioning/{experiment}", "conditioning", depends, arguments))
    return made
