"""Records of the limits: what their keys hold, which of them are published, and what would be computed anew."""

import copy
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from replication import config, records
from replication.errors import ConfigError, DataError
from replication.files import read_json, write_json
from replication.limit_settings import slug_of
from replication.methods import ANCHOR, METHODS, PEER, Look, Method, compared
from replication.parameters import AUTOENCODER, SELECTIONS, Parameters
from replication.plan import Plan

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted((ROOT / "data" / "limits").rglob("*.json"))
COMPARED = compared()
DEFAULT = "default-default"


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


@pytest.fixture
def changed(project) -> dict:
    """The configuration, to be changed."""
    return copy.deepcopy(project)


@pytest.mark.parametrize("same", [True, False])
def test_a_published_record_is_copied_where_its_keys_are_the_same(same, tmp_path):
    keys = [{"kind": "seeds", "seeds": [1, 2]}]
    published, output = tmp_path / "published.json", tmp_path / "output.json"
    write_json(published, {"keys": keys if same else [{"kind": "seeds", "seeds": [1]}], "result": {"loss": 1}})
    records.record(lambda: {"loss": 2}, keys, output, [published])
    assert read_json(output)["keys"] == keys
    assert read_json(output)["result"] == {"loss": 1 if same else 2}
    assert same or read_json(output)["seconds"] >= 0


def plan_of(settings: dict) -> Plan:
    return Plan(settings, str(ROOT))


def new(plan: Plan) -> set[str]:
    """The records that would be computed, by setting and name."""
    results = plan.results.folder
    return {"/".join(Path(path).parts[-2:]) for path in plan.limits.files if path.startswith(f"{results}/")}


def orphans(plan: Plan) -> set[Path]:
    """The published records that no setting has any use for."""
    return set(PUBLISHED) - {Path(path).resolve() for path in plan.limits.files}


def untouched(plan: Plan) -> bool:
    return not new(plan) and not orphans(plan)


def published_for(kind: str, method: str | None = None) -> set[Path]:
    """The published records of a kind, of one method where it is given."""

    def fits(key: dict) -> bool:
        return key["kind"] == kind and method in (None, key.get("method"))

    return {path for path in PUBLISHED if any(map(fits, read_json(path)["keys"]))}


# The published records


def test_every_published_record_is_used_and_no_setting_asks_for_another(project):
    plan = plan_of(project)
    assert len(PUBLISHED) == 196
    assert (new(plan), orphans(plan)) == (set(), set())


def test_every_record_says_what_it_is_of(project):
    """Also after it is published: the number of records by kind is that of different keys."""
    limits = plan_of(project).limits
    for setting in limits.settings.values():
        for method, path in setting.studies.items():
            assert limits.study_key(setting.slug, method) in read_json(path)["keys"]
        assert limits.maps_key(setting.slug) in read_json(setting.maps)["keys"]
        for method, path in setting.timings.items():
            keys = read_json(path)["keys"]
            assert limits.timing_key(setting.slug, method) in keys
            assert limits.timing_key(setting.slug, ANCHOR) in keys  # the unit of its times


def test_what_is_judged_was_timed_together_with_the_anchor(project):
    """SGD too, but for settings that move BADMM alone: there its time beside the anchor is that of another setting."""
    for setting in plan_of(project).limits.settings.values():
        judged_there = {path for name, path in setting.timings.items() if name != "sgd"}
        assert len(judged_there) == 1
        assert setting.timings["sgd"] in judged_there or set(setting.over) == {"optimizers"}


def test_without_published_records_everything_is_computed_anew(changed):
    changed["limits"]["published"] = None
    plan = plan_of(changed)
    assert len(new(plan)) == len(plan.limits.files)
    assert {f"{DEFAULT}/{name}.json" for name in (*COMPARED, "maps", "timing")} <= new(plan)
    assert len(new(plan)) <= len(PUBLISHED)


def test_what_a_setting_moves_is_computed_for_those_alone_that_it_touches(smoke_config):
    """The order of the blocks is nothing to SGD and Adam: their runs are those of the default."""
    settings = plan_of(smoke_config).limits.settings
    assert settings["algorithm-order"].studies == settings[DEFAULT].studies | {
        name: f"results/limits/algorithm-order/{name}.json" for name in ("badmm", "badmm-ls")
    }
    assert settings["algorithm-order"].maps == settings[DEFAULT].maps
    assert set(settings["hidden-layers-2-of-8"].studies.values()).isdisjoint(settings[DEFAULT].studies.values())


# What orphans no record


