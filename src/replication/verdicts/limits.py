"""Where the claims stop holding: a verdict on each method, baseline and quantity at every setting."""

import statistics
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from replication.compute.maps import LINEAR_MAP, MEAN_IMAGE
from replication.compute.seeds import SeedRun
from replication.compute.training import Tuned
from replication.files import read_json, reading
from replication.methods import ANCHOR, baselines, judged
from replication.results import Results
from replication.speed.clock import Clock
from replication.studies import limits
from replication.verdicts.effects import IMAGES, QUANTITIES, UNTIMED, compare, finite, outcome


def tests() -> list[tuple[str, str]]:
    """What each method is held against: baselines in every quantity, reference maps in those of unseen images."""
    maps = [(name, quantity) for name in (LINEAR_MAP, MEAN_IMAGE) for quantity in ("unseen_psnr", "unseen_ssim")]
    return [(name, quantity) for name in baselines() for quantity in QUANTITIES] + maps


@dataclass(frozen=True)
class Report:
    """What was computed at one setting: the record of each method, reference maps by name, clocks by method."""

    tuned: dict[str, Tuned]
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


def verdicts(report: Report, margins: dict[str, float]) -> list[Verdict]:
    """A verdict for each method, baseline and quantity, at 95%."""
    return [_verdict(report, margins, method, *test) for method in judged(report.tuned) for test in tests()]


def _verdict(report: Report, margins: dict[str, float], method: str, against: str, quantity: str) -> Verdict:
    criterion = "validation_loss" if quantity in IMAGES else "train_loss"

    def runs_of(name: str) -> list[SeedRun]:
        if name in report.maps:
            return [SeedRun(numbers["seed"], "finished", final=numbers) for numbers in report.maps[name]]
        pairs = zip(report.tuned[name].choice(criterion).runs, report.maps[MEAN_IMAGE], strict=True)
        return [replace(run, mean_loss=image["train_loss"]) for run, image in pairs]

    runs, baseline = runs_of(method), runs_of(against)
    clocks = (report.clocks[method], report.clocks[against]) if against in report.clocks else UNTIMED
    effect = compare(quantity, runs, baseline, clocks)
    return Verdict(
        method,
        against,
        quantity,
        outcome(effect, quantity, margins),
        bracketed=all(report.tuned[n].choice(criterion).bracketed for n in (method, against) if n in report.tuned),
        effect=finite(effect.value),
        interval=[finite(bound) for bound in effect.interval],
        lost=list(effect.lost),
        diverged=[sum(run.diverged for run in either) for either in (runs, baseline)],
        seeds=len(runs),
    )


def activity(report: Report) -> dict[str, float]:
    """By method, its settings chosen on validation images: the median share of active units of the first layer."""
    shares = {}
    for name, tuned in report.tuned.items():
        values = [run.final["active"] for run in tuned.choice("validation_loss").runs if not run.diverged]
        if values:
            shares[name] = statistics.median(values)
    return shares


def report_of(results: Results, setting: limits.Setting) -> Report:
    """What was computed at a setting. Times are told in iterations of Adam."""
    jobs = {name.split("/")[-1]: name for name in results.names(f"limits/{setting.slug}/*")}
    timing, maps = jobs.pop("timing"), results.record(jobs.pop("maps"))["result"]["maps"]
    unit = results.clock(timing, ANCHOR).step
    clocks = {name: Clock(*(seconds / unit for seconds in results.clock(timing, name))) for name in jobs}
    return Report({name: results.tuned(job) for name, job in jobs.items()}, maps, clocks)


def collect(results: Results, config: dict) -> list[dict]:
    """The verdicts of every setting, as `read` reads them."""
    margins, table = config["claims"]["margins"], []
    for setting in limits.settings(config):
        report = report_of(results, setting)
        table.append(asdict(Setting(setting.group, setting.name, verdicts(report, margins), activity(report))))
    return table


def read(path: str | Path) -> list[Setting]:
    """The settings of the file of `collect`."""
    values = read_json(path)
    with reading(path):
        return [Setting(**s | {"verdicts": [Verdict(**v) for v in s["verdicts"]]}) for s in values]
