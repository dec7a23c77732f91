import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from nonsmooth import drawing, figures, optimizers, runs
from nonsmooth.training import Training


@pytest.fixture
def results(tmp_path) -> runs.Results:
    """Two seeds of two optimizers; the second run of SGD has diverged at iteration 3."""
    weights = torch.nn.Linear(1, 1)
    for optimizer in ("sgd", "badmm"):
        for seed in (0, 1):
            losses = [1.0, 0.5 / (seed + 1), 0.2, 0.1]
            status = "finished"
            if (optimizer, seed) == ("sgd", 1):
                losses, status = [1.0, 20.0, 4000.0], "diverged"
            history = {"iteration": list(range(len(losses))), "train_loss": losses}
            folder = tmp_path / "runs" / "autoencoder" / optimizer / f"seed-{seed}"
            runs.save(folder, weights, Training(history, status, 1.0, 2.0), {})
    (tmp_path / "timing").mkdir()
    timing = {"optimizers": {"sgd": {"setup": 0.0, "seconds": 0.5}, "badmm": {"setup": 2.0, "seconds": 0.25}}}
    (tmp_path / "timing" / "autoencoder.json").write_text(json.dumps(timing))
    return runs.Results(str(tmp_path), {"autoencoder": [0, 1]}, {"autoencoder": ["sgd", "badmm"]})


def curves(axes):
    return {line.get_label(): line for line in axes.lines}


def test_curves_are_medians_over_seeds_against_iterations_and_seconds(results):
    _, axes = plt.subplots()
    figures.draw_curves(axes, results, "autoencoder", "train_loss")
    line = curves(axes)["BADMM (gradient)"]
    np.testing.assert_allclose(line.get_ydata(), [1.0, 0.375, 0.2, 0.1])
    np.testing.assert_allclose(line.get_xdata(), [0, 1, 2, 3])
    assert axes.get_yscale() == "log"
    _, axes = plt.subplots()
    figures.draw_curves(axes, results, "autoencoder", "train_loss", seconds=True)
    np.testing.assert_allclose(curves(axes)["BADMM (gradient)"].get_xdata(), [2, 2.25, 2.5, 2.75])


def test_a_diverged_run_is_drawn_as_such_and_never_part_of_the_median(results):
    _, axes = plt.subplots()
    figures.draw_curves(axes, results, "autoencoder", "train_loss")
    np.testing.assert_allclose(curves(axes)["SGD (1 of 2 diverged)"].get_ydata(), [1.0, 0.5, 0.2, 0.1])
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(2, 4000.0)]


def test_a_ring_is_where_validation_would_have_stopped(results):
    validation = {"sgd": [4.0, 3.0, 2.0, 1.0], "badmm": [4.0, 1.0, 2.0, 3.0]}
    for optimizer, losses in validation.items():
        history = {"iteration": [0, 1, 2, 3], "train_loss": losses, "validation_loss": losses}
        history["unseen_loss"] = [1.0, 0.7, 0.8, 0.9]
        for seed in (0, 1):
            folder = Path(results.folder) / "runs" / "autoencoder" / optimizer / f"seed-{seed}"
            runs.save(folder, torch.nn.Linear(1, 1), Training(history, "finished", 1.0, 2.0), {})
    for seconds, x in ((False, 1), (True, 2.25)):
        _, axes = plt.subplots()
        figures._ring_early_stops(axes, results, "autoencoder", seconds)
        (ring,) = axes.lines  # SGD's smallest validation loss is at the end
        assert ring.get_color() == drawing.OPTIMIZERS["badmm"].color
        assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (x, 0.7)


def test_the_same_results_give_the_same_bytes(results, tmp_path, monkeypatch):
    def figure(results):
        figure, axes = plt.subplots()
        figures.draw_curves(axes, results, "autoencoder", "train_loss")
        return figure

    monkeypatch.setitem(figures.FIGURES, "test", figure)
    for name in ("one", "two"):
        figures.write("test", results, [str(tmp_path / f"{name}.pdf"), str(tmp_path / f"{name}.png")])
    for kind in ("pdf", "png"):
        content = (tmp_path / f"one.{kind}").read_bytes()
        assert content == (tmp_path / f"two.{kind}").read_bytes()
        assert len(content) > 5000


def test_both_readings_of_badmm_share_a_colour_and_no_two_optimizers_a_look():
    looks = drawing.OPTIMIZERS
    assert looks["badmm"].color == looks["badmm-ls"].color
    assert looks["badmm"].linestyle != looks["badmm-ls"].linestyle
    assert len({(look.color, look.linestyle) for look in looks.values()}) == len(looks)
    assert len({look.marker for look in looks.values()}) == len(looks)


