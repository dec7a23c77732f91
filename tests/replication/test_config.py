"""What the configuration may be, and what is said of one that may not be run."""

import contextlib
import copy
import functools
import re
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nonsmooth.training import train
from replication import config, data, run, sections, strict_yaml
from replication.constructors import refusal
from replication.data import mnist, networks
from replication.errors import ConfigError
from replication.launch import launch
from replication.methods import METHODS
from replication.parameters import NEED_IMAGES, of_run, of_target
from replication.paths import check_library, find_root
from replication.plan import Plan
from replication.search import search_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config"
SCHEMA = FOLDER / "schema.yaml"


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


@pytest.fixture
def good(project) -> dict:
    return copy.deepcopy(project)


def put(tree: dict | list, path: str | int, value: object) -> None:
    *parents, last = [path] if isinstance(path, int) else path.split("/")
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
        ("threads", 1.0, "threads: 1.0"),
        ("threads", True, "threads: True"),
        ("threads", 2**60, "threads: an integer beyond"),
        ("seeds", ["7"], "seeds.0: '7'"),
        ("seeds", [1.0], "seeds.0: 1.0"),
        ("seeds", {1: 2}, "seeds: the key 1 is not a string"),
        ("data/training_images", 50.0, "data.training_images: 50.0"),
        ("data/root", "dat", "data.root: 'dat' has no file SHA256SUMS; the nearest name is 'data'"),
        ("published", "data/recordz", "published: 'data/recordz' has no record"),
        ("experiments/autoencoder/iterations", 10.0, "experiments.autoencoder.iterations: 10.0"),
        ("experiments/autoencoder/network/hidden", [8.0], "network.hidden.0: 8.0"),
        ("experiments/autoencoder/network/bias", 1, "network.bias: 1"),
        ("experiments/autoencoder/optimizers/badmm/delta", True, "optimizers.badmm.delta: True"),
        ("experiments/autoencoder/optimizers/adam/learning_rate", "0.1", "adam.learning_rate: '0.1'"),
        ("experiments/autoencoder/problem/nose_level", 0.1, "the nearest name is 'noise_level'"),
        ("experiments/autoencoder/problem/noise", "gausian", "the nearest name is 'gaussian'"),
        ("experiments/autoencoder/notebook", "autoencoders", "the nearest name is 'autoencoder'"),
        ("experiments/autoencoder/target", "claims", "autoencoder.target: 'claims'"),
        ("experiments/autoencoder/optimizers/badm", {}, "the nearest name is 'badmm'"),
        ("experiments/autoencoder-full/optimizers", {"sgd": None}, "optimizers: every one is null"),
        ("experiments/autoencoder/optimizers/foof", {"dampign": 1.0}, "the nearest name is 'damping'"),
        ("experiments/autoencoder/optimizers/foof", {"damping": "much"}, "autoencoder.optimizers.foof: "),
        ("tuned/autoencoder/adam/train_loss", 3, "tuned.autoencoder.adam.train_loss: 3"),
        ("tuned/autoencoder/adam/train_loss", {"learning_rate": "x"}, "train_loss.learning_rate: 'x'"),
        ("limits/starts/adam/train_loss", {"learning_rate": -1}, "starts.adam.train_loss.learning_rate: -1"),
        ("ladder/ranges/layerwise", {"tau_w": {"linear": [0.1, 5]}}, "ladder.ranges.layerwise: tau_w = 5"),
        ("ladder/experiments/1/name", "autoencoder", "ladder.experiments.1.name: autoencoder is another one's"),
        ("ladder/experiments/1/over", {"iterations": "ten"}, "ladder.experiments.1.over.iterations: 'ten'"),
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
        ("experiments/autoencoder/optimizers/badmm/gamma", 1.0, "'gamma' was unexpected"),
        ("claims/statements/1/against", ["badmm"], "claims.statements.1.against: badmm must be of sgd, adam"),
        ("claims/statements/1/experiment", "nope", "claims.statements.1: nope is no experiment with"),
        (
            "claims/kinds",
            [{"name": "free", "suffix": "-free", "variants": {}}],
            "claims.statements.1: perceptron-free is no experiment with adam, badmm, badmm-ls, sgd",
        ),
        ("claims/kinds/0/suffix", "-levers", "perceptron-levers is no experiment with"),
        ("claims/kinds/0/variants", {"badmm": ["adam"]}, "claims.kinds.0.variants: badmm must be of sgd, adam"),
        ("claims/kinds/0/variants", {"sgd": ["sgd-cosin"]}, "claims.kinds.0.variants.sgd: sgd-cosin is no method"),
        (
            "claims/kinds",
            [{"name": "rate searched", "suffix": "", "variants": {}}] * 2,
            "claims.kinds.1.name: 'rate searched' is another one's name",
        ),
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
        ("claims/margins/ratio", 0.98, "claims.margins.ratio: 0.98"),
        ("claims/margins/psnr", -0.1, "claims.margins.psnr: -0.1"),
        ("claims/margins/ssim", -0.005, "claims.margins.ssim: -0.005"),
        ("experiments/autoencoder/notebook", "nope", "experiments.autoencoder.notebook: 'nope'"),
        ("data/training_images", 59500, "training_images + validation_images = 60500"),
        ("experiments/autoencoder/problem/unseen_images", 20000, "unseen_images: 20000"),
        ("experiments/autoencoder/tuning/criterion", "unseen_loss", "tuning.criterion: 'unseen_loss'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(good, path, value, message):
    put(good, path, value)
    with pytest.raises(ConfigError) as refusal:
        config.check(good, SCHEMA)
    assert message in str(refusal.value)


def test_a_notebook_that_cannot_be_given_an_experiment_is_refused(good, tmp_path):
    for folder in ("config", "data"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns("executed"))
    path = tmp_path / "notebooks" / "digits.ipynb"
    path.write_text(path.read_text().replace("seeds = [0,", "numbers = [0,"))
    with pytest.raises(ConfigError, match=r"experiments\.digits\.notebook: 'digits' declares no parameter seeds"):
        config.check(good, tmp_path / "config" / "schema.yaml")


@pytest.mark.parametrize("part", ["starts", "ranges"])
@pytest.mark.parametrize("name", ["adam", "badmm"])
def test_the_limits_search_needs_starts_and_ranges_of_the_same_methods(good, part, name):
    del good["limits"][part][name]
    with pytest.raises(ConfigError, match=f"limits.{part}: {name} is missing"):
        config.check(good, SCHEMA)


def test_every_fault_is_named_at_once(good):
    del good["experiments"]["autoencoder"]["optimizers"]["sgd"]["learning_rate"]
    del good["experiments"]["autoencoder"]["tuning"]["ranges"]["sgd"]
    del good["tuned"]["autoencoder"]["sgd"]
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


def test_every_key_has_a_description():
    def undescribed(schema, path=""):
        for name, value in schema.get("properties", {}).items():
            here = f"{path}.{name}"
            leaf = value and "$ref" not in value and "object" not in value.get("type", ())
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


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threads: 1\nthreads: 2", r"over\.yaml, line 2: threads is given twice"),
        ("threads: [1", r"over\.yaml(, line \d)?: "),
        ("- threads", r"over\.yaml must have keys and values, not \['threads'\]"),
        ("a: &a [*a]", r"over\.yaml, line 1: a value holds itself"),
        (b"seeds: [5] # caf\xe9", r"over\.yaml is no file of the configuration: it is not in UTF-8"),
        ("seeds: [5]".encode("utf-16"), r"over\.yaml is no file of the configuration: it is not in UTF-8"),
        (LAUGHS, r"over\.yaml: its aliases stand for more than 1000000 values"),
        ("[" * 10**5, r"over\.yaml, line 1: nested deeper than 100"),
        (None, r"over\.yaml is no file of the configuration"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "over.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=message):
        config.load(tmp_path / "over.yaml")


def test_numbers_are_those_of_yaml_1_2():
    read = strict_yaml.parse("[1e-3, 1E5, .5, 1., -2, 010, 1:30, 1_000]", "text")
    assert read == [1e-3, 1e5, 0.5, 1.0, -2, "010", "1:30", "1_000"]
    assert [type(value) for value in read[:5]] == [float, float, float, float, int]


def test_words_and_dates_are_no_truth_values_and_no_dates():
    assert strict_yaml.parse("[true, False, no, off, Yes, 2020-10-10]", "text") == [
        True,
        False,
        *("no", "off", "Yes", "2020-10-10"),
    ]


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path):
    (tmp_path / "over.yaml").write_bytes(b"\xef\xbb\xbfseeds: [5]\r\n")
    assert config.load(tmp_path / "over.yaml") == {"seeds": [5]}


@pytest.mark.parametrize("name", sorted(config.RESERVED))
def test_an_experiment_has_no_name_of_the_pipelines_own(name, good):
    good["experiments"][name] = copy.deepcopy(good["experiments"]["autoencoder"])
    with pytest.raises(ConfigError, match=rf"experiments\.{name}: the name is one of the pipeline's own files"):
        config.check(good, SCHEMA)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_the_projects_own_files_mean_the_same_to_every_reader(path):
    assert repr(strict_yaml.parse(path.read_text(), path.name)) == repr(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("in_target", ["adamm"], "in_target: adamm is no optimizer there; the nearest name is 'adam'"),
        ("tuning/starts_from", "autoencodr", "tuning.starts_from: autoencodr is no experiment"),
    ],
)
def test_a_name_that_nothing_has_is_refused(good, path, value, message):
    put(good["experiments"]["autoencoder-levers"], path, value)
    with pytest.raises(ConfigError, match=re.escape(message)):
        config.check(good, SCHEMA)


