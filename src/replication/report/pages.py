"""The pages for readers, with every number from a table: marks inside sentences, and whole tables.

A page is Markdown. A mark is a comment, which no reader sees, after a number: `0.39<!--a-->`. The page ends with one
line for each mark, which has the number as it stands above and where it comes from:

    <!-- numbers
    a: 0.39 = claims autoencoder/adam/iterations/badmm {effect:.2f}
    -->

is the row "autoencoder/adam/iterations/badmm" of claims.csv, put into a format of Python's. A format without braces is
a name of FORMATS. Between `<!-- table NAME ARGUMENTS -->` and `<!-- end -->` stands what a function of BLOCKS makes.
`fill` writes both anew.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from replication.errors import DataError
from replication.files import replacing
from replication.methods import ANCHOR, METHODS, baselines, judged
from replication.methods import label as label_of
from replication.paths import PAGES, PUBLISHED_TABLES
from replication.report.rows import Row, Tables, markdown, read
from replication.verdicts.effects import QUANTITIES, effect_text

MARK = re.compile(r"<!--(\w+)-->")
REFERENCE = re.compile(r"(\w+): (.*?) = ((\w+) (\S+) (.+))")
BLOCK = re.compile(r"(<!-- table (\w+)([^\n>]*) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
FORMATS = {
    "ratio": "{effect:.2g} ({low:.2g} to {high:.2g})",
    "decibels": "{effect:+.2f} dB ({low:+.2f} to {high:+.2f})",
    "word": "{outcome}: {effect:.3g} ({low:.3g} to {high:.3g})",
    "word_decibels": "{outcome}: {effect:+.2f} dB ({low:+.2f} to {high:+.2f})",
}


def fill(text: str, tables: Tables) -> str:
    """`text` with the numbers and tables that `tables` have.

    Raises DataError for a reference to what is not there, for one that no mark needs, for a mark without a reference,
    and for a mark after another number than its reference's.
    """
    body, opening, lines = text.partition("<!-- numbers\n")
    marks, references = [], []
    for line in lines.removesuffix("-->\n").splitlines():
        match = REFERENCE.fullmatch(line)
        if not match:
            raise DataError(f"the reference {line!r} is not of the form MARK: NUMBER = TABLE ROW FORMAT")
        mark, number, source, name, row, form = match.groups()
        try:
            value = FORMATS.get(form, form).format_map(tables[name][row])
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"the reference {source!r} leads nowhere: {error!r}") from None
        marks.append(mark)
        references.append(f"{mark}: {value} = {source}\n")
        places = body.count(f"<!--{mark}-->")
        marked = r"(?<![\w.])" + r"\s+".join(map(re.escape, number.split())) + f"<!--{mark}-->"
        body, replaced = re.subn(marked, lambda _, new=f"{value}<!--{mark}-->": new, body)
        if replaced < places:
            raise DataError(f"the mark <!--{mark}--> does not stand after {number!r}, which its reference has")
    if sorted(marks) != sorted(set(MARK.findall(body))):
        raise DataError(f"marks {sorted(set(MARK.findall(body)))} and references {sorted(marks)} are not the same")

    def build(match: re.Match) -> str:
        head, name, arguments, _, end = match.groups()
        if name not in BLOCKS:
            raise DataError(f"there is no table {name!r}, only {', '.join(sorted(BLOCKS))}")
        try:
            return head + BLOCKS[name](tables, *arguments.split()) + "\n" + end
        except KeyError as error:
            raise DataError(f"the table {name}{arguments} asks for a row that is not there: {error}") from None

    return BLOCK.sub(build, body) + (f"{opening}{''.join(references)}-->\n" if opening else "")


def paths(root: str | Path) -> list[Path]:
    """The pages of the project at `root`."""
    return [path for pattern in PAGES for path in sorted(Path(root).glob(pattern))]


def publish(results: str | Path, root: str | Path) -> None:
    """Take the tables that the pipeline wrote to `results` over into the project at `root`, and fill its pages anew.

    Nothing is written where a page refers to what no table has, or where there are no tables or no pages (DataError).
    """
    root = Path(root)
    new = sorted(Path(results, "tables").glob("*.csv"))
    if not new:
        raise DataError(f"{Path(results, 'tables')} has no tables: compute results first")
    tables = read(root / PUBLISHED_TABLES) | read(Path(results) / "tables")
    pages = {path: fill(path.read_text(), tables) for path in paths(root)}
    if not pages:
        raise DataError(f"{root} has no pages, {' and '.join(PAGES)}: it is not the project's folder")
    for path in new:
        with replacing(root / PUBLISHED_TABLES / path.name) as temporary:
            shutil.copyfile(path, temporary)
    for path, text in pages.items():
        with replacing(path) as temporary:
            temporary.write_text(text)


# The tables of the pages. None has more than six columns; the CSV files have the rest.


def _under(table: dict[str, Row], *start: str) -> dict[str, Row]:
    """The rows whose id starts so, by what follows."""
    prefix = "/".join(start) + "/"
    return {name.removeprefix(prefix): row for name, row in table.items() if name.startswith(prefix)}


def _name(optimizer: str) -> str:
    return label_of(optimizer) if optimizer in METHODS else f"the {optimizer.replace('-', ' ')}"


def _number(value: float | None, form: str = ".3g") -> str:
    return "-" if value is None else f"{value:{form}}"


def _spread(row: Row, column: str, form: str = ".3g") -> str:
    if row.get(column) is None:
        return "-"
    return f"{row[column]:{form}} ({row[f'{column}_low']:{form}} to {row[f'{column}_high']:{form}})"


def _effect(row: Row, quantity: str, start: str = "") -> str:
    """The effect with its interval, and the outcome. start: "exact_" for those without slack."""
    effect, *interval, word = (row[f"{start}{column}"] for column in ("effect", "low", "high", "outcome"))
    return f"{effect_text(quantity, effect, interval)}, {word}"


def _marks(row: Row) -> str:
    """What docs/claims.md explains of an outcome: lost seeds, the slack, Holm's correction."""
    seeds = " ".join(str(row[column]) for column in ("lost", "baseline_lost") if row[column] is not None).split()
    marks = [f"lost {' '.join(sorted(set(seeds), key=int))}"] if seeds else []
    marks += ["slack"] if row["exact_outcome"] not in (None, row["outcome"]) else []
    marks += ["Holm"] if row["holm"] else []
    return f" [{'; '.join(marks)}]" if marks else ""


