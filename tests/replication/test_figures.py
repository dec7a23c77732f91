import io
import re
import subprocess
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_results import Made
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from nonsmooth.training import Training, train
from replication import config, parameters, run
from replication.compute.ablation import PAIR
from replication.compute.maps import reduced_rank_ridge
from replication.methods import BASELINE, METHODS, PEER, POSTER, label, of_role
from replication.report import curves, drawing, looks, poster, writing
from replication.report.limits import COLORS
from replication.report.looks import LOOKS, Look, look_of
from replication.report.perceptron import CONDITIONED
from replication.report.poster import ring_early_stops
from replication.report.registry import FIGURE, of_target, shown
from replication.results import Results
from replication.search import Trial
from replication.studies import tuning
from replication.studies.study import Studies
from replication.verdicts.effects import DOES_NOT_HOLD, HOLDS, UNDECIDED

ROOT = Path(__file__).parents[2]
AUTOENCODER = "autoencoder"


@pytest.fixture(autouse=True)
def closed():
    """No figure is left open."""
    yield
    plt.close("all")


def draw(name: str, results: Results) -> Figure:
    return shown(FIGURE)[name].make(results)


def save_run(made: Made, settings: parameters.Parameters, history: dict, status: str = "finished") -> None:
    made.run(settings, Training(history, status, 1.0, 2.0), {})


@pytest.fixture
def made(tmp_path, smoke_config) -> Made:
    """Two seeds of two optimizers; the second run of SGD has diverged at iteration 3."""
    made = Made(tmp_path)
    for optimizer in ("sgd", "badmm"):
        for seed in (0, 1):
            losses, status = [1.0, 0.5 / (seed + 1), 0.2, 0.1], "finished"
            if (optimizer, seed) == ("sgd", 1):
                losses, status = [1.0, 20.0, 4000.0], "diverged"
            history = {"iteration": list(range(len(losses))), "train_loss": losses}
            save_run(made, parameters.of_run(smoke_config, AUTOENCODER, optimizer, seed), history, status)
    made.timing(f"claims/timing/{AUTOENCODER}", {"sgd": (0.0, 0.5), "badmm": (2.0, 0.25)})
    return made


@pytest.fixture
def results(made) -> Results:
    return made.results


def lines_of(axes) -> dict:
    return {line.get_label(): line for line in axes.lines}


def texts(artists) -> list[str]:
    return [artist.get_text() for artist in artists]


def smallest(figure: Figure) -> float:
    """Pixels of the smallest text where a page shows the figure 830 pixels wide."""
    return min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) * 830 / 72 / curves.WIDTH


# Curves


def test_curves_are_medians_over_seeds_against_iterations_and_seconds(results):
    _, axes = plt.subplots()
    curves.draw_curves(axes, results, AUTOENCODER, "train_loss")
    line = lines_of(axes)["BADMM (gradient)"]
    np.testing.assert_allclose(line.get_ydata(), [1.0, 0.375, 0.2, 0.1])
    np.testing.assert_allclose(line.get_xdata(), [0, 1, 2, 3])
    assert axes.get_yscale() == "log"
    _, axes = plt.subplots()
    curves.draw_curves(axes, results, AUTOENCODER, "train_loss", seconds=True)
    np.testing.assert_allclose(lines_of(axes)["BADMM (gradient)"].get_xdata(), [2, 2.25, 2.5, 2.75])


def test_a_diverged_run_is_drawn_as_such_and_never_part_of_the_median(results):
    _, axes = plt.subplots()
    curves.draw_curves(axes, results, AUTOENCODER, "train_loss")
    np.testing.assert_allclose(lines_of(axes)["SGD (1 of 2 diverged)"].get_ydata(), [1.0, 0.5, 0.2, 0.1])
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(2, 4000.0)]


