"""The field: its jobs, what the configuration may ask of it, the credit by layer, and its tables."""

from pathlib import Path

import matplotlib
import pytest
import yaml
from made_results import Made

from replication import config
from replication.compute import credit
from replication.compute.seeds import SeedRun
from replication.errors import ConfigError
from replication.report import rows, writing
from replication.report.field import (
    credit_block,
    credit_table,
    field_methods_block,
    field_signals_block,
    field_table,
    reached,
)
from replication.report.registry import FIGURE, shown
from replication.studies import field

ROOT = Path(__file__).parents[2]


def test_every_signal_meets_every_weight_step_with_the_same_search(smoke_config):
    section = smoke_config["field"]
    rows = field.entrants(section)
    named = {f"{s}-{w}{e}" for s in section["signals"] for w in section["weight_steps"] for e in ("", "-solved")}
    assert named < rows.keys()
    factorial = [row for row in rows.values() if row.group == field.FACTORIAL]
    assert len({str(row.fixed) for row in factorial}) == len(factorial) == 4 * 4 * 2 + 2 * 2 * 2
    assert {row.trials for row in factorial} == {section["trials"]}
    assert rows["restarted-gram-solved-guarded"].ranges.keys() == {"learning_rate", "momentum", "damping", "tau"}
    assert rows["backpropagation-adam"].ranges.keys() == {"learning_rate", "momentum"}


def test_jobs_have_their_tasks_problem_and_its_rows(smoke_config):
    jobs = {job.name: job for job in field.jobs(smoke_config)}
    asked = jobs["field/student-deep/carried-muon"].arguments
    assert asked["run"]["problem"]["teacher_hidden"] == [12, 12]
    assert (asked["run"]["dtype"], asked["seeds"]) == ("float64", [1000])
    assert asked["runs"] == {"train_loss": {"seeds": [0, 1], "every": 4, "with_ssim": False}}
    assert "field/student/tau-0.01" in jobs
    assert "field/digits/tau-0.01" not in jobs
    assert {name.split("/")[2] for name in jobs if name.startswith("field/autoencoder-128/")} == {
        *smoke_config["field"]["tasks"]["autoencoder-128"]["rows"]
    }
    assert jobs["field/autoencoder-128/adam"].arguments["runs"].keys() == {"train_loss", "validation_loss"}
    assert jobs["field/credit-2/tau-0.01"].arguments["run"]["network"]["hidden"] == [4, 4]


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"tasks": {"student": {"rows": ["factoral"]}}}, "field.tasks.student.rows: 'factoral' is none of factorial"),
        ({"tasks": {"student": {"experiment": "studnt"}}}, "the nearest name is 'student'"),
        ({"tasks": {"student": {"over": {"iterations": 0}}}}, "field.tasks.student.over.iterations: 0"),
        ({"weight_steps": {"gram": {"dampng": {"log": [0.1, 1]}}}}, "no setting of signal-steps"),
        ({"weight_steps": {"gram": {"damping": {"log": [0.1, 0.01]}}}}, "0.1 is not below 0.01"),
        ({"weight_steps": {"newton": {"learning_rate": {"log": [0.1, 1.0]}}}}, "weight_step"),
        ({"methods": {"adm": {"learning_rate": {"log": [0.1, 1.0]}}}}, "the nearest name is 'adam'"),
        ({"credit": {"task": "students"}}, "field.credit.task: 'students'"),
        ({"credit": {"rows": {"badmm": {"settings": {"tau_z": 5}}}}}, "field.credit.rows.badmm: tau_z = 5"),
        ({"seeds": [1000]}, "field.seeds: 1000 is a seed of a search"),
    ],
)
def test_what_cannot_be_run_is_refused_by_its_key(over, words, tmp_path):
    (tmp_path / "over.yaml").write_text(yaml.safe_dump({"field": over}))
    with pytest.raises(ConfigError) as refused:
        config.project(ROOT, tmp_path / "over.yaml")
    assert words in str(refused.value)


# Credit by layer


def followed(smoke_config: dict, row: str, **settings) -> dict:
    jobs = {job.name: job for job in field.jobs(smoke_config)}
    asked = dict(jobs[f"field/credit-2/{row}"].arguments)
    run = asked["run"] | {"settings": asked["run"]["settings"] | settings}
    return credit.answer(run, [1, 2, 5], [0], root="unused", published=[])["seeds"][0]


def test_a_signal_that_is_backpropagations_has_the_gradients_direction_and_share(smoke_config):
    found = followed(smoke_config, "restarted", signal="backpropagation")
    for layer in range(3):
        assert found["cosine"][layer] == pytest.approx([1.0] * 3)
        assert found["share"][layer] == pytest.approx([1.0] * 3)
    assert found["differs"] == []


def test_a_carried_signal_needs_an_iteration_for_each_layer_and_loses_on_the_way(smoke_config):
    found = followed(smoke_config, "carried")
    assert [[value is None for value in layer[:2]] for layer in found["cosine"]] == [
        [True] * 2,
        [True, False],
        [False] * 2,
    ]
    assert 0 < found["share"][1][1] < 1


def test_a_restarted_signal_reaches_every_layer_at_once(smoke_config):
    found = followed(smoke_config, "restarted")
    assert all(value is not None for layer in found["cosine"] for value in layer)
    assert len(found["differs"]) == 2
    assert all(0 < value < 1 for layer in found["differs"] for value in layer)


# Tables


def run(seed: int, *losses: float) -> SeedRun:
    return SeedRun(seed, "finished", [0, 10, 20], list(losses))


