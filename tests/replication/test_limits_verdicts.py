"""Verdicts at a setting, from runs made for the purpose and from the published records."""

import itertools
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from made_results import Made
from made_runs import diverged, ending_at, made_run

from replication import config
from replication.compute.maps import LINEAR_MAP, MEAN_IMAGE
from replication.compute.seeds import SeedRun
from replication.compute.training import Chosen, Tuned
from replication.methods import baselines, compared, judged
from replication.parameters import CRITERIA
from replication.paths import PUBLISHED_TABLES, slug
from replication.report import rows
from replication.results import Results
from replication.speed.clock import Clock
from replication.studies import limits
from replication.studies.study import Studies
from replication.verdicts.effects import (
    DOES_NOT_HOLD,
    HOLDS,
    IMAGES,
    NO_DIFFERENCE,
    NO_VERDICT,
    OUTCOMES,
    TRAINING,
    UNDECIDED,
)
from replication.verdicts.limits import (
    Report,
    Verdict,
    activity,
    collect,
    read,
    report_of,
    verdicts,
)
from replication.verdicts.limits import tests as kinds_of_tests

ROOT = Path(__file__).parents[2]
MAPS = LINEAR_MAP, MEAN_IMAGE
BASELINE = ending_at(0.1, 0.1, 0.1)
MARGINS = {"ratio": 1.02, "psnr": 0.1, "ssim": 0.005}


def tuned(name: str, chosen: dict[str, Chosen]) -> Tuned:
    return Tuned(name, {}, [1000], "last", {}, [], chosen)


def report(runs: list[SeedRun], baseline: list[SeedRun] = BASELINE) -> Report:
    """Of judged methods with these runs that take twice as long an iteration as the baselines.

    The mean image has a training loss of 0.2. Every map has a PSNR of 20.
    """
    by_method = {name: runs if name in judged() else baseline for name in compared()}
    images = [{"seed": run.seed, "unseen_psnr": 20.0, "unseen_ssim": 20.0, "train_loss": 0.2} for run in baseline]
    return Report(
        {name: tuned(name, dict.fromkeys(CRITERIA, Chosen({}, True, own))) for name, own in by_method.items()},
        dict.fromkeys(MAPS, images),
        {name: Clock(5.0, 2.0 if name in judged() else 1.0) for name in compared()},
    )


def only(table: list[Verdict], quantity: str) -> Verdict:
    """The first verdict on a quantity."""
    return next(verdict for verdict in table if verdict.quantity == quantity)


@pytest.mark.parametrize(
    ("losses", "psnr", "verdict"),
    [
        ([0.05, 0.04, 0.06], [21.0, 21.1, 21.2], HOLDS),
        ([0.05, 0.18, 0.09], [19.0, 20.5, 21.0], UNDECIDED),
        ([0.09, 0.01, 0.099], [20.1, 25.0, 20.2], UNDECIDED),  # better with every seed, and no interval says so
        ([0.18, 0.185, 0.188], [19.0, 19.1, 19.2], DOES_NOT_HOLD),
    ],
)
def test_a_claim_holds_or_does_not_where_the_whole_interval_is_on_one_side(losses, psnr, verdict):
    runs = [made_run(seed, [1.0, loss], psnr[seed]) for seed, loss in enumerate(losses)]
    table = verdicts(report(runs), MARGINS)
    assert len(table) == len(judged()) * len(kinds_of_tests())
    assert {entry.verdict for entry in table if entry.quantity in ("final", "area")} == {verdict}
    unseen = {entry.against: entry.verdict for entry in table if entry.quantity == "unseen_psnr"}
    assert unseen == dict.fromkeys((*baselines(), *MAPS), verdict)


def test_baselines_are_compared_in_every_quantity_and_maps_in_unseen_images():
    against = {name: [q for other, q in kinds_of_tests() if other == name] for name in (*baselines(), *MAPS)}
    assert all(against[name] == [*TRAINING, *IMAGES] for name in baselines())
    assert all(against[name] == ["unseen_psnr", "unseen_ssim"] for name in MAPS)


def test_time_is_iterations_times_what_one_takes():
    """Both reach the loss with the first recorded iteration, and the judged methods take twice as long."""
    table = verdicts(report(ending_at(0.1, 0.1, 0.1)), MARGINS)
    assert (only(table, "iterations").effect, only(table, "iterations").verdict) == (1.0, NO_DIFFERENCE)
    assert (only(table, "seconds").effect, only(table, "seconds").verdict) == (pytest.approx(2.0), DOES_NOT_HOLD)
    assert only(table, "seconds_with_setup").effect == pytest.approx((5 + 2) / (5 + 1))


