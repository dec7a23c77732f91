import json
from pathlib import Path

import numpy as np
import pytest
import torch

from replication import methods as optimizers, run as runs
from replication.files import replacing
from nonsmooth.training import Training, train


@pytest.fixture
def trained(denoising, make_network):
    network = make_network(denoising.sizes, hidden=[4])
    optimizer = optimizers.build("badmm", network, *denoising.training, seed=0)
    return network, train(network, optimizer, denoising, 4)


def test_a_run_survives_its_folder(trained, denoising, tmp_path):
    network, training = trained
    runs.save(tmp_path / "a" / "b", network, training, {"seed": 3, "final": runs.summary(network, denoising)})
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(runs.FILES)
    run = runs.load(tmp_path / "a" / "b")
    for column, values in training.history.items():
        np.testing.assert_array_equal(run.history[column], values)
    assert all((run.weights[name] == value).all() for name, value in network.state_dict().items())
    assert run.record["status"] == "finished"
    assert not run.diverged
    assert run.record["seed"] == 3
    assert run.record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert run.record["final"]["train_psnr"] > 0


def test_history_and_weights_hold_nothing_of_the_moment(trained, tmp_path, monkeypatch):
    network, training = trained
    runs.save(tmp_path / "one", network, training, {})
    monkeypatch.setattr(runs, "provenance", lambda: {"another": "machine"})
    runs.save(tmp_path / "two", network, Training(training.history, training.status, 1e9, 2e9), {})
    for name in ("history.parquet", "weights.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_diverged_run_is_kept_as_such(trained, denoising, tmp_path):
    network, _ = trained
    with torch.no_grad():
        network[0].bias.fill_(float("nan"))
    history = {"iteration": [0, 1], "train_loss": [1.0, float("nan")]}
    final = runs.summary(network, denoising)
    runs.save(tmp_path, network, Training(history, "diverged", 0.1, 0.2), {"final": final})
    assert runs.load(tmp_path).diverged
    assert json.loads((tmp_path / "run.json").read_text())["final"]["train_psnr"] is None


def test_summary_judges_images_by_psnr_and_perceptrons_by_loss_alone(denoising, teacher, make_network):
    assert runs.summary(make_network(denoising.sizes), denoising).keys() == {"test_loss", "train_psnr", "unseen_psnr"}
    assert runs.summary(make_network(teacher.sizes), teacher) == {}


def test_provenance_needs_no_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert runs.provenance()["git_commit"] is None


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
