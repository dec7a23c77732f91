import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from nonsmooth.training import Training, train
from replication import run
from replication.files import replacing
from replication.parameters import Parameters
from replication.paths import RUN_FILES
from replication.provenance import provenance
from replication.quality import summary
from replication.run import Assembly

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


def test_the_record_tells_what_the_run_was_computed_with(finished, tmp_path):
    assembly, training = finished
    run.save(tmp_path, PERCEPTRON, assembly.network, training, {}, count=2)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["parameters"] == asdict(PERCEPTRON)
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert (record["processes"], record["threads"]) == (2, 1)
    assert record["optimizer_seconds"] <= record["loop_seconds"]


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
