import json
import math
import os
import random
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from nonsmooth.training import Training, train
from replication import run
from replication.data import mnist
from replication.data.denoising import NOISES
from replication.errors import DataError
from replication.files import replacing
from replication.parameters import Parameters
from replication.paths import RUN_FILES
from replication.provenance import commit, provenance
from replication.quality import summary
from replication.run import Assembly

ROOT = Path(__file__).parents[2]
ITERATIONS = 4
PERCEPTRON = Parameters(
    experiment="perceptron-teacher",
    optimizer="badmm",
    seed=3,
    settings={"tau_z": 1.0, "tau_w": 1.0, "order": "zwxm"},
    iterations=ITERATIONS,
    images=None,
    problem={"name": "teacher", "inputs": 6, "samples": 80, "condition_number": 10.0, "label_noise": 0.1},
    network={
        "hidden": [],
        "activation": "relu",
        "output_activation": "relu",
        "bias": True,
        "initialization": "torch",
        "scale": 1.0,
    },
    dtype="float64",
    threads=1,
    device="cpu",
)
AUTOENCODER = Parameters(
    experiment="autoencoder",
    optimizer="badmm",
    seed=3,
    settings={},
    iterations=ITERATIONS,
    images={"training_images": 60, "validation_images": 30},
    problem={"name": "denoising", "noise": "gaussian", "noise_level": 0.3, "unseen_images": 20},
    network=PERCEPTRON.network | {"hidden": [4], "output_activation": None},
    dtype="float64",
    threads=1,
    device="cpu",
)


def trained(parameters: Parameters = PERCEPTRON) -> tuple[Assembly, Training]:
    assembly = run.assemble(parameters, None)
    return assembly, train(assembly.network, assembly.optimizer, assembly.problem, parameters.iterations)


@pytest.fixture(scope="module")
def finished() -> tuple[Assembly, Training]:
    return trained()


def test_a_run_survives_its_folder(finished, tmp_path):
    assembly, training = finished
    run.save(tmp_path / "a" / "b", PERCEPTRON, assembly.network, training, {"test_loss": 0.5})
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(RUN_FILES)
    loaded = run.load(tmp_path / "a" / "b")
    assert loaded.history.keys() == training.history.keys()
    for column, values in training.history.items():
        np.testing.assert_array_equal(loaded.history[column], values)
    assert loaded.weights.keys() == assembly.network.state_dict().keys()
    assert all(torch.equal(loaded.weights[name], value) for name, value in assembly.network.state_dict().items())
    assert loaded.parameters == PERCEPTRON
    assert loaded.final == {"test_loss": 0.5}
    assert loaded.record["status"] == "finished"
    assert not loaded.diverged


def test_a_trained_network_is_read_back_however_deep(tmp_path):
    """The file has the modules in the order of their names, in which 10 comes before 2."""
    parameters = PERCEPTRON.but(network=PERCEPTRON.network | {"hidden": [3] * 6}, iterations=2)
    assembly, training = trained(parameters)
    run.save(tmp_path, parameters, assembly.network, training, {})
    inputs = assembly.problem.training.inputs
    assert torch.equal(run.load(tmp_path).network()(inputs), assembly.network(inputs))


def test_the_record_tells_what_the_run_was_computed_with(finished, tmp_path):
    assembly, training = finished
    run.save(tmp_path, PERCEPTRON, assembly.network, training, {}, count=2)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["parameters"] == asdict(PERCEPTRON)
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert (record["processes"], record["threads"]) == (2, 1)
    assert record["optimizer_seconds"] <= record["loop_seconds"]


@pytest.fixture
def defaults_of_a_script():
    """As a person's script may set them for its own tensors."""
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)


def history_of(parameters: Parameters) -> dict:
    images = mnist.draw(ROOT / "data/excerpt", parameters.seed, **parameters.images, sources=[])
    assembly = run.assemble(parameters, images)
    return train(assembly.network, assembly.optimizer, assembly.problem, parameters.iterations).history


@pytest.fixture(scope="module")
def usual_histories() -> dict[str, dict]:
    return {noise: history_of(noisy(noise)) for noise in NOISES}


def noisy(noise: str) -> Parameters:
    minibatch = {"optimizer": "adam-minibatch", "settings": {"learning_rate": 0.01, "batch_size": 32}}
    return AUTOENCODER.but(dtype="float32", problem=AUTOENCODER.problem | {"noise": noise}, **minibatch)


@pytest.mark.parametrize("noise", NOISES)
def test_default_dtype_and_device_of_a_script_change_no_bit(noise, usual_histories, defaults_of_a_script):
    assert history_of(noisy(noise)) == usual_histories[noise]