def test_a_ring_is_where_validation_would_have_stopped(made, smoke_config):
    validation = {"sgd": [4.0, 3.0, 2.0, 1.0], "badmm": [4.0, 1.0, 2.0, 3.0]}
    for optimizer, losses in validation.items():
        history = {"iteration": [0, 1, 2, 3], "train_loss": losses, "validation_loss": losses}
        history["unseen_loss"] = [1.0, 0.7, 0.8, 0.9]
        for seed in (0, 1):
            save_run(made, parameters.of_run(smoke_config, AUTOENCODER, optimizer, seed), history)
    for seconds, x in ((False, 1), (True, 2.25)):
        _, axes = plt.subplots()
        ring_early_stops(axes, made.results, AUTOENCODER, seconds)
        (ring,) = axes.lines  # SGD's smallest validation loss is at the end
        assert ring.get_color() == look_of("badmm").color
        assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (x, 0.7)


def test_an_axis_that_is_compressed_shows_all_and_says_so():
    _, axes = plt.subplots()
    axes.plot([1.0, 0.1, 0.02])
    axes.plot([1.0, 1e-4, 1e-15])
    axes.set_yscale("log")
    curves.compress_below(axes)
    low, high = axes.get_ylim()
    assert low < 1e-15
    assert high > 1
    assert texts(axes.texts) == ["axis compressed below $10^{-2}$"]
    assert axes.transAxes.inverted().transform(axes.transData.transform((0, 1e-2)))[1] == pytest.approx(0.3)
    _, axes = plt.subplots()
    axes.plot([1.0, 0.1, 0.02])
    axes.set_yscale("log")
    curves.compress_below(axes)
    assert axes.get_yscale() == "log"
    assert not axes.texts


# Labels and legends


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
    made, levels = Made(tmp_path), names.items()
    entries = {n: [{"seed": 0, "train_loss": level}, {"seed": 1, "train_loss": 7.0}] for n, level in levels}
    made.maps(f"maps/{AUTOENCODER}", entries)
    labels = curves.map_levels(made.results, AUTOENCODER, "train_loss", seeds=[0])
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


def test_where_no_maps_were_computed_there_are_no_levels():
    assert curves.map_levels(Results({}), AUTOENCODER, "train_loss", [0]) == []


def test_the_legend_names_what_only_one_panel_shows():
    figure, grid = plt.subplots(1, 2)
    grid[0].plot([1], label="SGD")
    grid[1].plot([1], label="SGD (1 of 5 diverged)")
    curves.legend(figure, grid, 2, "title")
    assert texts(figure.legends[0].get_texts()) == ["SGD", "SGD (1 of 5 diverged)"]


# Looks and images


def test_no_two_methods_share_a_look_and_both_of_the_poster_a_colour():
    assert LOOKS.keys() == METHODS.keys()
    assert LOOKS["badmm"].color == LOOKS["badmm-ls"].color
    assert len({(look.color, look.linestyle) for look in LOOKS.values()}) == len(LOOKS)
    assert len({look.marker for look in LOOKS.values()}) == len(LOOKS)
    assert look_of("another").color == looks.BLACK


def test_methods_that_are_in_no_claim_have_thinner_lines():
    assert drawing.line("lbfgs").items() >= {"color": look_of("lbfgs").color, "linewidth": 0.8}.items()
    assert "linewidth" not in drawing.line("badmm")


def test_images_share_one_grey_scale_and_bear_their_psnr():
    _, axes = plt.subplots()
    pixels = torch.stack([torch.zeros(784), torch.full((784,), 1.7)])
    drawing.draw_images(axes, {"clean": (pixels, None), "net": (pixels, torch.tensor([12.34, 5.0]))})
    assert axes.images[0].get_clim() == (0, 1)
    assert texts(axes.texts) == ["clean", "net", "12.3", "5.0"]


