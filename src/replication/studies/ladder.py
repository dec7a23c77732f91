"""The ladder: methods an ingredient apart, tuned alike by the training loss and run with the same seeds."""

from dataclasses import dataclass

from replication import parameters
from replication.methods import label
from replication.sections import merge
from replication.studies import tuning
from replication.studies.study import Job, training

CRITERION = "train_loss"  # settings are chosen by it


@dataclass(frozen=True)
class Rung:
    """A row of the ladder.

    experiment: of the ladder. method: the row's name there, label: for readers, optimizer: a key of METHODS. job: whose
    record has its runs.
    """

    experiment: str
    method: str
    label: str
    optimizer: str
    job: str


def jobs(config: dict) -> list[Job]:
    """A job for each method of each experiment of the ladder: "ladder/EXPERIMENT/METHOD"."""
    ladder = config["ladder"]
    seed, runs = ladder["tuning_seed"], {"seeds": ladder["seeds"], "rows": ladder["rows"], "with_ssim": False}
    made = []
    for entry in ladder["experiments"]:
        section = merge(config["experiments"][entry["experiment"]], entry["over"])
        for method in entry["methods"]:
            ranges = (ladder["ranges"] | entry.get("ranges", {}))[method]
            search = {"ranges": ranges, "trials": tuning.count_of_trials(ladder, ranges)}
            search |= {"finalists": 1, "statistic": "last"}
            run = parameters.of_section(config, section, entry["name"], method, seed, settings={})
            made.append(training(f"ladder/{entry['name']}/{method}", run, search, [seed], {CRITERION: runs}))
    return made


def rungs(config: dict) -> list[Rung]:
    """The rows in order. Below a rung stands what the configuration shows beside it, which the study "tuning" has."""
    rows = []
    for entry in config["ladder"]["experiments"]:
        for method in entry["methods"]:
            rows.append(Rung(entry["name"], method, label(method), method, f"ladder/{entry['name']}/{method}"))
            for name, other in entry.get("beside", {}).items():
                if other["method"] == method and {*config["ladder"]["seeds"]} <= {*config["claims"]["seeds"]}:
                    job = f"tuning/{other['experiment']}/{method}"
                    rows.append(Rung(entry["name"], name, other["label"], method, job))
    return rows


def records(config: dict) -> list[str]:
    """The names of the records that the ladder is made of."""
    return sorted({rung.job for rung in rungs(config)})
