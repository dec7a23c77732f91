import io
import json
import subprocess
from itertools import combinations, pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from replication import methods as optimizers, run as runs
from replication.report import drawing, figures
from replication.report.figures import curves
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


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines}


def test_curves_are_medians_over_seeds_against_iterations_and_seconds(results):
    _, axes = plt.subplots()
    curves.draw_curves(axes, results, "autoencoder", "train_loss")
    line = lines_of(axes)["BADMM (gradient)"]
    np.testing.assert_allclose(line.get_ydata(), [1.0, 0.375, 0.2, 0.1])
    np.testing.assert_allclose(line.get_xdata(), [0, 1, 2, 3])
    assert axes.get_yscale() == "log"
    _, axes = plt.subplots()
    curves.draw_curves(axes, results, "autoencoder", "train_loss", seconds=True)
    np.testing.assert_allclose(lines_of(axes)["BADMM (gradient)"].get_xdata(), [2, 2.25, 2.5, 2.75])


def test_a_diverged_run_is_drawn_as_such_and_never_part_of_the_median(results):
    _, axes = plt.subplots()
    curves.draw_curves(axes, results, "autoencoder", "train_loss")
    np.testing.assert_allclose(lines_of(axes)["SGD (1 of 2 diverged)"].get_ydata(), [1.0, 0.5, 0.2, 0.1])
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
        figures.runs._ring_early_stops(axes, results, "autoencoder", seconds)
        (ring,) = axes.lines  # SGD's smallest validation loss is at the end
        assert ring.get_color() == drawing.OPTIMIZERS["badmm"].color
        assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (x, 0.7)


def test_the_same_results_give_the_same_bytes_whatever_else_is_written(results, tmp_path, monkeypatch):
    def figure(results):
        figure, axes = plt.subplots()
        curves.draw_curves(axes, results, "autoencoder", "train_loss")
        curves.label_beside({axes: [curves.Label("reference", 0.5)]})
        return figure

    monkeypatch.setitem(figures.FIGURES, "test", figure)
    for names in (["one.pdf", "one.png"], ["two.png", "two.pdf"]):
        figures.write("test", results, [str(tmp_path / name) for name in names])
    for kind in ("pdf", "png"):
        content = (tmp_path / f"one.{kind}").read_bytes()
        assert content == (tmp_path / f"two.{kind}").read_bytes()
        assert len(content) > 5000


def test_a_png_has_a_palette_that_no_eye_tells_from_full_colour():
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.imshow(np.linspace(0, 1, 200).reshape(1, -1), aspect="auto", cmap="gray")
    for look in drawing.OPTIMIZERS.values():
        axes.plot([0, 199], [-0.4, 0.4], **look.line)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    full = io.BytesIO()
    figure.savefig(full, format="png", dpi=100)
    image = PIL.Image.open(io.BytesIO(drawing.png(figure, 100)))
    assert image.mode == "P"
    assert image.info["dpi"] == pytest.approx((100, 100), abs=0.1)
    assert len(drawing.png(figure, 100)) < 0.6 * len(full.getvalue())
    seen, wanted = (np.asarray(i.convert("RGB"), dtype=int) for i in (image, PIL.Image.open(full)))
    assert np.abs(seen - wanted).max() <= 32
    greys = wanted.max(2) == wanted.min(2)
    assert np.abs(seen - wanted)[greys].max() <= 4  # no bands


def test_a_notebook_shows_a_figure_once_and_with_a_palette(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figure = plt.figure()
    drawing.show(figure)
    (image,) = shown
    assert PIL.Image.open(io.BytesIO(image.data)).mode == "P"
    assert not plt.fignum_exists(figure.number)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 0.3))
def test_labels_are_spread_no_further_than_it_takes(levels, gap):
    levels = sorted(levels)
    moved = curves.spread(levels, [gap] * (len(levels) - 1))
    assert all(after - before >= gap - 1e-9 for before, after in pairwise(moved))
    assert np.mean(moved) == pytest.approx(np.mean(levels))  # as a group they stay where they are
    if all(after - before >= gap for before, after in pairwise(levels)):
        assert moved == pytest.approx(levels)