def test_images_share_one_grey_scale_and_bear_their_psnr():
    _, axes = plt.subplots()
    images = torch.stack([torch.zeros(784), torch.full((784,), 1.7)])
    drawing.draw_images(axes, {"clean": (images, None), "net": (images, torch.tensor([12.34, 5.0]))})
    assert axes.images[0].get_clim() == (0, 1)
    assert [text.get_text() for text in axes.texts] == ["clean", "net", "12.3 dB", "5.0 dB"]


def test_every_optimizer_has_a_look():
    assert drawing.OPTIMIZERS.keys() == optimizers.OPTIMIZERS.keys()


def test_the_legend_names_what_only_one_panel_shows():
    figure, grid = plt.subplots(1, 2)
    grid[0].plot([1], label="SGD")
    grid[1].plot([1], label="SGD (1 of 5 diverged)")
    figures._legend(figure, grid, 2, "title")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["SGD", "SGD (1 of 5 diverged)"]


def test_figures_are_committed_in_both_formats():
    folder = Path(__file__).parents[1] / "figures"
    expected = {f"{name}.{kind}" for name in figures.FIGURES for kind in ("pdf", "png")}
    assert expected <= {path.name for path in folder.iterdir()}


def test_a_cell_of_the_limits_has_its_verdicts_colour_and_marks(tmp_path):
    common = {"against": "sgd", "seeds": 3}
    verdicts = [
        {"quantity": "final", "verdict": "holds", "effect": 0.5, "learned": True, "bracketed": True},
        {"quantity": "area", "verdict": "open", "effect": 0.95, "learned": False, "bracketed": True},
        {"quantity": "unseen_psnr", "verdict": "fails", "effect": -1.5, "learned": True, "bracketed": False},
        {"quantity": "unseen_ssim", "verdict": "fails", "effect": None, "learned": True, "bracketed": True},
    ]
    told = [common | {"reading": reading} | verdict for reading in ("badmm", "badmm-ls") for verdict in verdicts]
    setting = {"group": "default", "name": "default", "verdicts": told, "active": {"sgd": 0.25, "badmm": 1.0}}
    (tmp_path / "limits.json").write_text(json.dumps([setting]))
    drawn = figures.limits(runs.Results(str(tmp_path), {}, {}))
    better, neither, worse = drawn.legends[0].legend_handles[:3]
    assert [text.get_text().split(":")[0] for text in drawn.legends[0].texts[:3]] == [
        "BADMM better",
        "open",
        "BADMM worse",
    ]
    panel = drawn.axes[0]
    filled = {int(patch.get_x()): patch.get_facecolor() for patch in panel.patches if patch.get_fill()}
    expected = (better, neither, worse, worse)
    assert filled == {place: handle.get_facecolor() for place, handle in enumerate(expected)}
    assert [int(patch.get_x()) for patch in panel.patches if patch.get_hatch()] == [1]
    assert [text.get_text() for text in panel.texts][:6] == ["0.50", "0.95", "-1.50*", "diverged", "0.25", "1.00"]


@pytest.mark.parametrize(
    ("scores", "drawn"),
    [
        ([[0.1, 0.3], [0.4, 0.6]], {"full": [0.2, 0.5], "none": []}),  # every trial with both seeds: their mean
        ([[0.1, 0.3], [0.4]], {"full": [0.1], "none": [0.4]}),  # one finalist: the first seed, as of the other
    ],
)
def test_trials_of_the_search_are_drawn_by_the_seeds_that_all_were_tried_with(tmp_path, scores, drawn):
    trials = [
        {"settings": {"learning_rate": 10.0**number}, "status": "finished", "scores": {"train_loss": losses}}
        for number, losses in enumerate(scores)
    ]
    trials.append({"settings": {"learning_rate": 100.0}, "status": "diverged", "scores": {}})
    common = {"experiment": "perceptron", "optimizer": "sgd", "seeds": [7, 8], "statistic": "last"}
    report = common | {"ranges": {"learning_rate": {"log": [1, 100]}}, "trials": trials}
    (tmp_path / "tuning" / "perceptron").mkdir(parents=True)
    (tmp_path / "tuning" / "perceptron" / "sgd.json").write_text(json.dumps(report))
    panel = figures.tuning(runs.Results(str(tmp_path), {}, {})).axes[0]
    losses = {line.get_fillstyle(): list(line.get_ydata()) for line in panel.lines if line.get_marker() != "x"}
    assert losses.keys() == drawn.keys()
    assert all(losses[fill] == pytest.approx(values) for fill, values in drawn.items())
    assert [list(line.get_xdata()) for line in panel.lines if line.get_marker() == "x"] == [[100.0]]
