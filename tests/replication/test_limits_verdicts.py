"""Verdicts at a setting, from runs made for the purpose."""

import itertools
import json
import math
from pathlib import Path

import pytest

from replication import config
from replication.report import pages, rows as tables
from replication.studies import limits


def run(seed, loss, psnr, status="finished"):
    final = dict.fromkeys(("train_psnr", "train_ssim", "unseen_psnr", "unseen_ssim"), psnr)
    return {"seed": seed, "status": status, "iteration": [0, 5], "train_loss": [1.0, loss], "final": final}


def report(mine, others):
    runs = dict.fromkeys(config.READINGS, mine) | dict.fromkeys(limits.BASELINES, others)
    closed = [{"seed": run["seed"], "unseen_psnr": 20.0, "unseen_ssim": 20.0, "train_loss": 0.2} for run in others]
    references = {"linear map": closed, "mean image": closed}
    told = {
        name: {key: {"runs": found, "bracketed": True} for key in config.SELECTIONS} for name, found in runs.items()
    }
    clocks = {name: {"setup": 0.0, "seconds": 2.0 if name in config.READINGS else 1.0} for name in told}
    return {"runs": told, "bounds": {"references": references}, "timing": {"optimizers": clocks}}


OTHERS = [run(0, 0.1, 20.0), run(1, 0.1, 20.0), run(2, 0.1, 20.0)]


@pytest.mark.parametrize(
    ("losses", "psnr", "verdict"),
    [
        ([0.05, 0.04, 0.06], [21.0, 21.1, 21.2], "holds"),
        ([0.05, 0.2, 0.09], [19.0, 20.5, 21.0], "open"),
        ([0.09, 0.01, 0.099], [20.1, 25.0, 20.2], "open"),  # better with every seed, and no interval says so
        ([0.2, 0.25, 0.22], [19.0, 19.1, 19.2], "fails"),
    ],
)
def test_a_claim_holds_or_fails_where_the_whole_interval_is_on_one_side(losses, psnr, verdict):
    mine = [run(seed, loss, decibels) for seed, (loss, decibels) in enumerate(zip(losses, psnr, strict=True))]
    table = limits.verdicts(report(mine, OTHERS))
    assert len(table) == 2 * len(limits.TESTS)
    assert {entry["verdict"] for entry in table if entry["quantity"] in ("final", "area")} == {verdict}
    unseen = {entry["against"]: entry["verdict"] for entry in table if entry["quantity"] == "unseen_psnr"}
    assert unseen == dict.fromkeys(("sgd", "adam", "linear map", "mean image"), verdict)


def test_time_is_iterations_times_what_one_takes():
    """Both reach the loss with the first recorded iteration, and mine take twice as long."""
    mine = [run(seed, loss, 20.0) for seed, loss in enumerate((0.1, 0.1, 0.1))]
    table = limits.verdicts(report(mine, OTHERS))
    assert (of(table, "iterations")["effect"], of(table, "iterations")["verdict"]) == (1.0, "open")
    assert (of(table, "seconds")["effect"], of(table, "seconds")["verdict"]) == (pytest.approx(2.0), "fails")


def test_every_cell_takes_the_runs_that_it_names():
    """Each optimizer has a loss and a PSNR of its own by either choice of settings, and so has each closed form."""
    made, number = report(OTHERS, OTHERS), itertools.count(2)
    values = {}
    for name, found in made["runs"].items():
        for column in config.SELECTIONS:
            values[name, column] = next(number)
            found[column] = {
                "runs": [run(seed, 0.1 / values[name, column], values[name, column]) for seed in range(3)],
                "bracketed": (name, column) != ("badmm-ls", "validation_loss"),
            }
    for name in ("linear map", "mean image"):
        values[name, "validation_loss"] = next(number)
        psnr = {"unseen_psnr": values[name, "validation_loss"], "unseen_ssim": 0.5, "train_loss": 0.2}
        made["bounds"]["references"][name] = [{"seed": seed} | psnr for seed in range(3)]
    for entry in limits.verdicts(made):
        names = entry["reading"], entry["against"]
        images = entry["quantity"] not in ("iterations", "seconds", "area", "final")
        mine, other = (values.get((name, config.SELECTIONS[images])) for name in names)
        if entry["quantity"] == "final":
            assert entry["effect"] == pytest.approx(other / mine)
        if entry["quantity"] == "unseen_psnr":
            assert entry["effect"] == pytest.approx(mine - other)
        assert entry["bracketed"] == ((entry["reading"], images) != ("badmm-ls", True))


