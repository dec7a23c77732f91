"""Records: their files, what their keys hold, which of them answer a job, and what would be computed anew."""

import copy
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication import config, records
from replication.errors import ConfigError, DataError
from replication.methods import ANCHOR, METHODS, PEER, Method, compared
from replication.parameters import AUTOENCODER, CRITERIA, Parameters, of_run
from replication.studies import limits
from replication.studies.catalogue import jobs
from replication.studies.study import Studies, compute, publish, training

ROOT = Path(__file__).parents[2]
COMPARED = compared()
DEFAULT = "limits/default-default"


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


@pytest.fixture
def changed(project) -> dict:
    """The configuration, to be changed."""
    return copy.deepcopy(project)


def studies(settings: dict) -> Studies:
    return Studies(jobs(settings), str(ROOT / "data/records"), "results", settings["anew"])


def published() -> dict[str, dict]:
    """The heads of the published records, by the digest of their key."""
    paths = sorted((ROOT / "data/records").glob("*.jsonl"))
    return {records.digest(head["key"]): head for path in paths for head, _ in records.heads(path)}


def new(settings: dict) -> set[str]:
    """The names of the jobs that would be computed."""
    return {name for name, path in studies(settings).files.items() if path.startswith("results/")}


def orphans(settings: dict) -> set[str]:
    """The names of the published records that no job asks for."""
    asked = set(studies(settings).digests.values())
    return {head["name"] for digest, head in published().items() if digest not in asked}


# What is not published: times on all of MNIST.
UNPUBLISHED = {"claims/timing/autoencoder-full"}


def untouched(settings: dict) -> bool:
    return new(settings) == UNPUBLISHED and not orphans(settings)


# The published records


def test_every_published_record_answers_a_job_and_every_job_has_one(project):
    assert (new(project), orphans(project)) == (UNPUBLISHED, set())
    assert len(published()) > 360


def test_published_files_are_sorted_and_have_the_records_of_their_study_each_once():
    for path in (ROOT / "data/records").glob("*.jsonl"):
        names = [head["name"] for head, _ in records.heads(path)]
        assert names == sorted(set(names))
        assert {name.split("/")[0] for name in names} == {path.stem}


def test_without_published_records_everything_is_computed_anew(project):
    anew = Studies(jobs(project), None, "results")
    assert all(path.startswith("results/records/") for path in anew.files.values())
    assert len(set(anew.files.values())) == len(published()) + len(UNPUBLISHED)


def test_a_kind_can_be_computed_anew_whatever_is_published(project):
    names = new(project | {"anew": ["timing"]})
    assert names - UNPUBLISHED == {job.name for job in jobs(project) if job.kind == "timing"} - UNPUBLISHED


def test_jobs_with_the_same_key_share_a_record(smoke_config):
    """The order of the blocks is nothing to SGD and Adam: their runs are those of the default."""
    files = Studies(jobs(smoke_config), None, "results").files
    for name in ("sgd", "adam", "maps"):
        assert files[f"limits/algorithm-order/{name}"] == files[f"{DEFAULT}/{name}"]
    for name in ("badmm", "badmm-ls", "timing"):
        assert files[f"limits/algorithm-order/{name}"] == f"results/records/limits/algorithm-order/{name}.jsonl"
    assert files["limits/hidden-layers-2-of-8/sgd"] != files[f"{DEFAULT}/sgd"]


def test_two_jobs_of_one_name_are_refused(changed):
    changed["limits"]["settings"].append(changed["limits"]["settings"][0])
    with pytest.raises(ConfigError, match="two settings have one name: limits/default-default/sgd"):
        studies(changed)


# What orphans no record


def test_another_machine_orphans_no_record(changed):
    assert untouched(changed | {"threads": 4, "device": "cuda"})


def test_tuning_anew_moves_neither_limits_nor_ladder():
    """The limits have starts of their own, and the ladder a search. Searches that start from the choice are others."""
    raw = config.read(*config.files(ROOT))
    for columns in raw["tuned"][AUTOENCODER].values():
        for chosen in columns.values():
            chosen |= {name: 0.5 for name in chosen if name.startswith("tau")}
    names = new(config.check(raw, ROOT / "config" / "schema.yaml"))
    assert {name.split("/")[0] for name in names} == {"tuning", "pictures", "ablation", "claims"}
    searched = {name.split("/")[1] for name in names if name.startswith("tuning/")}
    assert searched == {"autoencoder-every-setting", "autoencoder-levers"}


def test_a_value_that_joins_the_keys_orphans_no_record_that_was_computed_with_its_default(changed, monkeypatch):
    """Its line in ADDED says which value that is. The setting that moves it has its own records."""
    monkeypatch.setitem(records.ADDED, "problem.blur", 0.0)
    for section in changed["experiments"].values():
        section["problem"] = section["problem"] | {"blur": 0.0}
    assert untouched(changed)
    changed["limits"]["settings"].append({"group": "problem", "name": "blur", "over": {"problem": {"blur": 0.5}}})
    assert not orphans(changed)
    assert new(changed) - UNPUBLISHED == {f"limits/problem-blur/{name}" for name in (*COMPARED, "maps", "timing")}


