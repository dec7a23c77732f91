"""What the workflow would compute, asked of the plan."""

import copy
from dataclasses import replace

import pytest
from docutils.core import publish_parts
from snakemake_calls import ROOT

from replication import config
from replication.errors import DataError
from replication.methods import METHODS
from replication.parameters import CRITERIA
from replication.plan import TARGETS, Plan
from replication.report.registry import BLOCK, FIGURE, TABLE, of_target, shown
from replication.studies import optimizers

SHOWN = [(kind, name) for kind in (FIGURE, TABLE) for name in shown(kind)]


@pytest.fixture(scope="module")
def settings() -> dict:
    return config.project(ROOT)


@pytest.fixture
def plan(settings) -> Plan:
    return Plan(settings, str(ROOT))


def trained(plan: Plan, *experiments: str) -> list[tuple[str, str]]:
    """Experiment and optimizer of the notebooks of experiments."""
    return [(experiment, name) for experiment in experiments for name in plan.poster.optimizers(experiment)]


def test_the_default_target_is_the_poster_alone(plan, settings):
    experiments = plan.poster.of_target(None)
    names = {name: set(plan.poster.optimizers(name)) for name in experiments}
    own = {"sgd", "adam", "badmm", "badmm-ls"}
    assert names == {
        "perceptron": own | {"gradient-d"},
        "perceptron-teacher": own | {"gradient-d"},
        "autoencoder": own,
    }
    assert len(plan.poster.notebooks(*experiments)) == 14
    rungs = {method for entry in settings["ladder"]["experiments"] for method in entry["methods"]}
    beside = {method for methods in optimizers.experiments(settings).values() for method in methods}
    peers = {name for name, method in METHODS.items() if method.module.startswith("replication.peers.")}
    assert own | {"gradient-d"} | rungs | beside | peers == METHODS.keys()


def test_an_experiments_target_trains_what_it_names_and_the_comparison_everything(plan, settings):
    section = settings["experiments"]["autoencoder"]
    assert set(plan.poster.optimizers("autoencoder")) == set(section["in_target"]) < set(section["optimizers"])
    compared = set(section["optimizers"])
    assert set(optimizers.experiments(settings)["autoencoder"]) == compared
    jobs = plan.studies.jobs
    assert set(jobs["optimizers/timing/autoencoder"].methods) == compared
    assert set(jobs["claims/timing/autoencoder"].methods) == set(section["in_target"])


def test_the_first_trials_are_the_choices_of_another_experiment(plan, settings):
    """With what was not searched there as it was there."""
    tuned = settings["tuned"]["autoencoder"]["badmm"]
    search = plan.studies.jobs["tuning/autoencoder-levers/badmm"].arguments["search"]
    assert search["first"] == [{"beta": 1.0, "delta": 1.0, "initial_scale": 1.0} | tuned[column] for column in CRITERIA]
    assert search["trials"] == settings["experiments"]["autoencoder-levers"]["tuning"]["trials_beyond_two"]
    assert plan.studies.jobs["tuning/autoencoder/badmm"].arguments["search"]["first"] == []


def test_another_seed_changes_the_list_of_seeds_and_nothing_else(plan, settings):
    more = Plan(settings | {"seeds": [*settings["seeds"], 77]}, str(ROOT))
    for names in trained(plan, *plan.poster.of_target(None)):
        before, after = (each.poster.notebook_parameters(*names) for each in (plan, more))
        assert after == before | {"seeds": [*before["seeds"], 77]}
        assert set(plan.poster.image_files(names[0])) <= set(more.poster.image_files(names[0]))


def test_a_changed_setting_changes_the_parameters_of_that_method_alone(plan, settings):
    changed = copy.deepcopy(settings)
    changed["experiments"]["autoencoder"]["optimizers"]["adam"]["learning_rate"] = 0.1234
    other = Plan(changed, str(ROOT))
    moved = {
        names
        for names in trained(plan, *settings["experiments"])
        if other.poster.notebook_parameters(*names) != plan.poster.notebook_parameters(*names)
    }
    assert moved == {("autoencoder", "adam")}


def test_a_raised_version_of_a_method_asks_for_its_trainings_again(plan, monkeypatch):
    asked = {name: plan.poster.question(name) for name in ("badmm", "badmm-ls")}
    monkeypatch.setitem(METHODS, "badmm", replace(METHODS["badmm"], version=99))
    assert {name for name in asked if plan.poster.question(name) != asked[name]} == {"badmm"}


def test_parameters_are_the_same_however_the_configuration_is_ordered(plan, settings):
    def backwards(value):
        if isinstance(value, dict):
            return {name: backwards(value[name]) for name in reversed(value)}
        return value

    other, names = Plan(backwards(settings), str(ROOT)), ("autoencoder", "badmm")
    assert repr(other.poster.notebook_parameters(*names)) == repr(plan.poster.notebook_parameters(*names))
    job = "tuning/autoencoder-levers/badmm"
    assert repr(other.studies.arguments(job)) == repr(plan.studies.arguments(job))


# Figures and tables


@pytest.mark.parametrize(("kind", "name"), SHOWN, ids=lambda value: value)
def test_every_figure_and_table_is_made_of_results_that_a_rule_makes(plan, kind, name):
    entry = shown(kind)[name]
    assert entry.target in TARGETS
    assert plan.target_of(kind, name) == TARGETS[entry.target]
    for need in entry.needs:
        assert plan.named(need), need
    assert plan.files(*entry.needs)
    modules = plan.modules_of_shown(kind, name)
    assert any(path.endswith(f"report/{entry.module}.py") for path in modules)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_shows_something(plan, target):
    assert plan.shown(target)
    assert {name for kind in (FIGURE, TABLE) for name in of_target(kind, target)}


def test_what_is_needed_is_declared_of_functions_that_are_there():
    """A name in NEEDS that no function has would be a figure or table that nobody makes."""
    for kind in (FIGURE, TABLE):
        assert all(entry.needs for entry in shown(kind).values())
    assert len(shown(BLOCK)) > 15


def test_a_figure_or_table_that_nobody_makes_is_refused_with_those_that_are_made(plan):
    with pytest.raises(DataError, match="there is no figure 'limit', only ablation, answer"):
        plan.needs(FIGURE, "limit")


@pytest.mark.parametrize(("kind", "name"), SHOWN, ids=lambda value: value)
def test_every_figure_and_table_has_a_caption_in_snakemakes_report(plan, kind, name):
    caption = plan.caption(kind, name)
    assert len(caption) > 25
    publish_parts(caption, settings_overrides={"halt_level": 2})  # no warning: it is reStructuredText


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_module_of_a_method_is_among_what_its_training_depends_on(plan, name):
    module = METHODS[name].module.replace(".", "/")
    assert any(path.endswith(f"{module}.py") for path in plan.modules_of_notebook("autoencoder", name))