def test_a_png_has_a_palette_that_no_eye_tells_from_full_colour():
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.imshow(np.linspace(0, 1, 200).reshape(1, -1), aspect="auto", cmap="gray")
    for name in METHODS:
        axes.plot([0, 199], [-0.4, 0.4], **drawing.line(name))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    full = io.BytesIO()
    figure.savefig(full, format="png", dpi=100)
    small = drawing.png(figure, 100)
    image = PIL.Image.open(io.BytesIO(small))
    assert image.mode == "P"
    assert image.info["dpi"] == pytest.approx((100, 100), abs=0.1)
    assert len(small) < 0.6 * len(full.getvalue())
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


# Files


def test_the_same_results_give_the_same_bytes_whatever_else_is_written(results, tmp_path, monkeypatch):
    def any_figure(results):
        figure, axes = plt.subplots(figsize=(3, 2))
        curves.draw_curves(axes, results, AUTOENCODER, "train_loss")
        curves.label_beside({axes: [curves.Label("reference", 0.5)]})
        return figure

    monkeypatch.setattr(poster, "comparison_figure", any_figure)
    with plt.rc_context():
        for names in (["one.pdf", "one.png"], ["two.png", "two.pdf"]):
            writing.figure("comparison", results, [str(tmp_path / name) for name in names])
    for kind in ("pdf", "png"):
        content = (tmp_path / f"one.{kind}").read_bytes()
        assert content == (tmp_path / f"two.{kind}").read_bytes()
        assert len(content) > 5000


