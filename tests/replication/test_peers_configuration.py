"""The peers are configured, searched and run like any other method, in the ranges of config/field.yaml."""

import copy
from pathlib import Path

import pytest

from replication import config
from replication.constructors import accepted
from replication.errors import ConfigError
from replication.methods import METHODS, REFERENCE, of_role
from replication.parameters import of_run
from replication.ranges import at
from replication.run import train_blind

ROOT = Path(__file__).parents[2]
RANGES = config.read(*config.files(ROOT))["field"]["peers"]
PEERS = {name for name in of_role(REFERENCE) if METHODS[name].module.startswith("replication.peers.")}


@pytest.fixture(scope="module")
def project() -> dict:
    return config.project(ROOT)


def with_peers(project: dict, ranges: dict) -> dict:
    """The project's configuration with peers in the experiment "student", checked."""
    changed = copy.deepcopy(project)
    section = changed["experiments"]["student"]
    section["optimizers"] |= {name: {} for name in ranges}
    section["tuning"]["ranges"] |= ranges
    return config.check(changed, ROOT / "config" / "schema.yaml")


def test_an_experiment_searches_each_peer_in_its_ranges_and_in_no_others(project):
    for name, ranges in RANGES.items():
        assert ranges.keys() <= accepted(name)
    with_peers(project, RANGES)
    with pytest.raises(ConfigError, match="dladmm"):
        with_peers(project, {"dladmm": {"rohh": {"log": [0.1, 1.0]}}})
    with pytest.raises(ConfigError, match="dual-propagation"):
        with_peers(project, {"dual-propagation": {"nudge": {"linear": [-1.0, 1.0]}}})


@pytest.mark.parametrize("name", RANGES)
def test_a_peer_learns_from_the_start_that_adam_has_in_the_middle_of_its_ranges(project, name):
    middles = {key: at(scale, 0.5) for key, scale in RANGES[name].items()}
    run = of_run(with_peers(project, RANGES), "student", name, 7).but(settings=middles, iterations=60)
    losses = train_blind(run, None)[1].history["train_loss"]
    adam = train_blind(of_run(project, "student", "adam", 7).but(iterations=1), None)[1].history["train_loss"]
    assert losses[0] == adam[0]
    assert losses[60] < 0.5 * losses[0]


def test_every_peer_has_ranges():
    assert set(RANGES) == PEERS