def test_a_setting_that_goes_leaves_its_own_records_without_use(changed):
    del changed["limits"]["settings"][1]
    assert new(changed) == UNPUBLISHED
    assert {name.split("/")[1] for name in orphans(changed)} == {"noise-gaussian-0.1"}


def test_a_new_method_of_the_limits_asks_for_its_own_records_and_new_times(changed, monkeypatch):
    """Times are of all methods of a setting side by side."""
    monkeypatch.setitem(METHODS, "peer", Method("a peer", "nonsmooth.baselines:TorchOptimizer", PEER))
    changed["experiments"][AUTOENCODER]["optimizers"]["peer"] = {}
    changed["limits"]["starts"]["peer"] = {column: {"learning_rate": 0.5} for column in CRITERIA}
    changed["limits"]["ranges"]["peer"] = {"learning_rate": {"log": [0.1, 1.0]}}
    names = {name.split("/")[-1] for name in new(changed) if name.startswith("limits/")}
    assert names == {"peer", "timing"}
    runs = {job.name: job for job in limits.jobs(changed)}[f"{DEFAULT}/timing"].arguments["runs"]
    smallest = next(run for run in runs if run["optimizer"] == "peer")
    assert smallest["settings"] == {"learning_rate": 0.1}  # the smallest step: it cannot diverge


# What orphans records


@pytest.mark.parametrize("method", [*COMPARED, "lifted"])
def test_another_version_of_a_method_orphans_its_records_and_the_times_it_was_part_of(project, monkeypatch, method):
    monkeypatch.setitem(METHODS, method, replace(METHODS[method], version=METHODS[method].version + 1))
    by_name = {job.name: job for job in jobs(project)}
    assert new(project) - UNPUBLISHED == {name for name, job in by_name.items() if method in job.methods} - UNPUBLISHED


def test_another_version_of_the_maps_orphans_them_alone(project, monkeypatch):
    monkeypatch.setattr(records, "MAPS_VERSION", records.MAPS_VERSION + 1)
    kinds = {job.name: job.kind for job in jobs(project)}
    assert {kinds[name] for name in new(project) - UNPUBLISHED} == {"maps"}


@pytest.mark.parametrize(
    ("key", "value", "kinds"),
    [
        ("iterations", 501, {"training"}),
        ("dtype", "float64", {"training", "maps", "timing"}),
        ("problem.noise_level", 0.31, {"training", "maps", "timing"}),
        ("problem.unseen_images", 999, {"training", "maps", "timing"}),
        ("network.scale", 1.01, {"training", "timing"}),
        ("network.hidden", [65], {"training", "maps", "timing"}),
        ("optimizers.badmm.delta", 1.1, {"training", "timing"}),
        ("limits.trials", 9, {"training"}),
        ("limits.shift", 0.2, {"training"}),
        ("limits.seeds", [0, 1], {"training", "maps"}),
        ("limits.starts.adam.train_loss.learning_rate", 0.1, {"training"}),
        ("limits.ranges.adam.learning_rate", {"log": [0.1, 1.0]}, {"training"}),
    ],
)
def test_what_a_result_depends_on_is_in_its_key(changed, key, value, kinds):
    """At the default setting of the limits: the kinds of which another record is used or computed."""
    *parents, last = key.split(".")
    tree = changed if parents[:1] == ["limits"] else changed["experiments"][AUTOENCODER]
    for name in parents:
        tree = tree[name]
    assert tree[last] != value
    before = Studies(jobs(changed), None, "results").digests
    tree[last] = value
    after = Studies(jobs(changed), None, "results")
    moved = {name for name, digest in before.items() if after.digests[name] != digest}
    assert {after.jobs[name].kind for name in moved if name.startswith(f"{DEFAULT}/")} == kinds


@pytest.mark.parametrize("method", COMPARED)
def test_every_value_of_a_run_is_in_a_key_or_results_do_not_depend_on_it(project, method):
    run = of_run(project, AUTOENCODER, method, 0)
    named = {name.split(".")[0] for name in records.key(records.described(run))}
    irrelevant = {"experiment", "optimizer", "seed", "threads", "device"}  # "method" and "seeds" stand for two of them
    assert asdict(run).keys() - irrelevant == named - {"method", "version"}


def test_a_setting_written_by_hand_is_not_searched(changed):
    changed["experiments"][AUTOENCODER]["optimizers"]["sgd"]["momentum"] = 0.5
    by_name = {job.name: job for job in jobs(changed)}
    asked = by_name[f"tuning/{AUTOENCODER}/sgd"].arguments
    assert asked["search"]["ranges"].keys() == {"learning_rate"}
    assert asked["run"]["settings"]["momentum"] == 0.5
    assert f"tuning/{AUTOENCODER}/sgd" in new(changed)