def test_labels_of_reference_levels_stand_beside_the_axes_and_apart(tmp_path):
    names = {"noisy input": 0.09, "linear map": 0.0121, "linear map, ridge 0.01": 0.012}
    (tmp_path / "bounds" / "figures").mkdir(parents=True)
    entries = {"references": {name: [{"train_loss": level}] for name, level in names.items()}}
    (tmp_path / "bounds" / "figures" / "autoencoder.json").write_text(json.dumps(entries))
    labels = curves.references(runs.Results(str(tmp_path), {}, {}), "figures", "autoencoder", "train_loss")
    figure, axes = plt.subplots(layout="constrained")
    axes.plot([0, 1], [0.1, 0.01])
    axes.set_yscale("log")
    curves.draw_levels(axes, labels)
    curves.label_beside({axes: labels})
    figure.canvas.draw()
    boxes = {text.get_text(): Text.get_window_extent(text) for text in axes.texts}  # of the text without its leader
    assert boxes.keys() == names.keys()
    assert all(box.x0 > axes.get_window_extent().x1 for box in boxes.values())
    assert all(box.x1 <= figure.bbox.x1 for box in boxes.values())
    assert not any(one.overlaps(other) for one, other in combinations(boxes.values(), 2))
    heights = {name: axes.transData.transform((0, level))[1] for name, level in names.items()}
    assert all(abs(box.y0 + box.height / 2 - heights[name]) < 12 for name, box in boxes.items())


def test_an_axis_that_is_compressed_shows_all_and_says_so():
    _, axes = plt.subplots()
    axes.plot([1.0, 0.1, 0.02])
    axes.plot([1.0, 1e-4, 1e-15])
    axes.set_yscale("log")
    curves.compress_below(axes)
    low, high = axes.get_ylim()
    assert low < 1e-15
    assert high > 1
    assert [text.get_text() for text in axes.texts] == ["axis compressed below $10^{-2}$"]
    assert axes.transAxes.inverted().transform(axes.transData.transform((0, 1e-2)))[1] == pytest.approx(0.3)
    _, axes = plt.subplots()
    axes.plot([1.0, 0.1, 0.02])
    axes.set_yscale("log")
    curves.compress_below(axes)
    assert axes.get_yscale() == "log"
    assert not axes.texts


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
    assert [text.get_text() for text in axes.texts] == ["clean", "net", "12.3", "5.0"]


def test_every_optimizer_has_a_look():
    assert drawing.OPTIMIZERS.keys() == optimizers.OPTIMIZERS.keys()


def test_the_legend_names_what_only_one_panel_shows():
    figure, grid = plt.subplots(1, 2)
    grid[0].plot([1], label="SGD")
    grid[1].plot([1], label="SGD (1 of 5 diverged)")
    curves.legend(figure, grid, 2, "title")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["SGD", "SGD (1 of 5 diverged)"]


def committed() -> dict[str, Path]:
    root = Path(__file__).parents[1]
    listed = subprocess.run(["git", "ls-files", "figures"], cwd=root, capture_output=True, text=True, check=True)
    return {Path(name).name: root / name for name in listed.stdout.split()}


def test_every_figure_is_committed_as_png_and_as_small_as_it_should_be():
    paths = committed()
    assert {name for name in paths if name.endswith((".png", ".pdf"))} == {f"{name}.png" for name in figures.FIGURES}
    sizes = {name: path.stat().st_size for name, path in paths.items() if name.endswith(".png")}
    assert sizes["limits.png"] < 600_000
    assert sizes["poster.png"] < 300_000
    assert sum(sizes.values()) < 1_500_000


def test_figures_fill_the_width_of_a_page_and_the_comparison_its_first_screen():
    images = {name: PIL.Image.open(path) for name, path in committed().items() if name.endswith(".png")}
    del images["full_mnist.png"]  # as the last `snakemake full_mnist` drew it, narrower and without a palette
    for image in images.values():
        assert image.mode == "P"
        assert image.width == round(200 * curves.WIDTH)
    comparison = images["comparison.png"]
    assert comparison.height / comparison.width * 830 <= 450


def test_a_cell_of_the_limits_has_its_verdicts_colour_and_no_text(tmp_path):
    common = {"against": "sgd", "seeds": 3}
    entries = [
        {"quantity": "final", "verdict": "holds", "learned": True},
        {"quantity": "area", "verdict": "holds", "learned": True},  # no column of the figure
        {"quantity": "iterations", "verdict": "open", "learned": False},
        {"quantity": "unseen_psnr", "verdict": "fails", "learned": True},
    ]
    verdicts = [common | {"reading": reading} | entry for reading in ("badmm", "badmm-ls") for entry in entries]
    names = [("noise", "weak"), ("images", "100"), ("noise", "strong")]
    settings = [{"group": group, "name": name, "verdicts": verdicts} for group, name in names]
    (tmp_path / "limits.json").write_text(json.dumps(settings))
    drawn = figures.limits(runs.Results(str(tmp_path), {}, {}))
    drawn.canvas.draw()
    better, neither, worse = (handle.get_facecolor() for handle in drawn.legends[0].legend_handles[:3])
    assert [text.get_text() for text in drawn.legends[0].texts[:3]] == ["BADMM better", "open", "BADMM worse"]
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == ["weak", "strong", "100"]
    assert [axes.get_title() for axes in drawn.axes] == ["BADMM (gradient)", "BADMM (least squares)"]
    for axes in drawn.axes:
        assert [label.get_text() for label in axes.get_xticklabels()] == ["iterations", "final loss", "PSNR"]
        (mesh,) = axes.collections
        for row in mesh.get_facecolors().reshape(3, 3, 4):
            np.testing.assert_allclose(row, [neither, better, worse])
        assert [patch.get_xy() for patch in axes.patches if patch.get_hatch()] == [(0, row) for row in range(3)]
        inside = [text for text in axes.texts if axes.bbox.contains(*Text.get_window_extent(text).get_points().mean(0))]
        assert not inside


