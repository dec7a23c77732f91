"""The figures of the answer, and of the searches behind it."""

import itertools
from dataclasses import asdict

import matplotlib.pyplot as plt
import numpy as np
import pytest
from made_results import Made
from matplotlib.colors import same_color
from matplotlib.text import Text

from replication.compute.seeds import SeedRun
from replication.errors import DataError
from replication.methods import label
from replication.parameters import AUTOENCODER, CRITERIA, EVERY_SETTING, LEVERS
from replication.report import curves
from replication.report.claims import references_table
from replication.report.looks import look_of
from replication.report.registry import FIGURE, shown
from replication.results import Results
from replication.search import Trial
from replication.verdicts.claims import Judgement, Outcome

SEARCHED = ["sgd", "sgd-cosine", "adam", "adam-cosine", "badmm", "badmm-ls"]
ITERATION = [0, 2, 4]
# By experiment and method, what the losses of the first seed end at.
ENDS = {
    AUTOENCODER: {"sgd": 0.08, "adam": 0.06},
    EVERY_SETTING: dict(zip(SEARCHED, (0.07, 0.05, 0.04, 0.03, 0.02, 0.01), strict=True)),
}


@pytest.fixture(autouse=True)
def closed():
    """No figure is left open."""
    yield
    plt.close("all")


def trial(seconds: float, train_loss: float | None = None, validation_loss: float | None = None) -> Trial:
    """One that diverged where it has no losses."""
    scores = {"train_loss": [train_loss], "validation_loss": [validation_loss]} if train_loss else {}
    return Trial({}, "finished" if scores else "diverged", scores, [seconds, 100.0])


def seed_runs(end: float) -> list[SeedRun]:
    """Three seeds whose median is that of the last."""
    return [
        SeedRun(
            seed,
            "finished",
            ITERATION,
            [0.1, (0.1 + end * share) / 2, end * share],
            {"train_loss": end * share, "unseen_psnr": 10 + end * share},
            2,
            {"unseen_loss": 0.1},
        )
        for seed, share in enumerate((0.8, 1.5, 1.0))
    ]


def verdict(method: str, against: str, quantity: str, baseline: str) -> dict:
    """A verdict where every setting is searched, with the method that stands for the baseline."""
    own = Outcome(0.5, [0.4, 0.6], [0], [[], []], "holds", baseline=baseline)
    names = EVERY_SETTING, method, against, "every setting searched", "-every-setting"
    return asdict(Judgement("id", "claim", "source", quantity, own, *names))


@pytest.fixture
def made(tmp_path) -> Made:
    """The best schedule of SGD is cosine's by training loss, and the constant one else."""
    made = Made(tmp_path)
    for experiment, ends in ENDS.items():
        for name, end in ends.items():
            made.tuned(f"tuning/{experiment}/{name}", dict.fromkeys(CRITERIA, seed_runs(end)), seeds=[7])
    levels = [{"seed": seed, "unseen_psnr": level} for seed, level in enumerate((10.01, 10.05, 10.02))]
    made.maps(f"maps/{AUTOENCODER}", {"linear map": [*levels, {"seed": 1000, "unseen_psnr": 0.0}]}, rank=5)
    best = {("sgd", "final"): "sgd-cosine"}
    quantities = itertools.product(("sgd", "adam"), ("final", "unseen_psnr"))
    made.json("claims", [verdict("badmm", *test, best.get(test, test[0])) for test in quantities])
    return made


@pytest.fixture
def results(made) -> Results:
    return made.results


def draw(name: str, results: Results):
    return shown(FIGURE)[name].make(results)


def bars(axes) -> list[float]:
    """The heights of the black bars, from left to right."""
    drawn = [line for line in axes.lines if same_color(line.get_color(), "black")]
    return [line.get_ydata()[0] for line in sorted(drawn, key=lambda line: line.get_xdata()[0])]


def test_the_answer_shows_medians_of_both_kinds_of_baseline_and_of_the_best_schedule(results):
    losses, _ = draw("answer", results).axes
    ends = {line.get_label(): line.get_ydata()[-1] for line in losses.lines}
    own, every = ENDS.values()
    assert ends == pytest.approx(
        {
            "SGD, rate searched": own["sgd"],
            "SGD, every setting searched": every["sgd-cosine"],
            "Adam, rate searched": own["adam"],
            "Adam, every setting searched": every["adam"],
            "BADMM (gradient)": every["badmm"],
            "BADMM (least squares)": every["badmm-ls"],
        }
    )
    assert all(list(line.get_xdata()) == ITERATION for line in losses.lines)
    for line, band in zip(losses.lines, losses.collections, strict=True):
        (path,) = band.get_paths()
        at_end = path.vertices[path.vertices[:, 0] == ITERATION[-1], 1]
        end = line.get_ydata()[-1]
        np.testing.assert_allclose([at_end.min(), at_end.max()], [0.8 * end, 1.5 * end])


