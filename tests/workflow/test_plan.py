"""What the workflow would compute, asked of the plan."""

import copy
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from snakemake_calls import ROOT

from replication import config, records
from replication.methods import METHODS
from replication.parameters import SELECTIONS
from replication.plan import FIGURES, SECTIONS, TABLES, Plan
from replication.report import figures, tables

EVERY_TARGET = sorted(FIGURES.keys() | TABLES.keys())


@pytest.fixture(scope="module")
def settings() -> dict:
    return config.project(ROOT)


@pytest.fixture
def plan(settings) -> Plan:
    return Plan(settings, str(ROOT))


def trained(plan: Plan, *experiments: str) -> list[SimpleNamespace]:
    """The wildcards of the notebooks of experiments."""
    pairs = [(experiment, name) for experiment in experiments for name in plan.poster.optimizers(experiment)]
    return [SimpleNamespace(experiment=experiment, optimizer=name) for experiment, name in pairs]


def test_the_default_target_is_the_poster_alone(plan, settings):
    experiments = plan.poster.of_target(None)
    optimizers = {name: set(plan.poster.optimizers(name)) for name in experiments}
    own = {"sgd", "adam", "badmm", "badmm-ls"}
    assert optimizers == {
        "perceptron": own | {"gradient-d"},
        "perceptron-teacher": own | {"gradient-d"},
        "autoencoder": own,
    }
    assert len(plan.poster.executed(*experiments)) == 14
    rungs = {method for entry in settings["ladder"]["experiments"] for method in entry["methods"]}
    beside = {method for _, _, method in plan.compared_runs}
    assert own | {"gradient-d"} | rungs | beside == METHODS.keys()


def test_an_experiments_target_trains_what_it_names_and_the_comparison_everything(plan, settings):
    named = settings["experiments"]["autoencoder"]["in_target"]
    assert set(plan.poster.optimizers("autoencoder")) == set(named) < set(plan.optimizers["autoencoder"])
    compared = {name for e, _, name in plan.compared_runs if e == "autoencoder"}
    assert compared == set(plan.optimizers["autoencoder"])
    run = SimpleNamespace(experiment="autoencoder", compared="")
    assert {entry["optimizer"] for entry in plan.runs_to_time(run)} == set(named)
    run.compared = "-compared"
    assert {entry["optimizer"] for entry in plan.runs_to_time(run)} == compared


def test_the_first_trials_are_the_choices_of_another_experiment(plan, settings):
    """With what was not searched there as it was there."""
    tuned = settings["experiments"]["autoencoder"]["tuned_on"]
    wildcards = SimpleNamespace(experiment="autoencoder-levers", optimizer="badmm")
    search = plan.search(wildcards)
    assert search["first"] == [
        {"beta": 1.0, "delta": 1.0, "initial_scale": 1.0} | tuned[column]["badmm"] for column in SELECTIONS
    ]
    assert search["trials"] == settings["experiments"]["autoencoder-levers"]["tuning"]["trials_beyond_two"]
    assert plan.search(SimpleNamespace(experiment="autoencoder", optimizer="badmm"))["first"] == []


def test_a_published_record_is_known_by_what_it_was_made_from(plan, settings):
    wildcards = SimpleNamespace(experiment="autoencoder", optimizer="sgd", selection="train_loss")
    (path,) = plan.published_search(wildcards)
    assert records.keys_of(path) == plan.keys_of_search(wildcards)
    for path, value in (("tuning/trials", 99), ("iterations", 7), ("optimizers/sgd/batch_size", 10)):
        changed = copy.deepcopy(settings)
        section = changed["experiments"]["autoencoder"]
        *parents, last = path.split("/")
        for name in parents:
            section = section[name]
        section[last] = value
        assert Plan(changed, str(ROOT)).keys_of_search(wildcards) != plan.keys_of_search(wildcards)
    assert Plan(settings | {"published": None}, str(ROOT)).published_search(wildcards) == []


def test_another_seed_changes_the_list_of_seeds_and_nothing_else(plan, settings):
    more = Plan(settings | {"seeds": [*settings["seeds"], 77]}, str(ROOT))
    for wildcards in trained(plan, *plan.poster.of_target(None)):
        before, after = (each.poster.parameters(wildcards) for each in (plan, more))
        assert after == before | {"seeds": [*before["seeds"], 77]}
        assert set(plan.poster.images_of_notebook(wildcards)) <= set(more.poster.images_of_notebook(wildcards))


def test_a_changed_setting_changes_the_parameters_of_that_method_alone(plan, settings):
    changed = copy.deepcopy(settings)
    changed["experiments"]["autoencoder"]["optimizers"]["adam"]["learning_rate"] = 0.1234
    other = Plan(changed, str(ROOT))
    moved = {
        (wildcards.experiment, wildcards.optimizer)
        for wildcards in trained(plan, *plan.experiments)
        if other.poster.parameters(wildcards) != plan.poster.parameters(wildcards)
    }
    assert moved == {("autoencoder", "adam")}


