"""Where the claims stop holding: a verdict on each method, baseline and quantity at every setting."""

import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from replication.files import check_writable, read_json, reading, replacing, write_json
from replication.methods import ANCHOR, baselines, judged
from replication.records import keys_of
from replication.speed.clock import Clock, of_report
from replication.studies.limits import Chosen
from replication.studies.maps import LINEAR_MAP, MEAN_IMAGE
from replication.studies.seeds import SeedRun
from replication.verdicts.effects import (
    HOLDS,
    IMAGES,
    OPEN,
    QUANTITIES,
    REVERSED,
    UNTIMED,
    compare,
    learned,
    side,
    within,
)

FAILS = "fails"
VERDICTS = HOLDS, OPEN, FAILS


def tests() -> list[tuple[str, str]]:
    """What each method is held against: baselines in every quantity, reference maps in those of unseen images."""
    maps = [(name, quantity) for name in (LINEAR_MAP, MEAN_IMAGE) for quantity in ("unseen_psnr", "unseen_ssim")]
    return [(name, quantity) for name in baselines() for quantity in QUANTITIES] + maps


@dataclass(frozen=True)
class Report:
    """What was computed at one setting: runs by method and by the column that their settings were chosen by, reference
    maps by name (maps.measure), clocks by method."""

    chosen: dict[str, dict[str, Chosen]]
    maps: dict[str, list[dict]]
    clocks: dict[str, Clock]


@dataclass(frozen=True)
class Verdict:
    """One method against one baseline in one quantity at one setting.

    verdict: of VERDICTS. effect, interval: as in effects.Effect, None where they are not finite. diverged: runs of the
    method and of the baseline. learned: False where most runs of the baseline end no better than the mean image, so
    that being better than they says little. bracketed: whether the settings of both had all their neighbours tried.
    """

    method: str
    against: str
    quantity: str
    verdict: str
    learned: bool
    bracketed: bool
    effect: float | None
    interval: list[float | None]
    diverged: list[int]
    seeds: int


@dataclass(frozen=True)
class Setting:
    """The verdicts of a setting. active: by method the median share of active units of the first layer."""

    group: str
    name: str
    verdicts: list[Verdict]
    active: dict[str, float]
    records: list[str]


def verdicts(report: Report, margins: dict[str, float]) -> list[Verdict]:
    """A verdict for each method, baseline and quantity.

    A claim holds where the whole interval (effects.compare, at 95%) is on its side, not within the margins, and most of
    the baseline's runs have `learned`. It fails where the interval is on the other side and not within the margins, or
    one of the method's runs diverged, or, for one of training, most of them have not learned while the baseline's have.
    It is open between.
    """
    return [_verdict(report, margins, method, *test) for method in judged(report.chosen) for test in tests()]


def _verdict(report: Report, margins: dict[str, float], method: str, against: str, quantity: str) -> Verdict:
    column = "validation_loss" if quantity in IMAGES else "train_loss"
    images = report.maps[MEAN_IMAGE]
    runs = report.chosen[method][column].runs
    if against in report.maps:
        baseline = [SeedRun(numbers["seed"], "finished", final=numbers) for numbers in report.maps[against]]
    else:
        baseline = report.chosen[against][column].runs
    clocks = (report.clocks[method], report.clocks[against]) if quantity == "seconds" else UNTIMED
    effect = compare(quantity, runs, baseline, clocks)
    rival_learned = against not in baselines() or most_learned(baseline, images)
    verdict = OPEN if within(effect, quantity, margins) else side(effect, quantity)
    if verdict == HOLDS and not rival_learned:
        verdict = OPEN
    diverged = [sum(run.diverged for run in either) for either in (runs, baseline)]
    fails = verdict == REVERSED or diverged[0]
    if quantity not in IMAGES:
        fails = fails or (not most_learned(runs, images) and most_learned(baseline, images))
    return Verdict(
        method,
        against,
        quantity,
        FAILS if fails else verdict,
        learned=rival_learned,
        bracketed=all(report.chosen[n][column].bracketed for n in (method, against) if n in report.chosen),
        effect=_finite(effect.value),
        interval=[_finite(bound) for bound in effect.interval],
        diverged=diverged,
        seeds=len(runs),
    )


def most_learned(runs: list[SeedRun], images: list[dict]) -> bool:
    """Whether most of the runs have `learned`. images: the mean image's numbers by seed."""
    pairs = zip(runs, images, strict=True)
    return sum(learned(run, image["train_loss"]) for run, image in pairs) > len(runs) / 2


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def activity(report: Report) -> dict[str, float]:
    """By method, its settings chosen on validation images: the median share of active units of the first layer."""
    shares = {}
    for name, chosen in report.chosen.items():
        values = [run.final["active"] for run in chosen["validation_loss"].runs if not run.diverged]
        if values:
            shares[name] = statistics.median(values)
    return shares


def read_report(studies: dict[str, str], maps: str, timings: dict[str, str]) -> Report:
    """The report of a setting from the files of its records (limit_settings.Setting).

    Times are told in iterations of Adam, which every record of timing has measured beside its methods.
    """
    chosen = {
        name: {column: Chosen.read(choice) for column, choice in _result(path)["chosen"].items()}
        for name, path in studies.items()
    }
    clocks = {}
    for name, path in timings.items():
        timing = _result(path)
        unit = of_report(timing, ANCHOR).step
        clocks[name] = Clock(*(seconds / unit for seconds in of_report(timing, name)))
    return Report(chosen, _result(maps)["maps"], clocks)


def _result(path: str | Path) -> dict:
    return read_json(path)["result"]


def collect(settings: list[dict], margins: dict[str, float], output: str | Path) -> None:
    """Write the verdicts of every setting (fields of limit_settings.Setting) to `output` (JSON)."""
    table = []
    for setting in settings:
        files = {name: setting[name] for name in ("studies", "maps", "timings")}
        report = read_report(**files)
        records = list(dict.fromkeys([*files["studies"].values(), files["maps"], *files["timings"].values()]))
        table.append(Setting(setting["group"], setting["name"], verdicts(report, margins), activity(report), records))
    write_json(output, [asdict(setting) for setting in table])


def read(path: str | Path) -> list[Setting]:
    """The settings of a file that `collect` has written."""
    values = read_json(path)
    with reading(path):
        return [Setting(**s | {"verdicts": [Verdict(**v) for v in s["verdicts"]]}) for s in values]


def publish(limits: str | Path, folder: str | Path) -> None:
    """Make `folder` hold the records that stand behind the file of `collect`, and no others.

    Raises DataError before anything is written, where a record is missing or `folder` holds other files in JSON.
    """
    folder = Path(folder)
    paths = {Path(path) for setting in read(limits) for path in setting.records}
    kept = {folder / path.parent.name / path.name: path for path in paths}
    before = list(folder.rglob("*.json"))
    for path in [*paths, *before]:
        keys_of(path)
    check_writable(folder)
    for target, path in kept.items():
        with replacing(target) as temporary:
            temporary.write_bytes(path.read_bytes())
    for path in before:
        if path not in kept:
            path.unlink()