@pytest.mark.parametrize("value", [0.5, "text", None, True, [1, 2], {"a": 1}], ids=str)
@pytest.mark.parametrize("section", ["problem", *COMPARED])
def test_a_new_key_at_the_default_orphans_no_record(changed, section, value):
    autoencoder = changed["experiments"][AUTOENCODER]
    (autoencoder["optimizers"] | {"problem": autoencoder["problem"]})[section]["new"] = value
    assert untouched(plan_of(changed))


@pytest.mark.parametrize("select_by", SELECTIONS)
def test_tuning_the_default_anew_orphans_no_record(changed, select_by):
    section = changed["experiments"][AUTOENCODER]
    section["tuning"]["select_by"] = select_by
    for method, ranges in section["tuning"]["ranges"].items():
        chosen = {name: next(iter(scale.values()))[0] for name, scale in ranges.items()}
        section["optimizers"][method] |= chosen
        for column in SELECTIONS:
            section["tuned_on"][column][method] = chosen
    assert untouched(plan_of(changed))


def test_another_machine_or_another_experiment_orphans_no_record(changed):
    changed |= {"threads": 4, "device": "cuda", "seeds": [7]}
    changed["experiments"]["perceptron"]["iterations"] = 7
    changed["experiments"][AUTOENCODER]["optimizers"]["adamw"]["learning_rate"] = 7.0
    assert untouched(plan_of(changed))


def test_a_setting_that_goes_leaves_its_own_records_without_use(changed):
    del changed["limits"]["settings"][1]
    plan = plan_of(changed)
    assert not new(plan)
    assert {path.parent.name for path in orphans(plan)} == {"noise-gaussian-0.1"}


PEER_METHOD = Method("a peer", "nonsmooth.baselines:TorchOptimizer", PEER, Look("#000000", "-", "*"))
PEER_START = {"learning_rate": 0.5}


@pytest.fixture
def with_peer(changed, monkeypatch) -> dict:
    """The configuration with a new method, "peer", that takes part in the limits."""
    monkeypatch.setitem(METHODS, "peer", PEER_METHOD)
    changed["experiments"][AUTOENCODER]["optimizers"]["peer"] = {}
    changed["limits"]["starts"]["peer"] = dict.fromkeys(SELECTIONS, PEER_START)
    changed["limits"]["ranges"]["peer"] = {"learning_rate": {"log": [0.1, 1.0]}}
    return changed


def test_a_new_method_asks_for_its_own_records_alone(with_peer):
    plan = plan_of(with_peer)
    limits = plan.limits
    assert not orphans(plan)
    assert {path.partition("/")[2] for path in new(plan)} == {"peer.json", "timing-peer.json"}
    for names, key_of in (("peer.json", limits.study_key), ("timing-peer.json", limits.timing_key)):
        different = {records.text(key_of(slug, "peer")) for slug in limits.settings}
        assert sum(path.endswith(f"/{names}") for path in new(plan)) == len(different)
    assert limits.settings[DEFAULT].studies["peer"] == f"results/limits/{DEFAULT}/peer.json"


def test_a_new_method_is_timed_beside_the_anchor(with_peer):
    limits = plan_of(with_peer).limits
    for setting in limits.settings.values():
        path = setting.timings["peer"]
        if path.startswith(f"results/limits/{setting.slug}/"):
            assert limits.methods_to_time(setting.slug, path) == [ANCHOR, "peer"]
    timing = plan_of(with_peer).timing_to_answer(SimpleNamespace(setting=DEFAULT, added="-peer"))
    assert [run["optimizer"] for run in timing["runs"]] == [key["method"] for key in timing["keys"]] == [ANCHOR, "peer"]
    assert Parameters(**timing["runs"][1]).settings == {"learning_rate": 0.1}  # the smallest step: it cannot diverge
    assert timing["keys"] == [limits.timing_key(DEFAULT, name) for name in (ANCHOR, "peer")]


def test_published_records_of_a_new_method_leave_the_others_theirs(with_peer, project, tmp_path):
    """The anchor is timed once more in them, and its earlier time stays."""
    shutil.copytree(ROOT / "data" / "limits", tmp_path / "limits")
    before = plan_of(project).limits.settings[DEFAULT]
    limits = plan_of(with_peer).limits
    folder = tmp_path / "limits" / DEFAULT
    timing_keys = [limits.timing_key(DEFAULT, name) for name in (ANCHOR, "peer")]
    for name, keys in (("peer", [limits.study_key(DEFAULT, "peer")]), ("timing-peer", timing_keys)):
        write_json(folder / f"{name}.json", {"keys": keys})
    with_peer["limits"]["published"] = str(tmp_path / "limits")
    plan = plan_of(with_peer)
    assert not {path for path in new(plan) if path.startswith(DEFAULT)}
    setting = plan.limits.settings[DEFAULT]
    assert Path(setting.studies["peer"]).name == "peer.json"
    assert Path(setting.timings["peer"]).name == "timing-peer.json"
    for name, path in before.timings.items():
        assert Path(setting.timings[name]).parts[-2:] == Path(path).parts[-2:]


