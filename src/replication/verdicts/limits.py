"""Where the claims stop holding: a verdict on each method, baseline and quantity at every setting."""

import statistics
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from replication.files import check_writable, read_json, reading, replacing, write_json
from replication.methods import ANCHOR, baselines, judged
from replication.records import keys_of
from replication.speed.clock import Clock, of_report
from replication.studies.limits import Chosen
from replication.studies.maps import LINEAR_MAP, MEAN_IMAGE
from replication.studies.seeds import SeedRun
from replication.verdicts.effects import IMAGES, QUANTITIES, UNTIMED, compare, finite, outcome


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

    verdict: of effects.OUTCOMES. effect, interval, lost: as in effects.Effect, None where they are not finite.
    diverged: how many of the lost runs did, the method's and the baseline's. bracketed: whether the settings of both
    had all their neighbours tried.
    """

    method: str
    against: str
    quantity: str
    verdict: str
    bracketed: bool
    effect: float | None
    interval: list[float | None]
    lost: list[list[int]]
    diverged: list[int]
    seeds: int

    @property
    def mostly_lost(self) -> tuple[bool, bool]:
        """Whether most of the method's runs are lost, and most of the baseline's."""
        return tuple(2 * len(seeds) > self.seeds for seeds in self.lost)


@dataclass(frozen=True)
class Setting:
    """The verdicts of a setting. active: by method the median share of active units of the first layer."""

    group: str
    name: str
    verdicts: list[Verdict]
    active: dict[str, float]
    records: list[str]


def verdicts(report: Report, margins: dict[str, float]) -> list[Verdict]:
    """A verdict for each method, baseline and quantity, at 95%."""
    return [_verdict(report, margins, method, *test) for method in judged(report.chosen) for test in tests()]


def _verdict(report: Report, margins: dict[str, float], method: str, against: str, quantity: str) -> Verdict:
    column = "validation_loss" if quantity in IMAGES else "train_loss"

    def runs_of(name: str) -> list[SeedRun]:
        if name in report.maps:
            return [SeedRun(numbers["seed"], "finished", final=numbers) for numbers in report.maps[name]]
        pairs = zip(report.chosen[name][column].runs, report.maps[MEAN_IMAGE], strict=True)
        return [replace(run, mean_loss=image["train_loss"]) for run, image in pairs]

    runs, baseline = runs_of(method), runs_of(against)
    clocks = (report.clocks[method], report.clocks[against]) if against in report.clocks else UNTIMED
    effect = compare(quantity, runs, baseline, clocks)
    return Verdict(
        method,
        against,
        quantity,
        outcome(effect, quantity, margins),
        bracketed=all(report.chosen[n][column].bracketed for n in (method, against) if n in report.chosen),
        effect=finite(effect.value),
        interval=[finite(bound) for bound in effect.interval],
        lost=list(effect.lost),
        diverged=[sum(run.diverged for run in either) for either in (runs, baseline)],
        seeds=len(runs),
    )


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