def test_a_reading_that_has_learned_nothing_is_not_faster_than_a_baseline_that_has():
    """Two of three runs end above the mean image: no interval says so, and the verdict does."""
    mine = [run(seed, loss, 21.0) for seed, loss in enumerate((0.9, 0.25, 0.05))]
    table = limits.verdicts(report(mine, OTHERS))
    assert of(table, "final")["interval"][0] < 1 < of(table, "final")["interval"][1]
    assert {of(table, quantity)["verdict"] for quantity in ("iterations", "seconds", "area", "final")} == {"fails"}
    lost = [run(seed, 0.2, 20.0) for seed in range(3)]
    assert of(limits.verdicts(report(mine, lost)), "final")["verdict"] == "open"


def of(table, quantity):
    return next(entry for entry in table if entry["quantity"] == quantity)


def test_a_run_of_mine_that_diverged_is_a_failure_and_a_baselines_is_no_win():
    mine = [run(0, 0.05, 21.0), run(1, 9.0, 0.0, "diverged"), run(2, 0.05, 21.0)]
    assert of(limits.verdicts(report(mine, OTHERS)), "final")["verdict"] == "fails"
    healthy = [run(seed, 0.05, 21.0) for seed in range(3)]
    lost = [run(seed, 9.0, 0.0, "diverged") for seed in range(3)]
    final = of(limits.verdicts(report(healthy, lost)), "final")
    assert (final["verdict"], final["effect"], final["diverged"]) == ("open", None, [0, 3])
    json.dumps(final, allow_nan=False)


@pytest.mark.parametrize(("losses", "learned"), [((0.1, 0.1, 0.2), True), ((0.1, 0.195, 0.2), False)])
def test_a_baseline_that_ends_at_the_mean_image_is_marked(losses, learned):
    mine = [run(seed, 0.05, 21.0) for seed in range(3)]
    table = limits.verdicts(report(mine, [run(seed, loss, 20.0) for seed, loss in enumerate(losses)]))
    assert {entry["learned"] for entry in table if entry["against"] in config.BASELINES} == {learned}
    assert all(entry["learned"] for entry in table if entry["against"] not in config.BASELINES)


def test_the_share_of_active_units_is_that_of_runs_that_finished():
    mine = [run(0, 0.1, 20.0), run(1, 9.0, 0.0, "diverged"), run(2, 0.1, 20.0)]
    for entry, share in zip(mine, (0.5, 0.0, 0.75), strict=True):
        entry["final"]["active"] = share
    lost = [run(seed, 9.0, 0.0, "diverged") for seed in range(3)]
    assert limits.activity(report(mine, lost)) == {"badmm": 0.625, "badmm-ls": 0.625}


SEARCH = {"trials": 3, "shift": 0.4, "tuning_seed": 1000, "seeds": [0, 1], "every": 1}
IMAGES = {"training_images": 40, "validation_images": 20}
RATES = {"learning_rate": {"log": [1e-6, 1.0]}}


def studied(smoke_config, rates, ranges):
    """One optimizer tuned and run where its settings at the default are `rates`, by either column."""
    run = config.parameters(smoke_config, "autoencoder", "sgd", 0) | {"iterations": 4}
    runs = {
        column: run | {"settings": {"learning_rate": rate}}
        for column, rate in zip(config.SELECTIONS, rates, strict=True)
    }
    return limits.study(runs, ranges, SEARCH, IMAGES, "data/excerpt")


def test_steps_are_tuned_anew_and_nothing_is_trained_twice(monkeypatch, smoke_config):
    trained = []
    train_seeds = limits.train_seeds
    monkeypatch.setattr(limits, "train_seeds", lambda *a, **k: trained.append(1) or train_seeds(*a, **k))
    told = studied(smoke_config, (1e-3, 1e-3), RATES)
    assert trained == [1]
    told = told["chosen"]
    assert told["train_loss"] == told["validation_loss"]
    assert told["train_loss"]["settings"] == {"learning_rate": 0.251}  # the larger step: 1e-3 * 1e6^0.4
    assert [run["seed"] for run in told["train_loss"]["runs"]] == [0, 1]


def test_a_setting_without_ranges_keeps_the_better_of_the_defaults(smoke_config):
    told = studied(smoke_config, (1e-3, 0.1), {})
    chosen = told["chosen"]
    assert [chosen[column]["settings"] for column in config.SELECTIONS] == [{"learning_rate": 0.1}] * 2
    assert chosen["train_loss"]["bracketed"]
    assert [trial["settings"]["learning_rate"] for trial in told["trials"]] == [1e-3, 0.1]
    assert told["trials"][1]["train_loss"] < told["trials"][0]["train_loss"]


