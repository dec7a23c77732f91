"""The field: training signals times weight steps, and whole methods, tuned alike and run with the same seeds."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from replication import parameters, records
from replication.errors import nearest
from replication.methods import METHODS, label
from replication.ranges import at
from replication.sections import merge
from replication.studies.study import Job, timing, training

CRITERION = "train_loss"  # settings are chosen by it
SIGNAL_STEPS = "signal-steps"  # of METHODS: a signal with a weight step
GROUPS = FACTORIAL, TAUS, WHOLE, PEERS = "factorial", "taus", "methods", "peers"


@dataclass(frozen=True)
class Entrant:
    """A row of the field, before it has a task.

    name: unique. group: of GROUPS. label: for readers. optimizer: a key of METHODS. fixed: its settings that are not
    searched. ranges: of those that are. trials: of the search.
    """

    name: str
    group: str
    label: str
    optimizer: str
    fixed: dict
    ranges: dict[str, dict]
    trials: int


def entrants(field: dict) -> dict[str, Entrant]:
    """The rows by name: "SIGNAL-WEIGHT_STEP", with "-solved" and "-guarded"; "tau-VALUE"; METHOD, "METHOD-defaults"."""
    rows = [*_factorial(field), *_taus(field)]
    for name, ranges in field["methods"].items():
        rows.append(Entrant(name, WHOLE, label(name), name, {}, ranges, field["method_trials"]))
    for name, ranges in field["peers"].items():
        rows.append(Entrant(name, PEERS, label(name), name, {}, ranges, field["trials"]))
    for name, given in field["defaults"].items():
        rows.append(Entrant(f"{name}-defaults", WHOLE, f"{label(name)}, defaults", name, given, {}, 0))
    return {row.name: row for row in rows}


def _factorial(field: dict) -> list[Entrant]:
    """Every signal with every weight step, the last layer solved or not, and some of them with the guard too."""
    rows, guarded = [], field["guarded"]
    for signal, added in field["signals"].items():
        for step, ranges in field["weight_steps"].items():
            can_be = signal in guarded["signals"] and step in guarded["weight_steps"]
            for solved in (False, True):
                for guard in (False, True) if can_be else (False,):
                    fixed = {"signal": signal, "weight_step": step, "solved": solved, "guarded": guard}
                    words = [signal, step, *(word for word in ("solved", "guarded") if fixed[word])]
                    free = ranges | added | (field["solved"] if solved else {})
                    name, title = "-".join(words), ", ".join(words)
                    rows.append(Entrant(name, FACTORIAL, title, SIGNAL_STEPS, fixed, free, field["trials"]))
    return rows


def _taus(field: dict) -> list[Entrant]:
    """The restarted signal with the Gram step, solved and guarded: tau given, the rest searched."""
    fixed = {"signal": "restarted", "weight_step": "gram", "solved": True, "guarded": True}
    free = field["weight_steps"]["gram"] | field["solved"]
    return [
        Entrant(f"tau-{tau:g}", TAUS, f"tau {tau:g}", SIGNAL_STEPS, fixed | {"tau": tau}, free, field["trials"])
        for tau in field["taus"]
    ]


def rows_of(field: dict, task: str) -> list[Entrant]:
    """The rows that run on a task."""
    wanted = field["tasks"][task]["rows"]
    return [row for row in entrants(field).values() if row.group in wanted or row.name in wanted]


def searches(config: dict) -> dict[str, dict]:
    """By key of the configuration, "ranges" by method: what is asked whether the methods have such settings."""
    field = config["field"]
    steps = {f"field.weight_steps.{name}": {SIGNAL_STEPS: ranges} for name, ranges in field["weight_steps"].items()}
    steps |= {f"field.signals.{name}": {SIGNAL_STEPS: ranges} for name, ranges in field["signals"].items()}
    whole = {"field.solved": {SIGNAL_STEPS: field["solved"]}}
    whole |= {f"field.{group}": field[group] for group in (WHOLE, PEERS)}
    return {key: {"ranges": ranges} for key, ranges in (steps | whole).items()}


def faults(config: dict) -> Iterator[str]:
    """Names in the section "field" that are names of nothing."""
    field = config["field"]
    known = {"field.guarded.signals": field["signals"], "field.guarded.weight_steps": field["weight_steps"]}
    named = {key: field["guarded"][key.rsplit(".")[-1]] for key in known}
    known |= {"field.methods": METHODS, "field.credit.rows": METHODS, "field.credit.task": field["tasks"]}
    rows = field["credit"]["rows"].values()
    known |= {"field.defaults": METHODS}
    named |= {
        "field.defaults": field["defaults"],
        "field.methods": field["methods"],
        "field.credit.rows": [row["optimizer"] for row in rows],
    }
    named |= {"field.credit.task": [field["credit"]["task"]]}
    for task, entry in field["tasks"].items():
        key = f"field.tasks.{task}"
        known |= {f"{key}.experiment": config["experiments"], f"{key}.rows": [*GROUPS, *entrants(field)]}
        named |= {f"{key}.experiment": [entry["experiment"]], f"{key}.rows": entry["rows"]}
    for key, names in named.items():
        for name in names:
            if name not in known[key]:
                yield f"{key}: {name!r} is none of {', '.join(known[key])}{nearest(name, known[key])}"


def section_of(config: dict, task: str) -> dict:
    """The section of the experiments that a task is."""
    entry = config["field"]["tasks"][task]
    return merge(config["experiments"][entry["experiment"]], entry["over"])


def jobs(config: dict) -> list[Job]:
    """Every job of the field."""
    return [*row_jobs(config), *credit_jobs(config), *timing_jobs(config)]


def timing_jobs(config: dict) -> list[Job]:
    """The timing of the whole methods of each task side by side: "field/timing/TASK"."""
    field, made = config["field"], []
    for task in field["tasks"]:
        section = section_of(config, task)
        whole = [row for row in rows_of(field, task) if row.group in (WHOLE, PEERS) and row.ranges]
        middles = [row.fixed | {name: at(scale, 0.5) for name, scale in row.ranges.items()} for row in whole]
        runs = [
            parameters.of_section(config, section, f"field-{task}", row.optimizer, field["seeds"][0], settings)
            for row, settings in zip(whole, middles, strict=True)
        ]
        if runs:
            name = f"field/timing/{task}"
            made.append(
                timing(name, name, runs, config["timing"]["rounds"], {row.optimizer: row.ranges for row in whole})
            )
    return made


def credit_jobs(config: dict) -> list[Job]:
    """A job for each depth and method whose credit is followed: "field/credit-DEPTH/ROW"."""
    field, credit = config["field"], config["field"]["credit"]
    made = []
    for depth in credit["depths"]:
        section = merge(section_of(config, credit["task"]), {"network": {"hidden": [credit["hidden"]] * depth}})
        rows = credit["rows"] | {f"tau-{tau:g}": _with(credit["rows"]["restarted"], tau) for tau in field["taus"]}
        for row, method in rows.items():
            optimizer, settings = method["optimizer"], method["settings"]
            run = parameters.of_section(config, section, "credit", optimizer, field["seeds"][0], settings)
            asked = {"iterations": credit["iterations"], "seeds": field["seeds"]}
            depends = records.described(run) | asked
            name = f"field/credit-{depth}/{row}"
            made.append(Job(name, "credit", depends, {"run": asdict(run), **asked}))
    return made


def _with(method: dict, tau: float) -> dict:
    return method | {"settings": method["settings"] | {"tau": tau}}


def row_jobs(config: dict) -> list[Job]:
    """A job for each task and row: "field/TASK/ROW"."""
    field = config["field"]
    seeds = field["tuning_seeds"]
    asked = {"seeds": field["seeds"], "every": field["every"], "with_ssim": False}
    made = []
    for task, entry in field["tasks"].items():
        section, runs = section_of(config, task), dict.fromkeys(entry.get("criteria", [CRITERION]), asked)
        for row in rows_of(field, task):
            run = parameters.of_section(config, section, f"field-{task}", row.optimizer, seeds[0], row.fixed)
            search = {"ranges": row.ranges, "trials": entry.get("trials", row.trials), "finalists": field["finalists"]}
            made.append(training(f"field/{task}/{row.name}", run, search | {"statistic": "last"}, seeds, runs))
    return made