def test_the_parameters_of_a_record_give_the_same_run(finished, tmp_path):
    assembly, training = finished
    run.save(tmp_path, PERCEPTRON, assembly.network, training, {})
    again, history = trained(run.load(tmp_path).parameters)
    assert history.history == training.history
    assert torch.equal(again.network[0].weight, assembly.network[0].weight)


def test_history_and_weights_hold_nothing_of_the_moment(finished, tmp_path, monkeypatch):
    assembly, training = finished
    run.save(tmp_path / "one", PERCEPTRON, assembly.network, training, {})
    monkeypatch.setattr(run, "provenance", lambda: {"another": "machine"})
    slower = Training(training.history, training.status, 1e9, 2e9)
    run.save(tmp_path / "two", PERCEPTRON, assembly.network, slower, {})
    for name in ("history.parquet", "weights.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_diverged_run_is_kept_as_such(denoising, make_network, tmp_path):
    network = make_network(denoising.sizes, hidden=[4])
    with torch.no_grad():
        network[0].bias.fill_(math.nan)
    history = {"iteration": [0, 1], "train_loss": [1.0, math.nan]}
    training = Training(history, "diverged", 0.1, 0.2, reason="lower tau_w")
    run.save(tmp_path, AUTOENCODER, network, training, summary(network, denoising))
    loaded = run.load(tmp_path)
    assert loaded.diverged
    assert loaded.record["reason"] == "lower tau_w"
    assert loaded.final == {"test_loss": None, "train_psnr": None, "unseen_psnr": None}
    np.testing.assert_array_equal(loaded.history["train_loss"], [1.0, math.nan])


def test_a_run_that_a_callback_stopped_is_read_as_it_was_saved(tmp_path):
    made = run.assemble(PERCEPTRON, None)
    training = train(made.network, made.optimizer, made.problem, 9, callback=lambda row: row["iteration"] == 4)
    run.save(tmp_path, PERCEPTRON, made.network, training, {})
    assert run.load(tmp_path).record["status"] == "stopped"
    assert run.load(tmp_path).history["iteration"][-1] == 4


def test_every_optimizer_of_a_seed_starts_from_the_same_point(sample):
    settings = {"sgd": {"learning_rate": 1.0}, "adam": {"learning_rate": 0.1}, "badmm": {}, "badmm-ls": {}}
    first, *rest = (
        run.assemble(AUTOENCODER.but(optimizer=name, settings=own), sample) for name, own in settings.items()
    )
    for other in rest:
        assert torch.equal(other.problem.training.inputs, first.problem.training.inputs)
        for name, value in first.network.state_dict().items():
            assert torch.equal(other.network.state_dict()[name], value)


def test_a_training_that_chooses_does_not_see_what_it_is_judged_by(finished):
    _, training = finished
    assembly, blind = run.train_blind(PERCEPTRON, None)
    assert blind.history == {name: column for name, column in training.history.items() if name != "unseen_loss"}
    assert assembly.problem.unseen is not None  # to judge by afterwards


def test_assembling_a_run_sets_its_threads():
    run.assemble(PERCEPTRON.but(threads=2), None)
    assert torch.get_num_threads() == 2


def test_summary_judges_images_by_psnr_and_perceptrons_by_loss_alone(denoising, teacher, make_network):
    assert summary(make_network(denoising.sizes), denoising).keys() == {"test_loss", "train_psnr", "unseen_psnr"}
    assert summary(make_network(teacher.sizes), teacher) == {}


def test_provenance_needs_no_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance()["git_commit"] is None


def git(folder: Path, *arguments: str) -> str:
    person = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *person, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path) -> Path:
    """A project in git."""
    folder = tmp_path / "größe [1]"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "module.py").write_text("1\n")
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "first"]):
        git(folder, *arguments)
    return folder