def test_the_two_sides_of_a_verdict_are_told_apart_in_greys():
    light = {name: np.dot(to_rgb(color), (0.2126, 0.7152, 0.0722)) for name, color in figures.studies.VERDICTS.items()}
    assert light["fails"] - light["holds"] > 0.15
    assert light["open"] - light["fails"] > 0.15


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
    panel = figures.tuning_perceptron(runs.Results(str(tmp_path), {}, {})).axes[0]
    losses = {line.get_fillstyle(): list(line.get_ydata()) for line in panel.lines if line.get_marker() != "x"}
    assert losses.keys() == drawn.keys()
    assert all(losses[fill] == pytest.approx(values) for fill, values in drawn.items())
    assert [list(line.get_xdata()) for line in panel.lines if line.get_marker() == "x"] == [[100.0]]


def smallest(figure) -> float:
    """Pixels of the smallest text where a page shows the figure 830 pixels wide."""
    return min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) * 830 / 72 / curves.WIDTH


def test_no_panel_of_the_search_is_empty():
    folder = Path(__file__).parent / "expected"
    for draw in (figures.tuning, figures.tuning_perceptron):
        drawn = draw(runs.Results(str(folder), {}, {}))
        panels = [axes for axes in drawn.axes if axes.axison]
        assert all(any(len(line.get_xdata()) for line in axes.lines) for axes in panels)
        assert len(panels) > 10
        assert smallest(drawn) > 9


def test_gaps_below_rounding_are_drawn_on_the_axis(tmp_path):
    gaps = {"sgd": [1.0, 0.5, 0.1], "badmm": [1.0, 1e-11, 1e-17], "badmm-ls": [1.0, 1e-15, 3e-14]}
    entries = [
        {"optimizer": name, "condition_number": number, "gaps": [run] * 3}
        for name, run in gaps.items()
        for number in (1, 10, 100)
    ]
    (tmp_path / "conditioning").mkdir()
    for experiment in figures.CONDITIONED:
        (tmp_path / "conditioning" / f"{experiment}.json").write_text(json.dumps(entries))
    drawn = figures.conditioning(runs.Results(str(tmp_path), {}, {}))
    first, *_, last = drawn.axes
    floor = first.get_ylim()[0]
    lines = [list(line.get_ydata()) for line in first.lines]
    assert lines == [gaps["sgd"], [1.0, 1e-11, floor], [1.0, floor, floor]]
    assert [list(line.get_ydata()) for line in last.lines] == [[0.1] * 3, [floor] * 3, [floor] * 3]
    assert first.get_yticklabels()[-1].get_text() == "rounding"
    assert smallest(drawn) > 9


def test_what_one_assumption_changes_has_a_row_and_the_closed_forms_as_well(tmp_path):
    for folder in ("ablation", "bounds/ablation"):
        (tmp_path / folder).mkdir(parents=True)
    for column in ("train", "unseen"):
        finished = {"status": "finished", "final": {f"{column}_loss": 0.01}}
        report = [
            {"reading": reading, "taken": taken, "runs": [finished, {"status": "diverged"} if taken else finished]}
            for reading in ("badmm", "badmm-ls")
            for taken in (None, "tau_x")
        ]
        name = column.replace("unseen", "validation")
        (tmp_path / "ablation" / f"{name}_loss.json").write_text(json.dumps(report))
    bounds = {name: [{"train_loss": 0.02, "unseen_loss": 0.03}] for name in ("mean image", "linear map")}
    (tmp_path / "bounds" / "ablation" / "autoencoder.json").write_text(json.dumps({"references": bounds}))
    drawn = figures.ablation(runs.Results(str(tmp_path), {}, {}))
    rows = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    taken = r"$\tau_X$ from "
    assert rows == [
        "BADMM (gradient)",
        f"{taken}least squares",
        "BADMM (least squares)",
        f"{taken}gradient",
        "linear map",
    ]
    assert [text.get_text() for text in drawn.axes[0].texts] == ["1 of 2 diverged"] * 2
    assert smallest(drawn) > 9