def test_the_first_iteration_at_the_loss_counts():
    assert reached(run(0, 3.0, 1.0, 0.5), 1.0) == 10
    assert reached(run(0, 3.0, 2.0, 1.5), 1.0) is None


@pytest.fixture
def tables(tmp_path) -> rows.Tables:
    made = Made(tmp_path)
    made.tuned(
        "field/student/adam", {"train_loss": [run(0, 3, 2, 1), run(1, 3, 2, 0.5)]}, settings={"learning_rate": 0.1}
    )
    lost = SeedRun(2, "diverged", [0], [3.0])
    made.tuned("field/student/restarted-gram", {"train_loss": [run(0, 3, 1, 0.2), run(1, 3, 2, 0.6), lost]})
    layers = {"cosine": [[None, 0.5], [1.0, 1.0]], "share": [[None, 0.1], [1.0, 1.0]], "differs": [[0.25, 0.75]]}
    made.record("field/credit-1/badmm", {"seeds": [{"seed": 0, "iteration": [1, 2], **layers}]})
    for name in ("field", "credit"):
        writing.table(name, made.results, tmp_path / "tables" / f"{name}.csv")
    assert [row["id"] for row in field_table(made.results)] == ["student/adam", "student/restarted-gram"]
    assert len(list(credit_table(made.results))) == 2
    return rows.read(tmp_path / "tables")


def test_the_table_tells_on_how_many_seeds_adams_loss_is_reached(tables):
    row = tables["field"]["student/restarted-gram"]
    assert (row["seeds"], row["diverged"], row["loss_10"]) == (3, 1, 1.5)
    assert (row["reached"], row["to_adam"]) == (1, 10)
    assert [row[f"loss{end}"] for end in ("", "_low", "_high")] == [0.4, 0.2, 0.6]
    assert tables["field"]["student/adam"]["settings"] == "learning_rate=0.1"


def test_the_credit_of_a_layer_is_told_from_when_it_arrives(tables):
    first, last = (tables["credit"][f"credit-1/badmm/layer-{layer}"] for layer in (1, 2))
    assert (first["share"], first["arrived"], first["differs"]) == (0.1, 2, 0.5)
    assert (last["share"], last["arrived"], last["differs"]) == (1, 1, None)


def test_the_pages_tell_a_row_a_line(tables):
    assert field_signals_block(tables, "student").splitlines()[2:] == [
        "| restarted, gram | - | 0.4 (0.2 to 0.6) | 10 | 1 |"
    ]
    assert field_methods_block(tables, "student").splitlines()[2:] == ["| Adam | - | 0.75 (0.5 to 1) | 20 | 2 |"]
    assert credit_block(tables, "1", "badmm").splitlines()[2] == "| layer 1 | 0.10 |"


@pytest.fixture(scope="module")
def every_result(smoke_config, tmp_path_factory):
    """Made results of all jobs: carried signals end above Adam, the others below it."""
    made = Made(tmp_path_factory.mktemp("field"))
    for job in field.jobs(smoke_config):
        if job.kind == "training":
            end = 0.5 if "carried" in job.name else 0.01 if job.name.endswith("/adam") else 1e-9
            runs = [SeedRun(seed, "finished", [0, 10, 12], [3.0, 2 * end, end]) for seed in (0, 1)]
            made.tuned(job.name, {"train_loss": runs, "validation_loss": runs})
        elif job.kind == "timing":
            made.timing(job.name, dict.fromkeys(job.methods, (0.1, 0.01)))
        else:
            hidden = job.arguments["run"]["network"]["hidden"]
            layers = [[None, 0.5] for _ in range(len(hidden) + 1)]
            seeds = [{"seed": s, "iteration": [1, 4], "cosine": layers, "share": layers} for s in (0, 1)]
            differs = [[0.2, 0.3]] * len(hidden) if "tau" in job.name else []
            made.record(job.name, {"seeds": [seed | {"differs": differs} for seed in seeds]})
    return made.results


def test_the_heat_map_has_a_cell_for_each_signal_and_step_with_its_loss(every_result):
    matplotlib.use("Agg")
    figure = shown(FIGURE)["field"].make(every_result)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        texts = [text.get_text() for text in axes.texts]
        assert texts.count("5e-01") == 8
        assert texts.count("1e-09") == 24
        assert [label.get_text() for label in axes.get_yticklabels()][-1] == "carried"
        assert "1.0e-02" in axes.get_title()


def test_the_curve_over_tau_has_all_of_them_and_every_depth_below(every_result, smoke_config):
    above, below = shown(FIGURE)["field_tau"].make(every_result).axes
    taus = sorted(smoke_config["field"]["taus"])
    assert above.lines[0].get_xdata().tolist() == taus
    assert [line.get_label() for line in below.lines] == ["1 hidden", "2 hidden"]
    assert all(line.get_ydata().tolist() == [0.25] * len(taus) for line in below.lines)


def test_the_credit_is_drawn_for_the_deepest_network(every_result):
    figure = shown(FIGURE)["field_credit"].make(every_result)
    images = [axes.images[0].get_array() for axes in figure.axes if axes.get_title() or axes.images]
    assert {image.shape for image in images if image.shape[0] < 10} == {(3, 2)}


def test_the_table_of_all_results_has_a_row_for_each_search_and_the_times(every_result):
    table = {row["id"]: row for row in field_table(every_result)}
    assert "student-deep/carried-muon" in table
    assert not any("timing" in name or "credit" in name for name in table)
    assert table["student/adam"]["seconds"] == 0.01
    assert "seconds" not in table["student/carried-muon"]
    assert table["student/restarted-gram"]["reached"] == 2
    assert table["student/carried-gram"]["reached"] == 0