# Files

NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9) | st.none(), max_size=30)
RESULTS = st.recursive(
    NUMBERS | st.text() | st.booleans(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner), max_leaves=8
)


@given(st.lists(RESULTS, min_size=1, max_size=4))
def test_records_survive_their_file(tmp_path_factory, results):
    path = tmp_path_factory.mktemp("records") / "study.jsonl"
    made = [{"name": f"a/{n}", "key": {"n": n}, "result": result} for n, result in enumerate(results)]
    records.write(path, reversed(made))
    assert records.read_all(path) == made
    index = records.index(path)
    assert [records.read(path, index[records.digest(record["key"])]) for record in made] == made


def test_a_list_of_numbers_has_a_line_of_its_own_and_the_same_one_is_written_once(tmp_path):
    runs = [{"iteration": list(range(20)), "loss": [0.5**n * seed for n in range(20)]} for seed in (1, 2)]
    records.write(tmp_path / "a.jsonl", [{"name": "a/b", "key": {}, "result": {"runs": runs}}])
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert len(lines) == 4
    assert lines[1] == str(list(range(20)))


def test_a_key_is_flat_and_sorted_and_leaves_out_what_was_always_so():
    values = {"problem": {"noise": "gaussian"}, "settings": {"beta": 1.0, "delta": 2.0}, "dtype": "float32"}
    assert list(records.key(values).items()) == [
        ("dtype", "float32"),
        ("problem.noise", "gaussian"),
        ("settings.delta", 2.0),
    ]
    assert records.key(values | {"settings": {"beta": 0.5}})["settings.beta"] == 0.5
    assert records.digest({"a": 1, "b": 2}) == records.digest({"b": 2, "a": 1}) != records.digest({"a": 1})


@pytest.mark.parametrize("text", ['{"some": "json"}\n', "[1]\n", "no json\n"])
def test_a_published_file_that_holds_no_records_is_named(tmp_path, text):
    (tmp_path / "other.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"other\.jsonl cannot be read"):
        Studies([], str(tmp_path), "results")


# Answers, and what is published of them


@pytest.fixture
def job(smoke_config):
    """A search of two trials on a problem without images, with runs of two seeds."""
    run = replace(of_run(smoke_config, "perceptron-teacher", "sgd", 0), iterations=3)
    search = {"ranges": {"learning_rate": {"log": [0.01, 0.1]}}, "trials": 2, "finalists": 1, "statistic": "last"}
    return training(
        "tuning/a/sgd", run, search, [1000], {"train_loss": {"seeds": [0, 1], "every": 1, "with_ssim": False}}
    )


def test_a_record_has_its_key_its_result_and_what_it_was_computed_with(job, tmp_path):
    made = Studies([job], None, str(tmp_path))
    compute(made.arguments(job.name), "", [], made.files[job.name])
    (record,) = records.read_all(made.files[job.name])
    assert (record["name"], record["key"]) == (job.name, job.key)
    assert len(record["result"]["trials"]) == 2
    assert record["seconds"] >= 0
    assert {"versions", "git_commit", "processor", "threads"} <= record.keys()


def test_published_are_the_records_that_jobs_ask_for_and_no_others(job, tmp_path):
    """One that was published before, one that is new, and one that no job asks for any more."""
    folder = tmp_path / "data"
    other = training("tuning/b/sgd", of_run_of(job), {"ranges": {}, "trials": 0}, [1000], {})
    kept = {"name": other.name, "key": other.key, "result": {"trials": []}}
    useless = {"name": "tuning/c/sgd", "key": {"of": "no use"}, "result": {}}
    records.write(folder / "tuning.jsonl", [kept, useless])
    records.write(folder / "gone.jsonl", [{**useless, "name": "gone/c"}])
    made = Studies([job, other], str(folder), str(tmp_path / "results"))
    assert made.files[other.name] == str(folder / "tuning.jsonl")
    compute(made.arguments(job.name), "", [], made.files[job.name])
    for _ in range(2):
        publish(Studies([job, other], str(folder), str(tmp_path / "results")), str(folder))
        assert [head["name"] for head, _ in records.heads(folder / "tuning.jsonl")] == [job.name, other.name]
        assert not (folder / "gone.jsonl").exists()
    assert records.read_all(folder / "tuning.jsonl")[1] == kept


def of_run_of(job):
    """The parameters of a job's run."""
    return Parameters(**job.arguments["run"])


def test_the_unit_of_times_is_among_the_methods_that_are_timed(project):
    for made in (job for job in jobs(project) if job.kind == "timing" and job.name.startswith(("limits", "opt"))):
        assert ANCHOR in made.methods
