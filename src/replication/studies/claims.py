"""What the claims ask for: runs of every method on their experiments, times of an iteration, and reference maps."""

from replication import parameters
from replication.methods import compared
from replication.parameters import AUTOENCODER, CRITERIA, Parameters
from replication.statements import experiments_of, rivals
from replication.studies.study import Job, timing

# The optimizers of no claim that stand beside the claims' in the table of references and in the figure of the search.
BESIDE = ("adam-minibatch", "adamw", "lbfgs")


def judged_on(config: dict) -> list[tuple[dict, dict, str]]:
    """Each statement that experiments judge, with each kind of baseline, on each of its experiments."""
    statements = [statement for statement in config["claims"]["statements"] if "experiment" in statement]
    known, kinds = config["experiments"], config["claims"]["kinds"]
    return [(s, kind, e) for s in statements for kind in kinds for e in experiments_of(s, kind, known)]


def methods_of(config: dict, experiment: str) -> list[str]:
    """The methods of claims on either side that take part in an experiment, and the variants of baselines there."""
    own = config["experiments"][experiment]["optimizers"]
    names = dict.fromkeys(compared(own))
    for statement, kind, judged in judged_on(config):
        if judged == experiment:
            names |= dict.fromkeys(name for base in statement["against"] for name in rivals(kind, base, own))
    return list(names)


def shown(config: dict) -> list[tuple[str, str]]:
    """Experiments and methods of the table of references: the autoencoder's, and those of its other claims.

    Of kinds of baseline with experiments of their own, those whose settings are chosen on validation images.
    """
    elsewhere = {
        experiment
        for statement, kind, experiment in judged_on(config)
        if statement["experiment"] == AUTOENCODER
        and (not kind["suffix"] or statement["criterion"] == "validation_loss")
    } - {AUTOENCODER}
    beside = [name for name in BESIDE if name in config["experiments"][AUTOENCODER]["optimizers"]]
    return [(AUTOENCODER, name) for name in (*methods_of(config, AUTOENCODER), *beside)] + [
        (experiment, name) for experiment in sorted(elsewhere) for name in methods_of(config, experiment)
    ]


def runs(config: dict) -> list[tuple[str, str, str]]:
    """Experiment, criterion and method of the runs that claims are judged by, and of those beside them."""
    judged = {(experiment, statement["criterion"]) for statement, _, experiment in judged_on(config)}
    asked = [(e, criterion, name) for e, criterion in sorted(judged) for name in methods_of(config, e)]
    for experiment, name in shown(config):
        criteria = CRITERIA if experiment == AUTOENCODER else ("validation_loss",)
        asked += [(experiment, criterion, name) for criterion in criteria]
    return list(dict.fromkeys(asked))


def evaluated(config: dict, criterion: str) -> dict:
    """The seeds of the runs with settings chosen by a criterion, and what is measured of them (training.answer)."""
    claims = config["claims"]
    return {"seeds": claims["seeds"], "every": claims["every"][criterion], "with_ssim": criterion == "validation_loss"}


def mapped(config: dict) -> list[str]:
    """Of the experiments in the table of references the first with each problem: reference maps stand beside them."""
    first: dict[str, str] = {}
    for experiment, _ in shown(config):
        first.setdefault(repr(config["experiments"][experiment]["problem"]), experiment)
    return list(first.values())


def timed(config: dict) -> list[str]:
    """The experiments whose wall time is compared."""
    return sorted(
        {
            experiment
            for statement, _, experiment in judged_on(config)
            if any(quantity.startswith("seconds") for quantity in statement["quantities"])
        }
    )


def judged_records(config: dict) -> list[str]:
    """The names of the records that the verdicts are made of."""
    experiments = {e for _, _, e in judged_on(config)}
    tuned = [f"tuning/{experiment}/{name}" for experiment in experiments for name in methods_of(config, experiment)]
    return sorted(tuned) + timed_records(config)


def timed_records(config: dict) -> list[str]:
    """The names of the records that wall time is judged by."""
    return [f"claims/timing/{name}" for name in timed(config)]


def shown_records(config: dict) -> list[str]:
    """The names of the records that the table of references is made of."""
    tuned = [f"tuning/{experiment}/{name}" for experiment, name in shown(config)]
    return tuned + [f"maps/{name}" for name in mapped(config)]


def jobs(config: dict) -> list[Job]:
    """The timings, "claims/timing/EXPERIMENT", also where a target of its own draws wall time.

    The runs are those of the study "tuning".
    """
    made = [time_of(config, f"claims/timing/{name}", name, methods_of(config, name)) for name in timed(config)]
    for name, section in config["experiments"].items():
        if section.get("target") not in (None, "claims"):
            made.append(time_of(config, f"claims/timing/{name}", name, sorted(section["optimizers"])))
    return made


def time_of(config: dict, job: str, experiment: str, methods: list[str]) -> Job:
    """The timing of methods of an experiment side by side, with the first seed."""
    section = config["experiments"][experiment]
    seed = section.get("seeds", config["seeds"])[0]
    runs: list[Parameters] = [parameters.of_run(config, experiment, name, seed) for name in methods]
    return timing(job, job, runs, config["timing"]["rounds"], section["tuning"]["ranges"])