# What orphans records


@pytest.mark.parametrize("method", COMPARED)
def test_another_version_of_a_method_orphans_its_records_alone(project, monkeypatch, method):
    """Those of the anchor are its studies and every timing: its iterations are the unit of the others' times."""
    raised = replace(METHODS[method], version=METHODS[method].version + 1)
    monkeypatch.setitem(METHODS, method, raised)
    plan = plan_of(project)
    studies, timings = published_for("study", method), published_for("timing")
    assert orphans(plan) == studies | (timings if method == ANCHOR else set())
    names = [path.partition("/")[2] for path in new(plan)]
    timed = {name for name in names if name.startswith("timing")}
    assert set(names) - timed == {f"{method}.json"}
    assert names.count(f"{method}.json") == len(studies)
    assert method == ANCHOR or timed == {f"timing-{method}.json"}


def test_another_version_of_the_maps_orphans_them_alone(project, monkeypatch):
    monkeypatch.setattr(records, "MAPS_VERSION", records.MAPS_VERSION + 1)
    plan = plan_of(project)
    assert orphans(plan) == published_for("maps")
    assert {path.partition("/")[2] for path in new(plan)} == {"maps.json"}


@pytest.mark.parametrize(
    ("key", "value", "kinds"),
    [
        ("iterations", 501, {"study"}),
        ("dtype", "float64", {"study", "maps", "timing"}),
        ("problem.noise_level", 0.31, {"study", "maps", "timing"}),
        ("problem.unseen_images", 999, {"study", "maps", "timing"}),
        ("network.scale", 1.01, {"study", "timing"}),
        ("network.hidden", [65], {"study", "maps", "timing"}),
        ("optimizers.badmm.delta", 1.1, {"study", "timing"}),
        ("limits.trials", 9, {"study"}),
        ("limits.shift", 0.2, {"study"}),
        ("limits.seeds", [0, 1], {"study", "maps"}),
        ("limits.starts.adam.train_loss.learning_rate", 0.1, {"study"}),
        ("limits.ranges.adam.learning_rate", {"log": [0.1, 1.0]}, {"study"}),
    ],
)
def test_what_a_result_depends_on_is_in_its_key(changed, key, value, kinds):
    """At the default setting: the kinds of which another record is used or computed."""
    before = plan_of(changed).limits.settings[DEFAULT]
    *parents, last = key.split(".")
    tree = changed if parents[:1] == ["limits"] else changed["experiments"][AUTOENCODER]
    for name in parents:
        tree = tree[name]
    assert tree[last] != value
    tree[last] = value
    after = plan_of(changed).limits.settings[DEFAULT]
    moved = {"study": after.studies != before.studies, "maps": after.maps != before.maps}
    moved["timing"] = after.timings != before.timings
    assert {kind for kind, other in moved.items() if other} == kinds


# What no key holds


@pytest.mark.parametrize("method", COMPARED)
def test_every_value_of_a_default_run_is_in_a_key_or_said_to_be_irrelevant(project, method):
    """A value that is new in the configuration fails this: list it in records.py, or say that results do not depend on
    it.
    """
    assert records.unlisted(asdict(plan_of(project).parameters(AUTOENCODER, method, 0))) == {}
    assert Parameters.__dataclass_fields__.keys() >= records.IRRELEVANT


def test_a_value_that_no_key_lists_is_noticed(changed):
    section = changed["experiments"][AUTOENCODER]
    section["problem"]["blur"] = {"width": 2}
    section["optimizers"]["badmm"]["beta"] = 1.0
    run = asdict(plan_of(changed).parameters(AUTOENCODER, "badmm", 0))
    assert records.unlisted(run) == {"problem.blur.width": 2, "settings.beta": 1.0}