def committed() -> dict[str, Path]:
    listed = subprocess.run(["git", "ls-files", "figures"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {Path(name).name: ROOT / name for name in listed.stdout.split()}


def test_a_matplotlibrc_changes_nothing_that_is_drawn():
    drawing.style()
    usual = dict(plt.rcParams)
    with plt.rc_context({"axes.titleweight": "bold", "lines.dashed_pattern": [9, 9], "text.usetex": True}):
        drawing.style()
        assert dict(plt.rcParams) == usual


def test_every_figure_is_committed_as_png_and_as_small_as_it_should_be():
    paths = committed()
    assert {name for name in paths if name.endswith((".png", ".pdf"))} == {f"{name}.png" for name in shown(FIGURE)}
    sizes = {name: path.stat().st_size for name, path in paths.items() if name.endswith(".png")}
    assert sizes["limits.png"] < 600_000
    assert sizes["poster.png"] < 300_000
    assert sum(sizes.values()) < 1_600_000


def test_figures_fill_the_width_of_a_page_and_the_comparison_its_first_screen():
    pictures = {name: PIL.Image.open(path) for name, path in committed().items() if name.endswith(".png")}
    del pictures["full_mnist.png"]  # as the last `snakemake full_mnist` drew it, narrower and without a palette
    for picture in pictures.values():
        assert picture.mode == "P"
        assert picture.width == round(200 * curves.WIDTH)
    comparison = pictures["comparison.png"]
    assert comparison.height / comparison.width * 830 <= 450


# The figures of the default target, of runs that are trained here


@pytest.fixture(scope="module")
def trained(tmp_path_factory, smoke_config, sample) -> Results:
    """One seed of every run of the default target, for a few iterations."""
    made = Made(tmp_path_factory.mktemp("trained"))
    sample.save(made.folder / "images.safetensors")
    made.files["images/seed-0"] = [str(made.folder / "images.safetensors")]
    for experiment in parameters.of_target(smoke_config, None):
        for name in sorted(smoke_config["experiments"][experiment]["optimizers"]):
            settings = parameters.of_run(smoke_config, experiment, name, 0).but(iterations=3)
            assembly = run.assemble(settings, sample)
            training = train(assembly.network, assembly.optimizer, assembly.problem, settings.iterations)
            made.run(settings, training, {}, assembly.network)
    made.maps(f"maps/{AUTOENCODER}", {"mean image": [{"seed": 0, "train_loss": 0.07, "unseen_loss": 0.06}]})
    optimizers = smoke_config["experiments"][AUTOENCODER]["optimizers"]
    made.timing(f"claims/timing/{AUTOENCODER}", dict.fromkeys(optimizers, (0.1, 0.01)))
    return made.results


@pytest.fixture
def one_ridge(monkeypatch):
    """The linear map with one ridge: the choice among many takes seconds."""
    monkeypatch.setattr(
        poster, "linear_map", lambda problem, rank: (reduced_rank_ridge(problem.training, rank, 1.0), 1)
    )


def words(figure: Figure) -> str:
    """All text of a figure, on one line."""
    return re.sub(r"\s+", " ", " ".join(texts(figure.findobj(Text))))


@pytest.mark.parametrize("name", of_target(FIGURE, "all"))
def test_a_figure_of_runs_names_the_methods_that_it_compares(name, trained, one_ridge):
    figure = draw(name, trained)
    assert figure.get_size_inches()[0] == curves.WIDTH
    assert smallest(figure) > 9
    names = of_role(POSTER) if name == "inside" else of_role(BASELINE, POSTER)
    assert all(label(method) in words(figure) for method in names)
    panels = [axes for axes in figure.axes if axes.axison]
    assert all(axes.lines for axes in panels)


@pytest.mark.parametrize("name", ["comparison", "poster"])
def test_a_further_method_is_drawn_beside_the_others(name, trained, monkeypatch):
    monkeypatch.setitem(METHODS, "third", replace(METHODS["badmm"], label="Third method", role=PEER))
    monkeypatch.setitem(LOOKS, "third", Look("#000000", ":", "*"))
    third = {n.replace("/badmm/", "/third/"): files for n, files in trained.files.items() if "/badmm/" in n}
    before, after = (draw(name, results) for results in (trained, Results(trained.files | third)))
    assert "Third method" in words(after)
    assert smallest(after) > 9
    for old, new in zip(before.axes, after.axes, strict=True):
        assert len(new.lines) == len(old.lines) + bool(old.lines)


def test_trained_networks_are_those_of_the_runs(trained):
    seed, problem, networks = poster.trained_networks(trained, ("badmm", "lbfgs", "gradient-d"))
    assert seed == 0
    assert list(networks) == ["BADMM (gradient)", "L-BFGS"]  # gradient descent on D trains no autoencoder
    history = trained.run(AUTOENCODER, "badmm", 0).history
    with torch.no_grad():
        error = (networks["BADMM (gradient)"](problem.unseen.inputs) - problem.unseen.targets).square().mean().item()
    assert error == pytest.approx(history["unseen_loss"][-1], rel=1e-5)
    (clean, pixels, decibels), (noisy, *_), (name, denoised, _) = poster.image_rows(
        problem.unseen, {"BADMM (gradient)": networks["BADMM (gradient)"]}, 5
    )
    assert (clean, noisy, name) == ("clean", "noisy", "BADMM (gradient)")
    assert pixels.shape == denoised.shape == (5, 784)
    assert decibels.isinf().all()
    assert poster.row_name("clean", pixels, decibels) == "clean"


# The figures of the studies


def verdicts(method: str) -> list[dict]:
    """By quantity its verdict; most runs of the method are lost in the third, and of the baseline in the fifth."""
    entries = {"final": "holds", "area": "holds", "iterations": "undecided", "unseen_psnr": "does not hold"}
    entries |= {"seconds": "no verdict", "unseen_ssim": "no difference"}
    lost = {"iterations": [[0, 1], []], "seconds": [[2], [0, 1]]}
    common = {"method": method, "against": "sgd", "bracketed": True, "effect": 1.0, "interval": [0.5, 2.0]}
    common |= {"diverged": [0, 0], "seeds": 3}
    return [
        common | {"quantity": quantity, "verdict": verdict, "lost": lost.get(quantity, [[], [2]])}
        for quantity, verdict in entries.items()
    ]


@pytest.fixture
def limits(tmp_path):
    def write(*methods: str) -> Results:
        names = [("noise", "weak"), ("images", "100"), ("noise", "strong")]
        cells = [verdict for method in methods for verdict in verdicts(method)]
        settings = [{"group": group, "name": name, "verdicts": cells} for group, name in names]
        made = Made(tmp_path)
        made.json("limits", [setting | {"active": {}} for setting in settings])
        return made.results

    return write


def test_a_cell_of_the_limits_has_its_verdicts_colour_and_no_text(limits):
    figure = draw("limits", limits("badmm", "badmm-ls"))
    figure.canvas.draw()
    better, worse, neither = (handle.get_facecolor() for handle in figure.legends[0].legend_handles[:3])
    assert texts(figure.legends[0].texts[:2]) == ["holds", "does not hold"]
    of_method, of_baseline = (handle.get_hatch() for handle in figure.legends[0].legend_handles[3:])
    assert texts(figure.axes[0].get_yticklabels()) == ["weak", "strong", "100"]
    assert [axes.get_title() for axes in figure.axes] == ["BADMM (gradient)", "BADMM (least squares)"]
    for axes in figure.axes:
        names = ["iterations", "wall time", "final loss", "PSNR", "SSIM"]  # no column for the area
        assert texts(axes.get_xticklabels()) == names
        (mesh,) = axes.collections
        for row in mesh.get_facecolors().reshape(3, 5, 4):
            np.testing.assert_allclose(row, [neither, neither, better, worse, neither])
        hatched = {patch.get_xy(): patch.get_hatch() for patch in axes.patches}
        assert hatched == {(column, row): h for row in range(3) for column, h in enumerate((of_method, of_baseline))}
        inside = [text for text in axes.texts if axes.bbox.contains(*Text.get_window_extent(text).get_points().mean(0))]
        assert not inside


def test_every_method_of_the_limits_has_a_panel(limits, monkeypatch):
    monkeypatch.setitem(METHODS, "third", replace(METHODS["badmm"], label="Third", role=PEER))
    figure = draw("limits", limits("badmm", "badmm-ls", "third"))
    assert [axes.get_title() for axes in figure.axes] == ["BADMM (gradient)", "BADMM (least squares)", "Third"]


def test_the_two_sides_of_a_verdict_are_told_apart_in_greys():
    light = {name: np.dot(to_rgb(color), (0.2126, 0.7152, 0.0722)) for name, color in COLORS.items()}
    assert light[DOES_NOT_HOLD] - light[HOLDS] > 0.15
    assert light[UNDECIDED] - light[DOES_NOT_HOLD] > 0.15


@pytest.mark.parametrize(
    ("scores", "drawn"),
    [
        ([[0.1, 0.3], [0.4, 0.6]], {"full": [0.2, 0.5], "none": []}),  # every trial with both seeds: their mean
        ([[0.1, 0.3], [0.4]], {"full": [0.1], "none": [0.4]}),  # one finalist: the first seed, as of the other
    ],
)
def test_trials_of_the_search_are_drawn_by_the_seeds_that_all_were_tried_with(tmp_path, scores, drawn):
    trials = [
        Trial({"learning_rate": 10.0**number}, scores={"train_loss": losses}) for number, losses in enumerate(scores)
    ]
    trials.append(Trial({"learning_rate": 100.0}, "diverged"))
    made = Made(tmp_path)
    made.tuned("tuning/perceptron/sgd", {"train_loss": []}, trials, [7, 8], settings={"learning_rate": 1.0})
    panel = draw("tuning_perceptron", made.results).axes[0]
    losses = {line.get_fillstyle(): list(line.get_ydata()) for line in panel.lines if line.get_marker() != "x"}
    assert losses.keys() == drawn.keys()
    assert all(losses[fill] == pytest.approx(values) for fill, values in drawn.items())
    assert [list(line.get_xdata()) for line in panel.lines if line.get_marker() == "x"] == [[100.0]]


@pytest.mark.parametrize("name", of_target(FIGURE, "tune"))
def test_no_panel_of_the_search_is_empty(name):
    project = config.project(ROOT)
    studies = Studies(tuning.jobs(project), str(ROOT / project["published"]), "none")
    figure = draw(name, Results(studies.records(*shown(FIGURE)[name].needs)))
    panels = [axes for axes in figure.axes if axes.axison]
    assert all(any(len(line.get_xdata()) for line in axes.lines) for axes in panels)
    assert len(panels) > 10
    assert smallest(figure) > 9


def test_gaps_below_rounding_are_drawn_on_the_axis(tmp_path):
    gaps = {"sgd": [1.0, 0.5, 0.1], "badmm": [1.0, 1e-11, 1e-17], "badmm-ls": [1.0, 1e-15, 3e-14]}
    entries = [
        {"optimizer": name, "condition_number": number, "gaps": [losses] * 3}
        for name, losses in gaps.items()
        for number in (1, 10, 100)
    ]
    made = Made(tmp_path)
    for experiment in CONDITIONED:
        made.record(f"conditioning/{experiment}", {"table": entries})
    figure = draw("conditioning", made.results)
    first, *_, last = figure.axes
    floor = first.get_ylim()[0]
    lines = [list(line.get_ydata()) for line in first.lines]
    assert lines == [gaps["sgd"], [1.0, 1e-11, floor], [1.0, floor, floor]]
    assert [list(line.get_ydata()) for line in last.lines] == [[0.1] * 3, [floor] * 3, [floor] * 3]
    assert first.get_yticklabels()[-1].get_text() == "rounding"
    assert smallest(figure) > 9


def test_what_one_setting_changes_has_a_row_and_the_closed_forms_as_well(tmp_path):
    made = Made(tmp_path)
    for selection, measured in (("train_loss", "train_loss"), ("validation_loss", "unseen_loss")):
        finished = {"seed": 0, "status": "finished", "final": {measured: 0.01}}
        diverged = {"seed": 0, "status": "diverged"}
        report = [
            {"method": method, "taken": taken, "runs": [finished, diverged if taken else finished]}
            for method in PAIR
            for taken in (None, "tau_x")
        ]
        made.record(f"ablation/{selection}", {"variants": report})
    levels = {"seed": 0, "train_loss": 0.02, "unseen_loss": 0.03}
    made.maps(f"maps/{AUTOENCODER}", {name: [levels] for name in ("mean image", "linear map")})
    figure = draw("ablation", made.results)
    assert texts(figure.axes[0].get_yticklabels()) == [
        "BADMM (gradient)",
        r"$\tau_X$ from least squares",
        "BADMM (least squares)",
        r"$\tau_X$ from gradient",
        "linear map",
    ]
    assert texts(figure.axes[0].texts) == ["1 of 2 diverged"] * 2
    assert smallest(figure) > 9


def test_an_iteration_is_timed_by_the_fastest_implementation_and_beside_its_products(tmp_path):
    seconds = {"adam": 0.004, "adam fused": 0.002, "badmm": 0.003, "products of badmm": 0.001}
    rows = [
        {"hidden": 8, "threads": 1, "samples": samples, "name": name, "seconds": samples * value}
        for samples in (100, 200)
        for name, value in seconds.items()
    ]
    report = {"iterations": rows, "device": "cpu", "processor": "a fast one"}
    made = Made(tmp_path)
    made.json("benchmark/iterations", report)
    figure = draw("benchmark", made.results)
    levels = {name: line.get_ydata() for name, line in lines_of(figure.axes[0]).items()}
    assert levels.keys() == {"Adam", "BADMM (gradient)", "matrix products of BADMM (gradient)"}
    np.testing.assert_allclose(levels["Adam"], [2000, 2000])  # microseconds a sample
    np.testing.assert_allclose(levels["matrix products of BADMM (gradient)"], [1000, 1000])
    assert "a fast one" in words(figure)
