"""The pictures of unseen images that the site steps through."""

import base64
import io
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from replication import config, records
from replication.compute.pictures import answer
from replication.parameters import of_run
from replication.quality import SIDE, psnr
from replication.run import draw, train_blind
from replication.studies import pictures

ROOT = Path(__file__).parents[2]


def pixels(picture: str) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(picture))))


@pytest.fixture(scope="module")
def parameters(smoke_config):
    return of_run(smoke_config, "autoencoder", "badmm", 0)


def test_the_last_picture_is_what_the_trained_network_makes_of_unseen_images(parameters, excerpt):
    run, _ = train_blind(parameters, draw(excerpt, 0, parameters))
    noisy, clean = run.problem.unseen
    denoised = run.network(noisy).detach()
    kept = answer([asdict(parameters)], [0, 5, parameters.iterations], 3, root=excerpt, published=[])
    (badmm,) = kept["runs"]
    assert (badmm["status"], [step["iteration"] for step in badmm["steps"]]) == ("finished", [0, 5, 12])
    first, _, last = badmm["steps"]
    assert last["psnr"] == psnr(denoised, clean).mean().item() > first["psnr"]
    assert pixels(last["picture"]).shape == (3 * SIDE, SIDE)
    expected = 255 * denoised[:3].clamp(0, 1).reshape(-1, SIDE).numpy()
    assert np.abs(pixels(last["picture"]) - expected).max() <= 0.51
    assert (pixels(kept["clean"]) == np.round(255 * clean[:3].reshape(-1, SIDE).numpy())).all()


def test_a_run_that_diverges_has_the_pictures_before(parameters, excerpt):
    broken = replace(parameters, optimizer="sgd", settings={"learning_rate": 1e9})
    (run,) = answer([asdict(broken)], [0, 12], 1, root=excerpt, published=[])["runs"]
    assert (run["status"], [step["iteration"] for step in run["steps"]]) == ("diverged", [0])


def test_the_published_pictures_are_of_the_configuration():
    """Otherwise `make publish` computes them anew."""
    project = config.project(ROOT)
    (job,) = pictures.jobs(project)
    assert records.digest(job.key) in records.index(ROOT / "data/records/pictures.jsonl")
    rows = job.arguments["rows"]
    assert rows == sorted(set(rows))
    assert rows[-1] == project["experiments"]["autoencoder"]["iterations"]