def _tests(tables: Tables) -> dict[tuple, Row]:
    """The rows of the claims that have a baseline, by experiment, kind of baseline, baseline, quantity and method."""
    rows = {name: row for name, row in tables["claims"].items() if "/" in name}
    return {(row["experiment"], row["kind"], *name.split("/")[1:]): row for name, row in rows.items()}


def claims(tables: Tables, experiment: str, *quantities: str) -> str:
    """The tests of one experiment, by some quantities, against each kind of baseline.

    Quantities that have a slack have a second line without it.
    """
    tests, rows = _tests(tables), []
    columns = [(kind, against) for against in baselines() for kind in dict.fromkeys(key[1] for key in tests)]
    for method in judged():
        for quantity, label in QUANTITIES.items():
            results = [tests.get((experiment, kind, against, quantity, method)) for kind, against in columns]
            if any(results) and quantity in quantities:
                cells = [f"{_effect(row, quantity)}{_marks(row)}" if row else "-" for row in results]
                rows.append([_name(method), label, *cells])
                if quantity == "iterations":
                    exact = [_effect(row, quantity, "exact_") if row else "-" for row in results]
                    rows.append([_name(method), f"{label}, no slack", *exact])
    if not rows:
        raise KeyError(f"{experiment}/.../{' or '.join(quantities)}")
    head = [f"{_name(against)}, {kind}" for kind, against in columns]
    return markdown(["method", "measured by", *head], rows)


def verdicts(tables: Tables, statement: str, method: str, *quantities: str) -> str:
    """The verdicts on a claim for a method, by some quantities.

    With each kind of baseline it has the word, and the experiments that agree.
    """
    own = {
        (kind, quantity, against): row
        for (_, kind, against, quantity, name), row in _tests(tables).items()
        if row["statement"] == statement and row["verdict"] and name == method and quantity in quantities
    }
    if not own:
        raise KeyError(f"{statement}/{method}/{' or '.join(quantities)}")
    kinds = list(dict.fromkeys(kind for kind, *_ in own))
    rows = []
    for quantity, against in dict.fromkeys((quantity, against) for _, quantity, against in own):
        cells = []
        for row in (own.get((kind, quantity, against)) for kind in kinds):
            agree = ": ".join(row[column] for column in ("agree", "agree_at") if row[column]) if row else "-"
            cells += [f"{row['verdict']}{_marks(row)}" if row else "-", agree]
        rows.append([QUANTITIES[quantity], _name(against), *cells])
    head = [text for kind in kinds for text in (kind, "others that agree")]
    return markdown(["measured by", "against", *head], rows)