def test_an_optimizer_that_is_null_is_left_out_with_its_ranges(good):
    section = good["experiments"]["autoencoder"]
    section["optimizers"]["adamw"] = None
    checked = config.check(good, SCHEMA)["experiments"]["autoencoder"]
    assert "adamw" not in checked["optimizers"] | checked["tuning"]["ranges"]
    assert "adamw" not in checked["in_target"]


RAW = config.read(*config.files(ROOT))


def test_a_section_like_another_differs_in_what_it_says_alone():
    other, like = copy.deepcopy(RAW["experiments"]["digits"]), {"like": "digits", "target": "claims"}
    ranges = {"adam": {"beta1": {"log_to_one": [0, 0.9]}}}
    like |= {"optimizers": {"adam": {}}, "tuning": {"trials": 5, "ranges": ranges}}
    both, faults = sections.whole({"first": {"like": "second", "iterations": 7}, "digits": other, "second": like})
    assert faults == []
    assert list(both) == ["first", "digits", "second"]
    second = both["second"]
    assert second["optimizers"] == {"adam": other["optimizers"]["adam"]}
    assert second["tuning"] == other["tuning"] | {"trials": 5, "ranges": ranges}
    assert (second["network"], second["problem"]) == (other["network"], other["problem"])
    assert both["first"] == {key: value for key, value in second.items() if key != "target"} | {"iterations": 7}
    assert other == RAW["experiments"]["digits"]