@pytest.mark.parametrize(("best", "walked"), [(1e-5, [1e-2, 1e-3, 1e-4, 1e-5, 1e-6]), (1e-2, [1e-2, 1e-3, 1e-1])])
def test_trials_walk_on_while_the_outermost_is_the_best(best, walked):
    """A loss whose smallest value is far from the start is found, and no more trials are made than needed."""

    def ends(settings):
        return dict.fromkeys(config.SELECTIONS, abs(math.log10(settings["learning_rate"] / best)))

    search = {"trials": 5, "shift": 1 / 6}
    trials = limits._trials(ends, [{"learning_rate": 1e-2}] * 2, RATES, search)
    assert [settings["learning_rate"] for settings, _ in trials] == pytest.approx(walked)


def test_trials_follow_either_loss(smoke_config):
    """The training loss asks for larger steps and the validation loss for smaller ones."""

    def ends(settings):
        rate = math.log10(settings["learning_rate"])
        return {"train_loss": -rate, "validation_loss": rate}

    search = {"trials": 6, "shift": 1 / 6}
    trials = limits._trials(ends, [{"learning_rate": 1e-3}], RATES, search)
    rates = {settings["learning_rate"] for settings, _ in trials}
    assert len(trials) == 6
    assert min(rates) < 1e-4 < 1e-2 < max(rates)


def test_the_optimizers_are_timed_at_the_setting(smoke_config):
    runs = [config.parameters(smoke_config, "autoencoder", name, 0) for name in ("sgd", "adam", *config.READINGS)]
    told = limits.clock(runs, IMAGES, 2, "data/excerpt")
    assert told["rounds"] == 2
    assert all(told["optimizers"][run["optimizer"]]["seconds"] > 0 for run in runs)


def test_the_closed_form_is_measured_with_every_seed(smoke_config):
    run = config.parameters(smoke_config, "autoencoder", "sgd", 0)
    told = limits.bound(run, [0, 1], IMAGES, "data/excerpt")
    assert [entry["seed"] for entry in told["references"]["linear map"]] == [0, 1]


def test_a_record_has_what_was_asked_and_what_was_told(smoke_config, tmp_path):
    run = config.parameters(smoke_config, "autoencoder", "sgd", 0)
    asked = {"parameters": run, "seeds": [0], "images": IMAGES}
    limits.record(limits.bound, asked, "data/excerpt", tmp_path / "bounds.json")
    told = json.loads((tmp_path / "bounds.json").read_text())
    assert told["asked"] == asked
    assert told["told"]["references"].keys() == limits.bound(**asked, root="data/excerpt")["references"].keys()
    assert told["seconds"] > 0
    assert {"versions", "git_commit", "processor"} <= told.keys()


def test_published_are_the_records_that_verdicts_stand_on_and_no_others(tmp_path):
    """One that was published before, one that is new, and one that no setting asks for any more."""
    folder = tmp_path / "data"
    files = {"data/a/sgd.json": "old", "results/b/sgd.json": "new", "data/c/sgd.json": "of no use"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    used = [str(tmp_path / name) for name in list(files)[:2]]
    (tmp_path / "limits.json").write_text(json.dumps([{"records": used}, {"records": used[:1]}]))
    for _ in range(2):
        limits.publish(tmp_path / "limits.json", folder)
        found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.json")}
        assert found == {"a/sgd.json": "old", "b/sgd.json": "new"}


ROOT = Path(__file__).parents[1]
WHOLE = {"bounds.json", "timing.json", *(f"{name}.json" for name in (*config.BASELINES, *config.READINGS))}
PUBLISHED = [path for path in sorted((ROOT / "data" / "limits").iterdir()) if {p.name for p in path.iterdir()} == WHOLE]


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: path.name)
def test_the_table_of_the_limits_is_what_the_published_records_say(folder):
    told = {path.stem: json.loads(path.read_text())["told"] for path in folder.glob("*.json")}
    found = {"bounds": told.pop("bounds"), "timing": told.pop("timing")}
    found["runs"] = {name: study["chosen"] for name, study in told.items()}
    table = tables.read(ROOT / pages.TABLES)["limits"]
    for verdict in limits.verdicts(found):
        name = "/".join([folder.name, *(tables.slug(verdict[key]) for key in ("reading", "against", "quantity"))])
        row = table[name]
        assert row["verdict"] == verdict["verdict"], name
        for value, shown in zip((verdict["effect"], *verdict["interval"]), ("effect", "low", "high"), strict=True):
            assert (value is None and row[shown] is None) or row[shown] == pytest.approx(value, rel=1e-5), name


def test_half_of_the_settings_or_more_have_records_of_their_own():
    assert 2 * len(PUBLISHED) >= len(config.project(ROOT)["limits"]["settings"])
