"""What the configuration may be, and what is said of one that may not be run."""

import copy
from pathlib import Path

import pytest
import yaml

from replication import config, data
from replication.data import mnist, networks
from replication.errors import ConfigError
from replication.launch import launch
from replication.methods import METHODS
from replication.parameters import NEED_IMAGES
from replication.paths import check_library, find_root

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config"
SCHEMA = FOLDER / "schema.yaml"


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


@pytest.fixture
def good(project) -> dict:
    return copy.deepcopy(project)


def put(tree: dict, path: str, value: object) -> None:
    *parents, last = path.split("/")
    for name in parents:
        tree = tree[int(name) if isinstance(tree, list) else name]
    tree[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
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
        ("experiments/autoencoder/optimizers/rmsprop", {}, "optimizers.rmsprop: no method, which are sgd, adam"),
        ("experiments/autoencoder/tuning/ranges/rmsprop", {"rho": {"log": [1, 2]}}, "optimizers.rmsprop: no method"),
        ("experiments/autoencoder/optimizers/badmm/beta", 1.0, "'beta' was unexpected"),
        ("claims/statements/1/against", ["badmm"], "claims.statements.1.against: badmm must be of sgd, adam"),
        ("claims/statements/1/experiment", "nope", "claims.statements.1: nope is no experiment with"),
        (
            "experiments/autoencoder/tuning/ranges/gradient-d",
            {"tau_w": {"log": [1, 1.5]}},
            "optimizers.gradient-d: needs no",
        ),
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
        ("limits/settings", [{"group": "images", "name": "none", "over": None}], "limits.settings.0.over: None"),
        (
            "limits/settings",
            [{"group": "images", "name": "none", "over": {"tuning": {"trials": 3}}}],
            "limits.settings.0.over.tuning: moves nothing there",
        ),
        (
            "limits/settings",
            [{"group": "images", "name": "none", "over": {"optimizers": {"lbfgs": {"history_size": 3}}}}],
            "limits.settings.0.over.optimizers.lbfgs: no method that claims compare",
        ),
        ("limits/settings", [{"group": "images", "name": "none", "over": []}], "limits.settings.0.over: []"),
        (
            "limits/ranges/adam",
            {"learning_rate": {"log": [0.1, 0.1]}},
            "limits.ranges.adam.learning_rate: 0.1 is not below",
        ),
        ("limits/ranges/badmm/tau_z", {"linear": [0.1, 2.5]}, "limits.ranges.badmm.tau_z: 2.5"),
        ("limits/ranges/adamw", {"learning_rate": {"log": [0.1, 1]}}, "limits.starts.adamw: no method of autoencoder"),
        (
            "limits/starts/adam/train_loss",
            {},
            "limits.starts.adam.train_loss: must have the settings of limits.ranges.adam",
        ),
        ("conditioning/seeds", [1000], "conditioning.seeds: 1000 is a seed of a search"),
        ("claims/level", 1.0, "claims.level: 1.0"),
        ("experiments/autoencoder/notebook", "nope", "experiments.autoencoder.notebook: 'nope'"),
        ("data/training_images", 59500, "training_images + validation_images = 60500"),
        ("experiments/autoencoder/tuning/select_by", "unseen_loss", "tuning.select_by: 'unseen_loss'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(good, path, value, message):
    put(good, path, value)
    with pytest.raises(ConfigError) as refusal:
        config.check(good, SCHEMA)
    assert message in str(refusal.value)


@pytest.mark.parametrize("part", ["starts", "ranges"])
@pytest.mark.parametrize("name", ["adam", "badmm"])
def test_the_limits_search_needs_starts_and_ranges_of_the_same_methods(good, part, name):
    del good["limits"][part][name]
    with pytest.raises(ConfigError, match=f"limits.{part}: {name} is missing"):
        config.check(good, SCHEMA)


def test_every_fault_is_named_at_once(good):
    del good["experiments"]["autoencoder"]["optimizers"]["sgd"]["learning_rate"]
    good["threads"] = 0
    with pytest.raises(ConfigError) as refusal:
        config.check(good, SCHEMA)
    assert "'learning_rate' is a required property" in str(refusal.value)
    assert "threads: 0" in str(refusal.value)


@pytest.mark.parametrize("name", sorted(config.FIGURED))
def test_an_experiment_that_figures_are_drawn_from_must_be_there(good, name):
    del good["experiments"][name]
    with pytest.raises(ConfigError, match=f"experiments: {name} is missing"):
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
    schema = yaml.safe_load(SCHEMA.read_text())
    definitions = schema["$defs"]
    assert definitions["problem"]["properties"]["name"]["enum"] == sorted(data.PROBLEMS)
    assert definitions["network"]["properties"]["activation"]["enum"] == list(networks.ACTIVATIONS)
    assert definitions["network"]["properties"]["initialization"]["enum"] == list(networks.INITIALIZATIONS)
    assert definitions["optimizers"]["properties"].keys() <= METHODS.keys()
    assert schema["properties"]["data"]["properties"]["sources"]["items"]["enum"] == list(mnist.SOURCES)
    assert set(NEED_IMAGES) < data.PROBLEMS.keys()


def test_smoke_has_no_key_that_the_configuration_lacks(good):
    def paths(tree, path=()):
        for name, value in tree.items():
            yield (*path, name)
            if isinstance(value, dict):
                yield from paths(value, (*path, name))

    smoke = yaml.safe_load((FOLDER / "smoke.yaml").read_text())
    assert set(paths(smoke)) <= set(paths(good))


def test_files_are_read_one_on_top_of_the_other(tmp_path):
    over = tmp_path / "over.yaml"
    over.write_text("experiments: {autoencoder: {optimizers: {badmm: {tau_z: 0.5}}}}")
    merged = config.project(ROOT, over)["experiments"]["autoencoder"]["optimizers"]["badmm"]
    assert (merged["tau_z"], merged["order"]) == (0.5, "zwxm")


def test_dictionaries_are_merged_and_anything_else_is_replaced():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}
    assert config.merge(base, {"a": {"c": [3]}, "d": None}) == {"a": {"b": 1, "c": [3]}, "d": None}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}


def test_a_method_with_ranges_alone_starts_from_the_settings_of_its_constructor(good):
    section = good["experiments"]["perceptron"]
    del section["optimizers"]["gradient-d"]
    assert config.check(good, SCHEMA)["experiments"]["perceptron"]["optimizers"]["gradient-d"] == {}


def test_root_is_found_from_below_and_missed_outside(tmp_path):
    assert find_root(FOLDER) == ROOT
    with pytest.raises(FileNotFoundError, match="no config/config"):
        find_root(tmp_path)


def test_a_training_in_another_clone_than_the_librarys_is_refused(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"would run, not this project's in {tmp_path / 'src'}"):
        launch("perceptron-teacher", "sgd", 0, [], str(tmp_path / "run"))


def test_a_library_of_the_same_name_from_elsewhere_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("nonsmooth.__file__", str(tmp_path / "nonsmooth" / "__init__.py"))
    with pytest.raises(ConfigError, match=f"nonsmooth in {tmp_path} would run"):
        check_library(ROOT)