def test_an_optimizer_that_is_null_is_left_out_of_sections_like_it_as_well():
    changed = copy.deepcopy(RAW)
    changed["experiments"]["autoencoder"]["optimizers"]["sgd-cosine"] = None
    checked = config.check(changed, SCHEMA)["experiments"]["autoencoder-every-setting"]
    assert "sgd-cosine" not in checked["optimizers"] | checked["tuning"]["ranges"]
    assert "adam-cosine" in checked["optimizers"]


@pytest.mark.parametrize("name", ["digitz", "digits-levers", ["digits"]])
def test_a_section_like_none_is_refused_with_the_nearest_name(name):
    changed = copy.deepcopy(RAW)
    changed["experiments"]["digits-levers"]["like"] = name
    with pytest.raises(ConfigError, match=r"experiments\.digits-levers\.like: .*digits"):
        config.check(changed, SCHEMA)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("learning_rate", {"log": [1.0, 0.1]}, "adam.learning_rate: 1.0 is not below 0.1"),
        ("beta1", {"log_to_one": [0.5, 1.0]}, "beta1.log_to_one.1: 1.0"),
        ("beta1", {"log_to_one": [-0.5, 0.9]}, "beta1: -0.5"),
        ("beta1", {"choice": [0.5]}, "beta1.choice"),
        ("beta1", {"choice": [0.5, "much"]}, "beta1: 'much'"),
        ("beta3", {"choice": [0.5, 0.6]}, "beta3: no setting of adam; the nearest name is 'beta"),
    ],
)
def test_a_range_that_is_none_is_refused(good, setting, value, message):
    good["experiments"]["autoencoder-every-setting"]["tuning"]["ranges"]["adam"][setting] = value
    with pytest.raises(ConfigError, match=re.escape(message)):
        config.check(good, SCHEMA)


def test_images_are_counted_where_they_are(smoke_config):
    few = config.merge(smoke_config, {"data": {"training_images": 280}})  # the excerpt has 300
    with pytest.raises(ConfigError, match=r"autoencoder\.data: .* = 330 is more than MNIST.s 300"):
        config.check(few, SCHEMA)


def test_dictionaries_are_merged_and_anything_else_is_replaced():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}
    assert config.merge(base, {"a": {"c": [3]}, "d": None}) == {"a": {"b": 1, "c": [3]}, "d": None}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}


def test_a_method_with_ranges_alone_starts_from_the_settings_of_its_constructor(good):
    section = good["experiments"]["perceptron"]
    del section["optimizers"]["gradient-d"]
    del good["tuned"]["perceptron"]["gradient-d"]
    assert config.check(good, SCHEMA)["experiments"]["perceptron"]["optimizers"]["gradient-d"] == {}


