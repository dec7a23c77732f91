"""What the tests share: small problems and networks."""

from pathlib import Path

import hypothesis
import pytest
import torch

from nonsmooth.problem import Problem
from replication import config, data
from replication.data import mnist, networks

ROOT = Path(__file__).parents[1]
# No clock decides about a test, and a failure comes back on the next run.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True)
hypothesis.settings.load_profile("project")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def smoke_config() -> dict:
    return config.project(ROOT, ROOT / "config" / "smoke.yaml")


@pytest.fixture(scope="session")
def sample() -> mnist.Sample:
    """Real images, from the excerpt."""
    return mnist.draw(ROOT / "data" / "excerpt", seed=0, training_images=60, validation_images=30, sources=[])


@pytest.fixture(scope="session")
def denoising(sample) -> Problem:
    settings = {"noise": "gaussian", "noise_level": 0.3, "unseen_images": 20}
    return data.build(sample, name="denoising", seed=0, dtype="float64", **settings)


@pytest.fixture(scope="session")
def teacher() -> Problem:
    settings = {"inputs": 6, "samples": 80, "condition_number": 10.0, "label_noise": 0.1}
    return data.build(None, name="teacher", seed=0, dtype="float64", **settings)


@pytest.fixture
def make_network():
    """Makes networks as the configuration describes them, by default without a hidden layer."""

    def make(sizes, **settings):
        usual = {"hidden": [], "activation": "relu", "output_activation": None, "bias": True}
        usual |= {"initialization": "torch", "scale": 1.0, "seed": 0, "dtype": "float64"}
        return networks.build(sizes, **(usual | settings))

    return make


@pytest.fixture(scope="session")
def excerpt() -> Path:
    """The folder of an excerpt of MNIST."""
    return ROOT / "data" / "excerpt"