def test_the_two_kinds_of_baseline_share_a_colour_and_are_told_apart(results):
    losses, decibels = draw("answer", results).axes
    looks = {line.get_label(): line for line in losses.lines}
    for name in ("sgd", "adam"):
        rate, every = (looks[f"{label(name)}, {kind}"] for kind in ("rate searched", "every setting searched"))
        assert rate.get_color() == every.get_color() == look_of(name).color
        assert rate.get_linestyle() != every.get_linestyle()
        for axes in (losses, decibels):
            fills = {line.get_markerfacecolor() for line in axes.lines if line.get_marker() == look_of(name).marker}
            assert fills == {"white", look_of(name).color}


def test_the_answers_dots_are_the_seeds_and_its_bars_the_numbers_of_the_text(results):
    _, decibels = draw("answer", results).axes
    own, every = ENDS.values()
    ends = [own["sgd"], every["sgd"], own["adam"], every["adam"], every["badmm"], every["badmm-ls"]]
    dots = [line for line in decibels.lines if line.get_linestyle() == "None"]
    for line, end in zip(dots, ends, strict=True):
        assert sorted(line.get_ydata()) == pytest.approx(sorted(run.final["unseen_psnr"] for run in seed_runs(end)))
    told = {row["id"]: row.get("unseen_psnr") for row in references_table(results)}
    ids = [f"{AUTOENCODER}/sgd", f"{EVERY_SETTING}/sgd", f"{AUTOENCODER}/adam", f"{EVERY_SETTING}/adam"]
    ids += [f"{EVERY_SETTING}/badmm", f"{EVERY_SETTING}/badmm-ls"]
    assert bars(decibels) == pytest.approx([told[id] for id in ids])
    (level,) = (line for line in decibels.lines if list(line.get_xdata()) == [0, 1])
    assert level.get_ydata()[0] == pytest.approx(told[f"{AUTOENCODER}/linear-map"])
    assert [text.get_text() for text in decibels.texts] == ["best linear map of rank 5"]


def test_the_answer_says_which_schedules_count_and_can_be_read(results):
    figure = draw("answer", results)
    (box,) = figure.legends
    assert "every setting is searched: SGD, warm-up and cosine (left)." in box.get_title().get_text()
    assert "Medians over 3 seeds" in box.get_title().get_text()
    smallest = min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text())
    assert smallest * 830 / 72 / curves.WIDTH > 9


@pytest.mark.parametrize("lost", [1, 3])
def test_a_diverged_seed_is_no_part_of_the_answers_median_and_is_told(made, lost):
    runs = [*(SeedRun(seed, "diverged") for seed in range(lost)), *seed_runs(0.06)[lost:]]
    made.tuned(f"tuning/{AUTOENCODER}/adam", dict.fromkeys(CRITERIA, runs))
    losses, decibels = draw("answer", made.results).axes
    (line,) = (line for line in losses.lines if line.get_label() == f"Adam, rate searched, {lost} of 3 diverged")
    assert list(line.get_ydata()[-1:]) == pytest.approx([0.075] if lost == 1 else [])
    assert f"{lost} of 3 diverged" in [text.get_text() for text in decibels.texts]
    assert len(bars(decibels)) == (6 if lost == 1 else 5)


@pytest.mark.parametrize(
    "missing",
    [
        "tuning/autoencoder/sgd",
        "tuning/autoencoder-every-setting/sgd-cosine",
        "maps/autoencoder",
        "claims",
    ],
)
def test_a_missing_result_of_the_answer_is_named(made, missing):
    del made.files[missing]
    with pytest.raises(DataError, match=f"{missing} is not among the results"):
        draw("answer", made.results)


TRIALS = [trial(1.0), trial(2.0, 0.3, 0.6), trial(4.0, 0.4, 0.8), trial(8.0, 0.1, 0.2), trial(16.0)]


@pytest.mark.parametrize(
    ("name", "experiment", "spent", "shortest"),
    [("search", LEVERS, [2, 4, 5], 1), ("budget", EVERY_SETTING, [3, 15, 31], 40)],
)
def test_the_best_loss_so_far_never_rises(tmp_path, name, experiment, spent, shortest):
    made = Made(tmp_path)
    made.tuned(f"tuning/{experiment}/adam", {}, TRIALS)
    made.tuned(f"tuning/{experiment}/badmm", {}, [trial(40.0, 0.2, 0.3)])
    panels = draw(name, made.results).axes
    for axes in panels:
        adam, badmm, end = axes.lines
        assert list(adam.get_xdata()) == spent
        assert list(badmm.get_xdata()) == [shortest] * 2
        assert end.get_xdata()[0] == min(spent[-1], shortest)
    assert [list(axes.lines[0].get_ydata()) for axes in panels] == [[0.3, 0.1, 0.1], [0.6, 0.2, 0.2]]