def test_a_raised_version_of_a_method_asks_for_its_trainings_again(plan, monkeypatch):
    asked = {name: plan.poster.method(SimpleNamespace(optimizer=name)) for name in ("badmm", "badmm-ls")}
    monkeypatch.setitem(METHODS, "badmm", replace(METHODS["badmm"], version=99))
    moved = {name for name in asked if plan.poster.method(SimpleNamespace(optimizer=name)) != asked[name]}
    assert moved == {"badmm"}


def test_a_new_choice_of_the_search_does_not_ask_for_another_search(plan, settings):
    changed = copy.deepcopy(settings)
    for section in changed["experiments"].values():
        for optimizer, ranges in section["tuning"]["ranges"].items():
            section["optimizers"][optimizer] |= {name: next(iter(scale.values()))[0] for name, scale in ranges.items()}
    other = Plan(changed, str(ROOT))
    for experiment, optimizer in plan.searched:
        wildcards = SimpleNamespace(experiment=experiment, optimizer=optimizer)
        assert other.run_to_search(wildcards) == plan.run_to_search(wildcards)
        if "starts_from" not in plan.experiments[experiment]["tuning"]:  # such a search begins with the choice
            assert other.search(wildcards) == plan.search(wildcards)


def test_parameters_are_the_same_however_the_configuration_is_ordered(plan, settings):
    def backwards(value):
        if isinstance(value, dict):
            return {name: backwards(value[name]) for name in reversed(value)}
        return value

    other = Plan(backwards(settings), str(ROOT))
    wildcards = SimpleNamespace(experiment="autoencoder", optimizer="badmm")
    assert repr(other.poster.parameters(wildcards)) == repr(plan.poster.parameters(wildcards))
    assert repr(other.run_to_search(wildcards)) == repr(plan.run_to_search(wildcards))


def test_every_figure_and_table_of_a_target_can_be_made(plan):
    drawn = [name for names in FIGURES.values() for name in names]
    assert sorted(drawn) == sorted(figures.FIGURES)
    for name in drawn:
        wildcards = SimpleNamespace(figure=name)
        assert plan.behind_figure(wildcards)
        assert f"report/figures/{figures.FIGURES[name]}.py" in " ".join(plan.figure_modules(wildcards))
    made = [name for names in TABLES.values() for name in names if not name.startswith("time_")]
    assert sorted(made) == sorted(tables.TABLES)
    for name in made:
        assert plan.behind_table(SimpleNamespace(table=name))
    for target in EVERY_TARGET:
        for table in plan.tables_of(target):
            name = re.fullmatch(r"results/tables/time_(\w+)\.csv", table)
            assert name is None or plan.times_of(SimpleNamespace(target=name.group(1)))


def test_every_figure_and_table_has_a_section_and_a_caption_in_snakemakes_report(plan):
    captions = [plan.caption_of_times(None)]
    for target in EVERY_TARGET:
        for name in FIGURES.get(target, []):
            wildcards = SimpleNamespace(figure=name)
            assert plan.section_of_figure(wildcards) == SECTIONS[target]
            captions.append(plan.caption_of_figure(wildcards))
        for name in TABLES.get(target, []):
            wildcards = SimpleNamespace(table=name, target=target)
            if name.startswith("time_"):
                assert plan.section_of_times(wildcards) == SECTIONS[target]
                continue
            assert plan.section_of_table(wildcards) == SECTIONS[target]
            captions.append(plan.caption_of_table(wildcards))
    for caption in captions:
        assert len(caption) > 25
        publish_parts(caption, settings_overrides={"halt_level": 2})  # no warning: it is reStructuredText


def test_no_rule_could_make_a_path_in_two_ways(plan):
    """The names of the wildcards tell results apart: a table of times is no other table, a record no other record."""
    constraints = {name: re.compile(pattern) for name, pattern in plan.wildcards.items()}
    assert not constraints["table"].fullmatch("time_claims")
    assert not constraints["optimizer"].fullmatch("maps")
    assert not constraints["optimizer"].fullmatch("timing")
    assert all(constraints["setting"].fullmatch(slug) for slug in plan.limits.settings)
    assert constraints["drawn"].fullmatch("autoencoder-full/seed-0")
    assert not constraints["drawn"].fullmatch("mnist")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_module_of_a_method_is_among_what_its_training_depends_on(plan, name):
    module = METHODS[name].constructor.partition(":")[0].replace(".", "/")
    modules = plan.poster.modules(SimpleNamespace(experiment="autoencoder", optimizer=name))
    assert any(path.endswith(f"{module}.py") for path in modules)