def references(tables: Tables, *experiments: str) -> str:
    """What each optimizer and each closed form comes to."""
    rows = []
    for experiment in experiments:
        for row in _under(tables["references"], experiment).values():
            losses = [_number(row[column]) for column in ("train_loss", "unseen_loss")]
            quality = [_number(row["unseen_psnr"], ".1f"), _number(row["unseen_ssim"], ".3f")]
            active = "-" if row["active"] is None else f"{row['active']:.0%}"
            rows.append([row["name"], *losses, *quality, active])
    head = ["", "training loss", "unseen loss", "unseen PSNR, dB", "unseen SSIM", "active units"]
    return markdown(head, rows)


def trained(tables: Tables, experiment: str) -> str:
    """With how many seeds a perceptron trains, and its squared errors."""
    rows = []
    for name, row in _under(tables["trained"], experiment).items():
        losses = [_spread(row, column) for column in ("train_loss", "unseen_loss")]
        rows.append([_name(name), f"{row['trained']} of {row['seeds']}", *losses])
    return markdown(["optimizer", "seeds with which it trains", "training squared error", "unseen squared error"], rows)


def limits_where(tables: Tables, method: str, *quantities: str) -> str:
    """At how many settings each word stands for a method against each baseline."""
    words = {"holds": ("holds",), "does not hold": ("does_not_hold",), "no verdict": ("no_verdict",)}
    words["no difference or undecided"] = "no_difference", "undecided"
    rows = []
    for name, row in _under(tables["limits_where"], method).items():
        against, quantity, *group = name.split("/")
        if not group and quantity.replace("-", "_") in quantities:
            counts = [str(sum(row[column] for column in columns)) for columns in words.values()]
            rows.append([_name(against), QUANTITIES[quantity.replace("-", "_")], *counts])
    return markdown(["against", "measured by", *words], rows)


def conditioning(tables: Tables, experiment: str, *numbers: str) -> str:
    """The gap to the optimum at some condition numbers."""
    gaps = _under(tables["conditioning"], experiment)
    optimizers = [name for name in METHODS if any(key.split("/")[1] == name for key in gaps)]
    rows = [[_name(n), *(_number(gaps[f"{number}/{n}"]["gap"], ".1e") for number in numbers)] for n in optimizers]
    return markdown(["condition number", *numbers], rows)


def ablation(tables: Tables) -> str:
    """Each weight step with its own settings, with each of the other's, and with all of them."""
    symbols = {"tau-x": r"$\tau_X$", "tau-z": r"$\tau_Z$", "all-of-them": "step sizes"}
    rows = []
    for method in dict.fromkeys(name.split("/")[1] for name in tables["ablation"]):
        losses = [_under(tables["ablation"], column, method) for column in ("train_loss", "unseen_loss")]
        for taken in losses[0]:
            settings = "its own step sizes" if taken == "own" else f"the other's {symbols.get(taken, taken)}"
            cells = [
                _spread(rows_of[taken], "loss") if rows_of[taken]["loss"] is not None else "diverged"
                for rows_of in losses
            ]
            rows.append([_name(method), settings, *cells])
    return markdown(["method", "with", "training loss", "unseen loss"], rows)


def ladder(tables: Tables, experiment: str, *added: str) -> str:
    """Each rung's training losses and its PSNR on unseen images, or its unseen loss where there are none.

    added: "active" for the share of units that are on, in place of the second loss.
    """
    table = _under(tables["ladder"], experiment)
    losses = [column for column in next(iter(table.values())) if re.fullmatch(r"loss_\d+", column)]
    losses = [*losses[: 1 if added else 2], losses[-1]]
    images = any(row["unseen_psnr"] is not None for row in table.values())
    form = ".4f" if images else ".3g"
    columns = {loss: (f"loss at {loss.removeprefix('loss_')}", form) for loss in losses}
    columns |= {"to_badmm": ("last loss / gradient BADMM's", ".2f" if images else ".2g")}
    columns |= {"unseen_psnr": ("unseen, dB", ".1f")} if images else {"unseen_loss": ("unseen loss", ".3g")}
    columns |= dict.fromkeys(added, ("units on", ".0%"))
    rows = [[row["name"], *(_number(row.get(c), form) for c, (_, form) in columns.items())] for row in table.values()]
    return markdown(["method", *(heading for heading, _ in columns.values())], rows)