def test_every_cell_takes_the_runs_that_it_names():
    """Each method has a loss and a PSNR of its own by either choice of settings, and so has each map."""
    number = itertools.count(2)
    value = {key: next(number) for key in itertools.product((*compared(), *MAPS), CRITERIA)}
    by_method = {
        name: tuned(
            name,
            {
                column: Chosen(
                    {},
                    (name, column) != ("badmm-ls", "validation_loss"),
                    [made_run(seed, [1.0, 0.1 / value[name, column]], value[name, column]) for seed in range(3)],
                )
                for column in CRITERIA
            },
        )
        for name in compared()
    }
    maps = {
        name: [
            {"seed": seed, "unseen_psnr": value[name, "validation_loss"], "unseen_ssim": 0.5, "train_loss": 0.2}
            for seed in range(3)
        ]
        for name in MAPS
    }
    for entry in verdicts(replace(report(BASELINE), tuned=by_method, maps=maps), MARGINS):
        column = CRITERIA[entry.quantity in IMAGES]
        own, other = value[entry.method, column], value[entry.against, column]
        if entry.quantity == "final":
            assert entry.effect == pytest.approx(other / own)
        if entry.quantity == "unseen_psnr":
            assert entry.effect == pytest.approx(own - other)
        assert entry.bracketed == ((entry.method, column) != ("badmm-ls", "validation_loss"))


@pytest.mark.parametrize(
    ("loss", "verdict"),
    [(0.0975, HOLDS), (0.0985, NO_DIFFERENCE), (0.1015, NO_DIFFERENCE), (0.1025, DOES_NOT_HOLD)],
)
def test_a_difference_within_the_margin_is_none(loss, verdict):
    assert only(verdicts(report(ending_at(loss, loss, loss)), MARGINS), "final").verdict == verdict


NOTHING = ending_at(0.198, 0.25, 0.2)  # near the loss of the mean image, or above it


@pytest.mark.parametrize(
    ("runs", "baseline", "lost", "verdict"),
    [
        (NOTHING, BASELINE, [[0, 1, 2], []], NO_VERDICT),
        (ending_at(0.05, 0.05, 0.05), NOTHING, [[], [0, 1, 2]], NO_VERDICT),
        (ending_at(0.05, 0.05, 0.05), [diverged(seed) for seed in range(3)], [[], [0, 1, 2]], NO_VERDICT),
        (ending_at(0.9, 0.25, 0.05), BASELINE, [[0, 1], []], UNDECIDED),  # one pair has no interval
        ([diverged(0), *ending_at(0.05, 0.05, 0.05)[1:]], BASELINE, [[0], []], HOLDS),
    ],
)
def test_runs_that_diverged_or_learned_nothing_are_lost_as_in_the_claims(runs, baseline, lost, verdict):
    """Also for images; reference maps are never lost."""
    table = verdicts(report(runs, baseline), MARGINS)
    final, unseen, mean = (only([v for v in table if v.against == name], quantity) for name, quantity in TESTS)
    assert (final.lost, final.verdict) == (lost, verdict)
    assert (unseen.lost, mean.lost) == (lost, [lost[0], []])
    assert final.mostly_lost == tuple(len(seeds) > 1 for seeds in lost)
    assert final.diverged == [sum(run.diverged for run in either) for either in (runs, baseline)]
    json.dumps(asdict(final), allow_nan=False)


TESTS = ("sgd", "final"), ("sgd", "unseen_psnr"), (MEAN_IMAGE, "unseen_psnr")


def test_the_share_of_active_units_is_that_of_runs_that_finished():
    runs = [made_run(0, [1.0, 0.1], active=0.5), diverged(1), made_run(2, [1.0, 0.1], active=0.75)]
    lost = [diverged(seed) for seed in range(3)]
    assert activity(report(runs, lost)) == dict.fromkeys(judged(), 0.625)


# Records


@pytest.fixture
def made(tmp_path) -> Made:
    """The records of one setting. The anchor's iteration takes four seconds."""
    expected, made = report(ending_at(0.05, 0.04, 0.06, psnr=21.0)), Made(tmp_path)
    for name, record in expected.tuned.items():
        runs = {column: choice.runs for column, choice in record.chosen.items()}
        made.tuned(f"limits/noise-little/{name}", runs, bracketed=True)
    made.maps("limits/noise-little/maps", expected.maps)
    clocks = {name: (8.0 * clock.setup + 8.0, 4.0 * clock.step) for name, clock in expected.clocks.items()}
    made.timing("limits/noise-little/timing", clocks)
    return made