def test_a_searched_setting_begins_in_the_middle_of_its_range_until_one_is_chosen(good):
    section = good["experiments"]["autoencoder"]
    del section["optimizers"]["sgd"]["learning_rate"]
    for chosen in good["tuned"]["autoencoder"]["sgd"].values():
        del chosen["learning_rate"]
    assert section["tuning"]["ranges"]["sgd"]["learning_rate"] == {"log": [0.1, 100.0]}
    checked = config.check(good, SCHEMA)["experiments"]["autoencoder"]["optimizers"]["sgd"]
    assert checked["learning_rate"] == 3.16
    assert checked["momentum"] == section["optimizers"]["sgd"]["momentum"]
    del section["tuning"]["ranges"]["sgd"]["learning_rate"]
    with pytest.raises(ConfigError, match="sgd: 'learning_rate' is a required property"):
        config.check(good, SCHEMA)


def test_root_is_found_from_below_and_missed_outside(tmp_path):
    assert find_root(FOLDER) == ROOT
    with pytest.raises(FileNotFoundError, match="no config/config"):
        find_root(tmp_path)


def leaves(tree: object, path: tuple = ()) -> list[tuple]:
    """The paths of all values of a configuration."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [found for name, value in children for found in [(*path, name), *leaves(value, (*path, name))]]


def at(tree: object, path: tuple) -> object:
    return functools.reduce(lambda tree, name: tree[name], path, tree)


CONFUSED = [None, True, False, "", "1", "relu", "1e-3", [], {}, [1], {"a": 1}, 0, 1, 3, 40, -1, 0.0, 1.0, 1.5, 2.0]
EXTREME = [1e-300, 1e-12, 1e-3, 1e6, 1e12, 1e300, float("inf"), float("nan"), 10**30]
CHANGES = {
    **{repr(value): lambda parent, name, value=value: put(parent, name, value) for value in CONFUSED + EXTREME},
    "as text": lambda parent, name: put(parent, name, str(parent[name])),
    "as a list": lambda parent, name: put(parent, name, [parent[name]]),
    "doubled": lambda parent, name: put(parent, name, 2 * parent[name]),
    "with a point": lambda parent, name: put(parent, name, float(parent[name])),
    "removed": lambda parent, name: parent.pop(name),
    "misspelt": lambda parent, name: put(parent, f"{name}_x", parent.pop(name)),
}


def mutated(tree: dict, path: tuple, change: str) -> dict:
    """The configuration with the value at `path` changed; as it is where the change is none for such a value."""
    tree = copy.deepcopy(tree)
    with contextlib.suppress(TypeError, ValueError):
        CHANGES[change](at(tree, path[:-1]), path[-1])
    return tree


@functools.cache
def drawn(seed: int, training: int, validation: int) -> mnist.Sample:
    return mnist.draw(ROOT / "data" / "excerpt", seed, training, validation, [], lambda line: None)


def build_runs(checked: dict, path: tuple, iterations: int = 0) -> None:
    """Plan it, and build each run of the experiment that has changed, or of the default target."""
    plan = Plan(checked, str(ROOT))
    for job in plan.studies.jobs.values():
        if job.kind == "training":
            search_of(job.arguments["search"])
    names = [name for name in path[1:2] if name in checked["experiments"]] or of_target(checked, None)
    for experiment in names:
        for optimizer in checked["experiments"][experiment]["optimizers"]:
            seed = plan.poster.seeds(experiment)[0]
            parameters = of_run(checked, experiment, optimizer, seed)
            made = run.assemble(parameters, drawn(seed, *parameters.images.values()) if parameters.images else None)
            train(made.network, made.optimizer, made.problem, iterations)


PATHS = leaves(config.project(ROOT, FOLDER / "smoke.yaml"))
mutations = given(st.sampled_from(PATHS), st.sampled_from(list(CHANGES)))


@pytest.mark.slow
@settings(max_examples=200)
@mutations
def test_a_configuration_is_refused_by_name_or_every_run_of_it_can_be_built(smoke_config, path, change):
    try:
        checked = config.check(mutated(smoke_config, path, change), SCHEMA)
    except ConfigError as refusal:
        lines = str(refusal).splitlines()[1:]
        assert lines
        assert all(re.match(r"  ([\w.-]+|top level): ", line) for line in lines), lines
    else:
        build_runs(checked, path)


@pytest.mark.slow
@settings(max_examples=60)
@mutations
def test_an_accepted_configuration_trains(smoke_config, path, change):
    try:
        checked = config.check(mutated(smoke_config, path, change), SCHEMA)
    except ConfigError:
        return
    build_runs(checked, path, iterations=1)


@pytest.mark.parametrize("method", ["gradient-d", "variable-projection", "badmm"])
def test_settings_are_tried_on_a_network_that_the_method_trains(method):
    assert refusal(method, {"tau_w": 1.0}) is None
    assert refusal(method, {"tau_w": 2.0}).startswith("tau_w = 2.0 is outside its range")


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