def optimizers(tables: Tables, experiment: str) -> str:
    """Every optimizer of an experiment, with what gradient BADMM is to it."""
    table, rows = _under(tables["optimizers"], experiment), []
    for name in (name for name in table if "/" not in name):
        row = table[name]
        cells = [_number(row["train_loss"], ".4g"), _number(row["unseen_psnr"], ".2f"), _number(row["to_adam"], ".2f")]
        for quantity in ("final", "unseen_psnr"):
            effect = table.get(f"{name}/{quantity}/badmm")
            bounds = effect and (effect["effect_low"], effect["effect_high"])
            cells.append(effect_text(quantity, effect["effect"], bounds) if effect else "-")
        rows.append([_name(name), *cells])
    head = ["optimizer", "training loss", "unseen PSNR, dB", "an iteration / Adam's"]
    return markdown([*head, "BADMM's loss / its", "BADMM's PSNR - its"], rows)


def times(tables: Tables) -> str:
    """What the jobs of the targets take."""
    rows = []
    for target, command in (
        ("tune", "make tuned"),
        ("claims", "make claims"),
        ("limits", "make limits"),
        ("ladder", "make ladder"),
        ("optimizers", "make optimizers"),
    ):
        row = tables[f"time_{target}"][target]
        least = "at least " if row.get("untimed") else ""
        rows.append([f"`{command}`", str(row["jobs"]), f"{least}{row['minutes']:.0f}", _number(row["longest"], ".1f")])
    return markdown(["command", "jobs", "minutes of one core", "minutes of the longest job"], rows)


GOALS = {
    "badmm_to_adam": "an iteration of gradient BADMM, over Adam's",
    "badmm_wide_to_adam": "the same with many hidden units",
    "badmm_ls_to_adam": "an iteration of least-squares BADMM, over Adam's",
    "badmm_ls_wide_to_adam": "the same with many hidden units",
    "delta_price": "an iteration with another $\\delta$ than 1, over one with 1",
    "floor_share": "share of an iteration that is matrix products",
    "setup_in_iterations": "setup time, in iterations",
    "memory_to_state": "peak memory over the lifted state",
    "exponent_of_time": "exponent of an iteration's time against $N$",
    "two_processes": "speed-up by a second process",
    "badmm_time_to_quality": "gradient BADMM: wall time to Adam's final loss, over Adam's",
    "badmm_ls_time_to_quality": "least-squares BADMM: the same",
    "wall_time": "wall time of the default target, seconds",
}


def goals(tables: Tables) -> str:
    rows = []
    for name, row in tables["goals"].items():
        met = "yes" if row["met"] == "yes" else "**no**"
        rows.append([GOALS[name], _number(row["value"]), row["goal"], met, row["where"]])
    return markdown(["what", "measured", "goal", "met", "where"], rows)


def _sizes(table: dict[str, Row]) -> list[str]:
    """What stands before the name in ids such as "1000/64/1/adam"."""
    return list(dict.fromkeys(name.rpartition("/")[0] for name in table))


def iterations(tables: Tables) -> str:
    """An iteration by size: Adam's in ms, the others' as ratios to it."""
    table = tables["iterations"]
    rows = []
    for size in _sizes(table):
        adam = f"{table[f'{size}/{ANCHOR}']['milliseconds']:.3g}"
        for method in judged(_under(table, size)):
            ratio = _spread(table[f"{size}/{method}"], "to_adam", ".2f")
            rows.append([*size.split("/"), _name(method), ratio, adam])
    return markdown(["$N$", "$h$", "threads", "method", "its time / Adam's", "Adam, ms"], rows)


def floor(tables: Tables) -> str:
    """What part of an iteration is matrix products, and how much longer the first iterations take."""
    table = tables["iterations"]
    rows = []
    for size in _sizes(table):
        for method in judged(_under(table, size)):
            row = table[f"{size}/{method}"]
            share = "-" if row["share_of_floor"] is None else f"{row['share_of_floor']:.0%}"
            rows.append([*size.split("/"), _name(method), share, f"{row['early']:.2f}"])
    return markdown(["$N$", "$h$", "threads", "method", "share of floor", "early"], rows)


def memory(tables: Tables) -> str:
    rows = []
    for name, row in tables["memory"].items():
        *size, optimizer = name.split("/")
        rows.append([*size, _name(optimizer), f"{row['to_state']:.2f}"])
    return markdown(["$N$", "$h$", "optimizer", "peak / state"], rows)