@pytest.mark.parametrize(
    ("over", "name"),
    [
        ({"problem": {"blur": 0.5}}, "problem.blur"),
        ({"problem": {"blur": {"width": 2}}}, "problem.blur.width"),
        ({"network": {"dropout": 0.1}}, "network.dropout"),
        ({"optimizers": {"badmm": {"beta": 1.0}}}, "settings.beta"),
        ({"problem": {"noise_level": 0.7}, "optimizers": {"sgd": {"nesterov": True}}}, "settings.nesterov"),
    ],
    ids=str,
)
@pytest.mark.parametrize("known", [True, False])
def test_a_setting_that_moves_what_no_key_lists_is_refused(changed, over, name, known):
    """Whether the default has another value of it, or none."""
    if known:
        default = {"problem": {"blur": 0.0}, "network": {"dropout": 0.0}}
        default["optimizers"] = {"badmm": {"beta": 0.0}, "sgd": {"nesterov": False}}
        changed["experiments"][AUTOENCODER] = config.merge(changed["experiments"][AUTOENCODER], default)
    number = len(changed["limits"]["settings"])
    changed["limits"]["settings"].append({"group": "new", "name": "setting", "over": over})
    with pytest.raises(ConfigError, match=rf"limits\.settings\.{number}\.over: {name} is no key of a record"):
        plan_of(changed)


def test_a_value_that_joins_the_keys_orphans_no_record_that_was_computed_with_its_default(changed, monkeypatch):
    """Its line in ADDED says which value that is. The setting that moves it has its own records."""
    for kind, names in records.KEYS.items():
        monkeypatch.setitem(records.KEYS, kind, [*names, "problem.blur"])
    monkeypatch.setitem(records.ADDED, "problem.blur", 0.0)
    changed["experiments"][AUTOENCODER]["problem"]["blur"] = 0.0
    assert untouched(plan_of(changed))
    changed["limits"]["settings"].append({"group": "problem", "name": "blur", "over": {"problem": {"blur": 0.5}}})
    plan = plan_of(changed)
    assert not orphans(plan)
    assert new(plan) == {f"problem-blur/{name}.json" for name in (*COMPARED, "maps", "timing")}
    assert plan.limits.maps_key("problem-blur")["problem.blur"] == 0.5


def test_two_settings_of_the_same_name_are_refused(changed):
    changed["limits"]["settings"].append(changed["limits"]["settings"][0])
    with pytest.raises(ConfigError, match="same group and name"):
        plan_of(changed)


def test_the_file_of_a_setting_can_be_known_by_its_name(project):
    for setting in plan_of(project).limits.settings.values():
        assert setting.slug == slug_of(setting.group, setting.name)
        assert setting.slug.isascii()
        assert not set(setting.slug) & set(" /,")


# Writing and reading


def test_a_key_is_flat_and_has_what_is_listed_alone(monkeypatch):
    monkeypatch.setitem(records.KEYS, "maps", ["kind", "problem.noise", "seeds"])
    values = {"kind": "maps", "problem": {"noise": "gaussian", "blur": 1}, "seeds": [0, 1], "iterations": 500}
    assert records.key(values) == {"kind": "maps", "problem.noise": "gaussian", "seeds": [0, 1]}


def test_a_name_that_holds_others_lists_all_of_them():
    values = {"kind": "study", "ranges": {"anything": {"log": [1, 2]}}, "dtype": "float32"}
    assert records.key(values) == {"kind": "study", "ranges.anything.log": [1, 2], "dtype": "float32"}


def test_a_record_has_its_keys_its_result_and_what_it_was_computed_with(tmp_path):
    keys = [{"kind": "maps", "seeds": [0]}]
    records.record(lambda number: {"number": number}, keys, tmp_path / "a" / "maps.json", number=7)
    record = read_json(tmp_path / "a" / "maps.json")
    assert (record["keys"], record["result"]) == (keys, {"number": 7})
    assert record["seconds"] >= 0
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert {"git_commit", "processor", "threads"} <= record.keys()


def test_records_are_known_by_each_of_their_keys(tmp_path):
    first, second = {"kind": "timing", "method": "a"}, {"method": "b", "kind": "timing"}
    write_json(tmp_path / "one" / "timing.json", {"keys": [first, second]})
    write_json(tmp_path / "two" / "timing.json", {"keys": [second]})
    paths = [str(tmp_path / name / "timing.json") for name in ("one", "two")]
    assert records.read_keys(tmp_path) == {records.text(first): paths[:1], records.text(second): paths}
    assert records.text({"b": 1, "a": 2}) == records.text({"a": 2, "b": 1})


def test_keys_survive_their_file(project, tmp_path):
    """A key read from a file has the same text as the one that was written."""
    limits = plan_of(project).limits
    keys = [limits.study_key(slug, "badmm") for slug in limits.settings]
    for number, key in enumerate(keys):
        write_json(tmp_path / f"{number}.json", {"keys": [key]})
    assert records.read_keys(tmp_path).keys() == set(map(records.text, keys))


@pytest.mark.parametrize("value", [{"some": "json"}, [1], None])
def test_a_published_file_that_is_no_record_is_named(tmp_path, value):
    write_json(tmp_path / "other.json", value)
    with pytest.raises(DataError, match=r"other\.json is no record"):
        records.read_keys(tmp_path)
