import copy
from pathlib import Path

import pytest
import yaml

from replication import config, data as problems, methods as optimizers
from replication.data import mnist, networks
from replication.errors import ConfigError

FOLDER = Path(__file__).parents[1] / "config"
SCHEMA = FOLDER / "schema.yaml"


@pytest.fixture
def good():
    return copy.deepcopy(config.project(FOLDER.parent))


def put(tree, path, value):
    *parents, last = path.split("/")
    for name in parents:
        tree = tree[name]
    tree[last] = value


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("seeds", [], "seeds"),
        ("seeds", [1, 1], "seeds"),
        ("seeds", [-1], "seeds.0: -1"),
        ("seeds", ["seven"], "seeds.0: 'seven'"),
        ("seeds", [1000], "seeds: 1000 is a seed of a search"),
        ("threads", 0, "threads: 0"),
        ("sedes", [1], "'sedes' was unexpected"),
        ("data/sources", ["ftp"], "data.sources.0: 'ftp'"),
        ("data/training_images", 70000, "data.training_images: 70000"),
        ("experiments/autoencoder/iterations", 0, "experiments.autoencoder.iterations: 0"),
        ("experiments/autoencoder/iterations", 2.5, "experiments.autoencoder.iterations: 2.5"),
        ("experiments/autoencoder/problem/noise_level", -0.1, "experiments.autoencoder.problem.noise_level: -0.1"),
        ("experiments/autoencoder/problem/noise", "hum", "problem.noise: 'hum'"),
        ("experiments/autoencoder/problem/nose", 0.1, "'nose' was unexpected"),
        ("experiments/autoencoder/problem/name", "inpainting", "problem.name: 'inpainting'"),
        ("experiments/autoencoder/network/activation", "sigmoid", "network.activation: 'sigmoid'"),
        ("experiments/autoencoder/network/hidden", [0], "network.hidden.0: 0"),
        ("experiments/autoencoder/dtype", "float16", "dtype: 'float16'"),
        ("experiments/autoencoder/optimizers/badmm/tau_z", 2.0, "optimizers.badmm.tau_z: 2.0"),
        ("experiments/autoencoder/optimizers/badmm/tau_x", 0, "optimizers.badmm.tau_x: 0"),
        ("experiments/autoencoder/optimizers/badmm/tau_w", 2, "optimizers.badmm.tau_w: 2"),
        ("experiments/autoencoder/optimizers/badmm/tau_m", 1.1, "optimizers.badmm.tau_m: 1.1"),
        ("experiments/autoencoder/optimizers/badmm/order", "wxzm", "optimizers.badmm.order: 'wxzm'"),
        ("experiments/autoencoder/optimizers/badmm-ls/tau_w", 1.0, "'tau_w' was unexpected"),
        ("experiments/autoencoder/optimizers/adam/learning_rate", 0, "optimizers.adam.learning_rate: 0"),
        ("experiments/autoencoder/optimizers/rmsprop", {}, "'rmsprop' was unexpected"),
        ("experiments/autoencoder/tuning/ranges/gradient-d", {"tau_w": {"log": [1, 1.5]}}, "ranges.gradient-d: no opt"),
        ("experiments/autoencoder/optimizers/badmm/tau_z", float("nan"), "optimizers.badmm.tau_z: nan is not finite"),
        ("experiments/autoencoder/optimizers/badmm/delta", float("inf"), "optimizers.badmm.delta: inf is not finite"),
        ("experiments/autoencoder/optimizers/adam/batch_size", 5000, "batch_size: 5000 is more than the 1000"),
        ("experiments/autoencoder/optimizers/gradient-d", {}, "optimizers.gradient-d: needs no hidden layer"),
        ("experiments/autoencoder/tuning/ranges/sgd", {"lr": {"log": [1, 2]}}, "ranges.sgd.lr: no setting of sgd"),
        ("experiments/autoencoder/tuning/ranges/adam/learning_rate", {"linear": [-1, 1]}, "adam.learning_rate: -1"),
        ("experiments/autoencoder/tuning/ranges/adam/learning_rate", {"log": [2, 1]}, "2 is not below 1"),
        ("experiments/autoencoder/tuning/ranges/adam/learning_rate", {"log": [0, 1]}, "learning_rate.log.0: 0"),
        ("experiments/autoencoder/tuning/trials", 0, "tuning.trials: 0, and there are ranges"),
        ("experiments/autoencoder/tuning/seeds", [], "tuning.seeds: [], and there are ranges"),
        ("experiments/autoencoder/tuning/seeds", [1000, 0], "seeds: 0 is a seed of a search"),
        ("experiments/autoencoder-full/seeds", [1000], "autoencoder-full.seeds: 1000 is a seed of a search"),
        ("claims/seeds", [1000], "claims.seeds: 1000 is a seed of a search"),
        ("limits/seeds", [1001], "limits.seeds: 1001 is a seed of a search"),
        (
            "limits/settings",
            [
                {
                    "group": "images",
                    "name": "few",
                    "over": {"data": {"training_images": 50}, "optimizers": {"adam": {"batch_size": 100}}},
                }
            ],
            "limits.settings.0.over.optimizers.adam.batch_size: 100 is more than the 50 training samples",
        ),
        ("conditioning/seeds", [1000], "conditioning.seeds: 1000 is a seed of a search"),
        ("claims/level", 1.0, "claims.level: 1.0"),
        ("experiments/autoencoder/notebook", "nope", "experiments.autoencoder.notebook: 'nope'"),
        ("data/training_images", 59500, "training_images + validation_images = 60500"),
        ("experiments/autoencoder/tuning/select_by", "unseen_loss", "tuning.select_by: 'unseen_loss'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(good, path, value, told):
    put(good, path, value)
    with pytest.raises(ConfigError) as refusal:
        config.check(good, SCHEMA)
    assert told in str(refusal.value)


def test_what_is_missing_and_every_fault_at_once_is_told(good):
    del good["experiments"]["autoencoder"]["optimizers"]["sgd"]["learning_rate"]
    good["threads"] = 0
    with pytest.raises(ConfigError) as refusal:
        config.check(good, SCHEMA)
    assert "'learning_rate' is a required property" in str(refusal.value)
    assert "threads: 0" in str(refusal.value)


def test_an_experiment_that_figures_are_drawn_from_must_be_there(good):
    del good["experiments"]["autoencoder"]
    with pytest.raises(ConfigError, match="autoencoder is missing"):
        config.check(good, SCHEMA)


def test_seeds_of_the_command_line_come_as_strings(good):
    good["seeds"] = ["7", "8"]
    assert config.check(good, SCHEMA)["seeds"] == [7, 8]


def test_every_key_has_a_description():
    def undescribed(schema, path=""):
        for name, value in schema.get("properties", {}).items():
            here = f"{path}.{name}"
            leaf = value and "$ref" not in value and value.get("type") != "object"
            if leaf and "description" not in value:
                yield here
            yield from undescribed(value, here)
        for rule in schema.get("allOf", []):
            yield from undescribed(rule["then"], path)
        for name, definition in schema.get("$defs", {}).items():
            yield from undescribed(definition, name)

    assert list(undescribed(yaml.safe_load(SCHEMA.read_text()))) == []


def test_schema_and_code_know_the_same_names():
    definitions = yaml.safe_load(SCHEMA.read_text())["$defs"]
    assert definitions["problem"]["properties"]["name"]["enum"] == sorted(problems.PROBLEMS)
    assert definitions["network"]["properties"]["activation"]["enum"] == list(networks.ACTIVATIONS)
    assert definitions["network"]["properties"]["initialization"]["enum"] == list(networks.INITIALIZATIONS)
    assert definitions["optimizers"]["properties"].keys() == optimizers.OPTIMIZERS.keys()
    sources = yaml.safe_load(SCHEMA.read_text())["properties"]["data"]["properties"]["sources"]
    assert sources["items"]["enum"] == list(mnist.SOURCES)
    assert set(config.NEED_IMAGES) < problems.PROBLEMS.keys()


def test_smoke_has_no_key_that_the_configuration_lacks(good):
    def paths(tree, path=()):
        for name, value in tree.items():
            yield (*path, name)
            if isinstance(value, dict):
                yield from paths(value, (*path, name))

    smoke = yaml.safe_load((FOLDER / "smoke.yaml").read_text())
    assert set(paths(smoke)) <= set(paths(good))


def test_every_value_of_the_configuration_says_where_it_comes_from():
    """Each setting of the science is marked "poster" or "assumption", in its line or at its anchor."""
    lines = (FOLDER / "config.yaml").read_text().splitlines()
    start = lines.index("experiments:")
    settings = {"digit", "noise", "noise_level", "unseen_images", "hidden", "activation", "output_activation", "bias"}
    settings |= {"initialization", "iterations", "dtype", "order", "tau_m", "delta", "ranges"}
    marked = {line.split(":")[0].strip() for line in lines[start:] if "poster" in line or "assumption" in line}
    assert settings - marked == set()


def test_parameters_of_a_run_are_its_section_and_nothing_of_the_others(good):
    parameters = config.parameters(good, "autoencoder", "badmm", 3)
    assert parameters["settings"] == good["experiments"]["autoencoder"]["optimizers"]["badmm"]
    assert parameters["seed"] == 3
    assert "learning_rate" not in str(parameters)


def test_root_is_found_from_below_and_missed_outside(tmp_path):
    assert config.find_root(FOLDER) == FOLDER.parent
    with pytest.raises(FileNotFoundError, match="no config/config"):
        config.find_root(tmp_path)


def test_a_setting_written_by_hand_stays_whatever_loss_settings_are_chosen_by():
    full = config.project(FOLDER.parent)
    section = full["experiments"]["autoencoder"]
    chosen = section["tuned_on"]
    assert chosen["train_loss"]["adam"] != chosen["validation_loss"]["adam"]
    for column in config.SELECTIONS:
        settings = config.parameters(full, "autoencoder", "adam", 0, column)["settings"]
        assert settings["learning_rate"] == chosen[column]["adam"]["learning_rate"]
    section["optimizers"]["adam"]["learning_rate"] = 0.1234
    for column in (None, *config.SELECTIONS):
        assert config.parameters(full, "autoencoder", "adam", 0, column)["settings"]["learning_rate"] == 0.1234