def setup(tables: Tables) -> str:
    rows = []
    for name, row in tables["setup"].items():
        samples, inputs, hidden, _, method = name.split("/")
        cells = [samples, inputs, hidden, _name(method), f"{row['setup_milliseconds']:.3g}", f"{row['iterations']:.1f}"]
        rows.append(cells)
    return markdown(["$N$", "inputs", "$h$", "method", "setup, ms", "in iterations"], rows)


def quality(tables: Tables) -> str:
    rows = []
    for row in tables["quality"].values():
        reached = f"{row['reached']} of {row['seeds']}"
        rows.append([row["name"], reached, _spread(row, "iterations", ".0f"), _spread(row, "time_to_adam", ".3f")])
    return markdown(["optimizer", "seeds that reach it", "iterations", "wall time / Adam's"], rows)


def processes(tables: Tables) -> str:
    rows = []
    for name, row in tables["processes"].items():
        optimizer, hidden = name.split("/")
        rows.append([_name(optimizer), hidden, *(f"{row[kind]:.3g}" for kind in ("one", "strong"))])
        rows[-1] += [_spread(row, key, ".2f") for key in ("strong_speed_up", "weak_efficiency")]
    head = ["optimizer", "$h$", "one process, ms", "two, $N / 2$ each, ms"]
    return markdown([*head, "strong speed-up", "weak efficiency"], rows)


def cost_model(tables: Tables) -> str:
    rows = []
    for name, row in tables["cost_model"].items():
        optimizer, hidden = name.split("/")
        numbers = [row[c] for c in ("fixed_milliseconds", "sample_microseconds", "two_predicted", "two_measured")]
        rows.append([_name(optimizer), hidden, *map(_number, numbers)])
    head = ["optimizer", "$h$", "fixed, ms", "per sample, us", "two processes: predicted, ms", "measured, ms"]
    return markdown(head, rows)


def predictions(tables: Tables) -> str:
    table = tables["predictions"]
    counts = [count for count in dict.fromkeys(name.split("/")[3] for name in table) if count != "1"]
    rows = []
    for start in dict.fromkeys(name.rpartition("/")[0] for name in table):
        optimizer, hidden, samples = start.split("/")
        seconds = [_number(table[f"{start}/{count}"]["seconds"], ".3g") for count in counts]
        rows.append([_name(optimizer), hidden, f"{int(samples):,}", *seconds])
    return markdown(["optimizer", "$h$", "$N$", *(f"$P = {count}$, s" for count in counts)], rows)


def devices(tables: Tables) -> str:
    """An iteration on devices of other machines by size, over Adam's as torch offers it and as a recorded graph."""
    rows = []
    for name, row in tables["devices"].items():
        _, samples, hidden, method = name.split("/")
        goal = "-" if row["goal"] is None else f"{row['goal']:g}"
        ratios = [f"{row[key]:.2f}" for key in ("to_adam", "to_recorded_adam")]
        rows.append([f"{int(samples):,}", hidden, _name(method), *ratios, goal])
    return markdown(["$N$", "$h$", "method", "its time / Adam's", "its time / recorded Adam's", "goal"], rows)


def device_predictions(tables: Tables) -> str:
    table = tables["device_predictions"]
    counts = list(dict.fromkeys(name.split("/")[4] for name in table))
    rows = []
    for start in dict.fromkeys(name.rpartition("/")[0] for name in table):
        _, optimizer, hidden, samples = start.split("/")
        cells = [_number(table[f"{start}/{count}"]["milliseconds"], ".3g") for count in counts]
        rows.append([_name(optimizer), hidden, f"{int(samples):,}", *cells])
    return markdown(["optimizer", "$h$", "$N$", *(f"$P = {count}$, ms" for count in counts)], rows)


def overhead(tables: Tables) -> str:
    labels = {
        "iterations": "iterations of the optimizers",
        "evaluation": "evaluation after each iteration",
        "notebooks": "the rest of the notebooks: kernels, imports, data, figures",
        "everything-else": "everything else: starting processes, images, timing, figures, Snakemake",
        "wall": "wall time",
    }
    table = tables["overhead"]
    rows = [[label, f"{table[k]['seconds']:.0f}", f"{table[k]['share']:.0%}"] for k, label in labels.items()]
    return markdown(["part", "s", "of all"], rows)


MAKERS = (claims, verdicts, references, trained, limits_where, conditioning, ablation, ladder, optimizers, times)
SPEED = (goals, iterations, floor, setup, memory, quality, processes, cost_model, predictions, overhead)
ON_DEVICES = (devices, device_predictions)
BLOCKS: dict[str, Callable[..., str]] = {function.__name__: function for function in (*MAKERS, *SPEED, *ON_DEVICES)}
