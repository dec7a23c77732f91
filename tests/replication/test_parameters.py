"""The parameters of a run, from the configuration."""

import copy
from dataclasses import asdict
from pathlib import Path

import pytest

from replication import config
from replication.parameters import CRITERIA, NEED_IMAGES, Parameters, images, of_run
from replication.studies import tuning

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
    chosen = project["tuned"]["autoencoder"]["adam"]
    assert chosen["train_loss"] != chosen["validation_loss"]
    for column in CRITERIA:
        settings = of_run(project, "autoencoder", "adam", 0, column).settings
        assert settings["learning_rate"] == chosen[column]["learning_rate"]


def test_a_setting_written_by_hand_stays_whatever_column_has_chosen(project):
    changed = copy.deepcopy(project)
    changed["experiments"]["autoencoder"]["optimizers"]["adam"]["learning_rate"] = 0.1234
    for column in (None, *CRITERIA):
        assert of_run(changed, "autoencoder", "adam", 0, column).settings["learning_rate"] == 0.1234


def test_what_is_searched_is_no_setting_of_a_job(project):
    for job in tuning.jobs(project):
        asked = job.arguments
        assert not asked["search"]["ranges"].keys() & asked["run"]["settings"].keys()
        assert all(runs["seeds"] == project["claims"]["seeds"] for runs in asked["runs"].values())