LITTLE = limits.Setting("noise", "little")


def test_a_report_is_what_its_records_say_with_times_in_iterations_of_the_anchor(made):
    expected, own = report(ending_at(0.05, 0.04, 0.06, psnr=21.0)), report_of(made.results, LITTLE)
    assert own.maps == expected.maps
    assert {name: record.chosen for name, record in own.tuned.items()} == {
        name: record.chosen for name, record in expected.tuned.items()
    }
    assert own.clocks == {name: Clock(12.0, 2.0 if name in judged() else 1.0) for name in compared()}


def test_settings_survive_their_file(made):
    settings = {"claims": {"margins": MARGINS}, "limits": {"settings": [{"group": "noise", "name": "little"}]}}
    made.json("limits", collect(made.results, settings))
    (setting,) = read(made.results.path("limits"))
    assert (setting.group, setting.name) == ("noise", "little")
    expected = report_of(made.results, LITTLE)
    assert (setting.verdicts, setting.active) == (verdicts(expected, MARGINS), activity(expected))
    assert {verdict.verdict for verdict in setting.verdicts} <= set(OUTCOMES)


# The published table


@pytest.fixture(scope="module")
def records() -> Results:
    project = config.project(ROOT)
    return Results(Studies(limits.jobs(project), str(ROOT / project["published"]), "none").records("limits/*"))


@pytest.fixture(scope="module")
def published() -> rows.Tables:
    return rows.read(ROOT / PUBLISHED_TABLES)


SETTINGS = {setting.slug: setting for setting in limits.settings(config.project(ROOT))}


@pytest.mark.parametrize("name_of_setting", SETTINGS)
def test_the_published_tables_are_what_the_records_say(records, published, name_of_setting):
    setting = SETTINGS[name_of_setting]
    made = report_of(records, setting)
    answers = {True: "yes", False: "no"}
    cells = {name: row for name, row in published["limits"].items() if name.startswith(f"{setting.slug}/")}
    table = {
        "/".join([setting.slug, *map(slug, (v.method, v.against, v.quantity))]): v for v in verdicts(made, MARGINS)
    }
    assert table.keys() == cells.keys()
    for name, verdict in table.items():
        cell = cells[name]
        names = cell["group"], str(cell["setting"])  # one that is a number is read as one
        assert (*names, cell["verdict"]) == (setting.group, setting.name, verdict.verdict), name
        counts = [cell["seeds"], cell["diverged"], cell["baseline_diverged"]]
        assert counts == [verdict.seeds, *verdict.diverged], name
        assert cell["bracketed"] == answers[verdict.bracketed], name
        lost = [str(cell[column] if cell[column] is not None else "") for column in ("lost", "baseline_lost")]
        assert lost == [" ".join(map(str, seeds)) for seeds in verdict.lost], name
        for value, column in zip((verdict.effect, *verdict.interval), ("effect", "low", "high"), strict=True):
            shown = cell[column]
            assert (value is None and shown is None) or shown == pytest.approx(value, rel=1e-5), name
    active = {
        name: row["active"] for name, row in published["limits_active"].items() if name.startswith(f"{setting.slug}/")
    }
    assert active == pytest.approx(
        {f"{setting.slug}/{name}": share for name, share in activity(made).items()}, rel=1e-5
    )


def test_the_published_tables_have_these_settings_and_no_others(published):
    for name in ("limits", "limits_active"):
        assert list(dict.fromkeys(key.partition("/")[0] for key in published[name])) == [*SETTINGS]


def test_a_record_of_another_number_would_be_noticed(records, published):
    """The losses of one record doubled: the table says something else."""
    made = report_of(records, SETTINGS["default-default"])
    chosen = {
        column: replace(choice, runs=[replace(run, train_loss=[2 * x for x in run.train_loss]) for run in choice.runs])
        for column, choice in made.tuned["badmm"].chosen.items()
    }
    doubled = made.tuned | {"badmm": replace(made.tuned["badmm"], chosen=chosen)}
    table = verdicts(replace(made, tuned=doubled), MARGINS)
    (final,) = (v for v in table if (v.method, v.against, v.quantity) == ("badmm", "adam", "final"))
    assert final.effect == pytest.approx(
        2 * published["limits"]["default-default/badmm/adam/final"]["effect"], rel=1e-5
    )
