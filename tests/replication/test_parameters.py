"""The parameters of a run, from the configuration."""

import copy
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from replication import config
from replication.parameters import NEED_IMAGES, SELECTIONS, Parameters, images, of_run
from replication.plan import Plan

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


def test_parameters_are_those_of_the_section_and_the_method(project):
    section = project["experiments"]["autoencoder"]
    parameters = of_run(project, "autoencoder", "badmm", "3")
    assert (parameters.experiment, parameters.optimizer, parameters.seed) == ("autoencoder", "badmm", 3)
    assert parameters.settings == section["optimizers"]["badmm"]
    for name in ("iterations", "problem", "network", "dtype"):
        assert getattr(parameters, name) == section[name]
    assert "learning_rate" not in str(asdict(parameters))


@pytest.mark.parametrize("experiment", ["perceptron", "perceptron-teacher", "autoencoder", "autoencoder-full"])
def test_images_are_counted_where_the_problem_is_made_from_some(project, experiment):
    section = project["experiments"][experiment]
    counts = images(project, section)
    assert (counts is not None) == (section["problem"]["name"] in NEED_IMAGES)
    if experiment == "autoencoder-full":
        assert counts == section["data"]
    elif counts:
        assert counts == {name: project["data"][name] for name in ("training_images", "validation_images")}


def test_other_values_leave_the_rest_and_settings_are_merged(project):
    parameters = of_run(project, "autoencoder", "badmm", 0)
    other = parameters.but(seed=7, settings={"tau_z": 0.5}, problem={"noise_level": 1.0}, network={"hidden": [3]})
    assert other.settings == parameters.settings | {"tau_z": 0.5}
    assert other.problem == parameters.problem | {"noise_level": 1.0}
    assert (other.seed, other.network) == (7, {"hidden": [3]})
    assert parameters == of_run(project, "autoencoder", "badmm", 0)
    assert parameters.but() == parameters


def test_parameters_survive_their_dictionary(project):
    parameters = of_run(project, "perceptron-teacher", "gradient-d", 0)
    assert Parameters(**asdict(parameters)) == parameters


def test_settings_are_those_that_the_column_has_chosen(project):
    chosen = project["experiments"]["autoencoder"]["tuned_on"]
    assert chosen["train_loss"]["adam"] != chosen["validation_loss"]["adam"]
    for column in SELECTIONS:
        settings = of_run(project, "autoencoder", "adam", 0, column).settings
        assert settings["learning_rate"] == chosen[column]["adam"]["learning_rate"]


def test_a_setting_written_by_hand_stays_whatever_column_has_chosen(project):
    changed = copy.deepcopy(project)
    changed["experiments"]["autoencoder"]["optimizers"]["adam"]["learning_rate"] = 0.1234
    for column in (None, *SELECTIONS):
        assert of_run(changed, "autoencoder", "adam", 0, column).settings["learning_rate"] == 0.1234


def test_runs_of_claims_have_the_settings_that_their_column_has_chosen(project):
    plan = Plan(project, str(ROOT))
    for experiment, selection, optimizer in plan.claim_runs:
        wildcards = SimpleNamespace(experiment=experiment, selection=selection, optimizer=optimizer)
        chosen = project["experiments"][experiment]["tuned_on"][selection][optimizer]
        assert chosen.items() <= plan.run_to_judge(wildcards)["settings"].items()
        assert set(plan.samples_to_judge(wildcards)) == set(project["claims"]["seeds"])
