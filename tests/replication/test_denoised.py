"""The pictures of unseen images that the site steps through."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from replication import config, records
from replication.parameters import of_run
from replication.plan import Plan
from replication.quality import SIDE, psnr
from replication.run import train_blind
from replication.studies.denoised import denoise

ROOT = Path(__file__).parents[2]


def pixels(picture: str) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(picture))))


@pytest.fixture(scope="module")
def parameters(smoke_config):
    return of_run(smoke_config, "autoencoder", "badmm", 0)


def test_the_last_picture_is_what_the_trained_network_makes_of_unseen_images(parameters, sample):
    run, _ = train_blind(parameters, sample)
    noisy, clean = run.problem.unseen
    denoised = run.network(noisy).detach()
    kept = denoise([parameters], sample, rows=[0, 5, parameters.iterations], count=3)
    (badmm,) = kept["runs"]
    assert (badmm["status"], [step["iteration"] for step in badmm["steps"]]) == ("finished", [0, 5, 12])
    first, _, last = badmm["steps"]
    assert last["psnr"] == psnr(denoised, clean).mean().item() > first["psnr"]
    assert pixels(last["picture"]).shape == (3 * SIDE, SIDE)
    expected = 255 * denoised[:3].clamp(0, 1).reshape(-1, SIDE).numpy()
    assert np.abs(pixels(last["picture"]) - expected).max() <= 0.51
    assert (pixels(kept["clean"]) == np.round(255 * clean[:3].reshape(-1, SIDE).numpy())).all()


def test_a_run_that_diverges_has_the_pictures_before(parameters, sample):
    broken = replace(parameters, optimizer="sgd", settings={"learning_rate": 1e9})
    (run,) = denoise([broken], sample, rows=[0, 12], count=1)["runs"]
    assert (run["status"], [step["iteration"] for step in run["steps"]]) == ("diverged", [0])


def test_the_published_pictures_are_of_the_configuration():
    """Otherwise `make publish` computes them anew."""
    plan = Plan(config.project(ROOT), str(ROOT))
    (path,) = plan.published(plan.results.denoised)
    assert records.keys_of(path) == plan.keys_of_pictures(None)
    rows = plan.pictures(None)["rows"]
    assert rows == sorted(set(rows))
    assert rows[-1] == plan.experiments["autoencoder"]["iterations"]