def test_the_commit_is_the_projects_whatever_git_is_told(repository, tmp_path, monkeypatch):
    head = git(repository, "rev-parse", "HEAD").strip()
    git(tmp_path, "init", "--quiet", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    assert commit(repository) == head


def test_the_commit_of_a_repository_around_the_project_is_not_its_own(repository):
    unpacked = repository / "src"
    assert commit(unpacked) is None
    (unpacked / ".git").mkdir()  # not a repository
    assert commit(unpacked) is None


@pytest.mark.parametrize(
    ("name", "ending"), [("src/module.py", "-dirty"), ("src/new.py", "-dirty"), ("figure.png", "")]
)
def test_the_commit_is_dirty_where_files_that_results_depend_on_differ(name, ending, repository):
    head = git(repository, "rev-parse", "HEAD").strip()
    (repository / name).write_text("2\n")
    assert commit(repository) == head + ending


@pytest.mark.parametrize("setting", ["status.showUntrackedFiles=no", "core.excludesFile={home}/ignored"])
def test_the_commit_is_dirty_whatever_a_person_has_git_hide(setting, repository, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ignored").write_text("*.py\n")
    name, value = setting.format(home=tmp_path).split("=")
    git(repository, "config", "--global", name, value)
    assert not commit(repository).endswith("-dirty")
    (repository / "src/new.py").write_text("2\n")
    assert commit(repository).endswith("-dirty")


@pytest.mark.skipif(os.name != "posix" or os.geteuid(), reason="changes the owner, as root alone may")
def test_the_commit_is_known_where_another_user_owns_the_files(repository):
    head = git(repository, "rev-parse", "HEAD").strip()
    for path in (repository, repository / ".git"):
        os.chown(path, 65534, 65534)
    assert commit(repository) == head


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_files_of_a_run_are_readable_as_the_umask_says(umask, finished, tmp_path):
    assembly, training = finished
    before = os.umask(umask)
    try:
        run.save(tmp_path, PERCEPTRON, assembly.network, training, {})
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~umask}


LONG = {
    "parquet": lambda path: pyarrow.parquet.write_table(pyarrow.table({"loss": [1.0] * 1000}), path),
    "safetensors": lambda path: save_file({"weight": torch.zeros(1000)}, path),
    "text": lambda path: path.write_text("." * 1000),
}


@pytest.mark.parametrize("write", LONG.values(), ids=LONG)
def test_a_write_that_finds_no_room_leaves_the_former_file_whole(write, tmp_path):
    """A limit on the size of files ends a write in its middle, as a full disk does."""
    (tmp_path / "file").write_text("former")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises((OSError, SafetensorError), match="too large"), replacing(tmp_path / "file") as path:
            write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["former"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path: Path = tmp_path / "new" / "file"
    with replacing(path) as temporary:
        temporary.write_text("first")
    assert path.read_text() == "first"

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


EXCERPT = Path(__file__).parents[2] / "data" / "excerpt"
NUMBERS = [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"]  # sizes that a header might claim


def damaged(content: bytes, count: int) -> Iterator[bytes]:
    """The content with bits turned, numbers overwritten, and bytes taken away, put in or repeated."""
    chance = random.Random(0)
    for _ in range(count):
        new, where = bytearray(content), chance.randrange(len(content))
        match chance.randrange(5):
            case 0:
                new[where] ^= 1 << chance.randrange(8)
            case 1:
                new[where : where + 4] = chance.choice(NUMBERS)
            case 2:
                del new[where : where + chance.choice([1, 8, len(content)])]
            case 3:
                new[where:where] = chance.randbytes(chance.choice([1, 8, 100]))
            case 4:
                new[where : where + 8] = content[-8:]
        yield bytes(new)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN_FILES)
def test_a_damaged_file_of_a_run_is_read_or_refused_by_its_name(finished, tmp_path, name):
    assembly, training = finished
    run.save(tmp_path, PERCEPTRON, assembly.network, training, {})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusals = []
    for content in damaged((tmp_path / name).read_bytes(), 3000):
        (tmp_path / name).write_bytes(content)
        try:
            run.load(tmp_path)
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > 1000
    start = f"{tmp_path / name} cannot be read: "
    assert all(message.startswith(start) or f"{name} beside it" in message for message in refusals)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000  # KiB: no size that a header claims is believed


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_damaged_file_of_mnist_is_refused_by_its_name(tmp_path, name):
    place = f"MNIST/raw/{name}"
    path, content = tmp_path / place, (EXCERPT / place).read_bytes()
    path.parent.mkdir(parents=True)
    (tmp_path / "SHA256SUMS").write_text(f"{mnist.expected_sums(EXCERPT)[place]}  {place}\n")
    for other in damaged(content, 500):
        path.write_bytes(other)
        if other != content:
            with pytest.raises(DataError, match=name):
                mnist.draw(tmp_path, 0, 1, 1, [], lambda line: None)


def test_a_run_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none/history\.parquet cannot be read"):
        run.load(tmp_path / "none")


@pytest.mark.parametrize("text", ["{}", "[]", '{"status": "running"}', "[" * 10**5])
def test_a_record_that_is_none_is_named(finished, tmp_path, text):
    assembly, training = finished
    run.save(tmp_path, PERCEPTRON, assembly.network, training, {})
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DataError, match=r"run\.json cannot be read"):
        run.load(tmp_path)
