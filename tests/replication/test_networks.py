import pytest
import torch
from torch import nn

from nonsmooth import proximal
from replication.data import networks


def test_layers_and_activations_stand_as_configured(make_network):
    network = make_network((6, 2), hidden=[5, 4], activation="ramp", output_activation="relu")
    assert [type(module) for module in network] == [nn.Linear, nn.Hardtanh, nn.Linear, nn.Hardtanh, nn.Linear, nn.ReLU]
    assert [module.weight.shape for module in network[::2]] == [(5, 6), (4, 5), (2, 4)]
    assert make_network((6, 2), bias=False)[0].bias is None


@pytest.mark.parametrize(
    ("initialization", "deviation"), [("torch", (3 * 400) ** -0.5), ("he_normal", (2 / 400) ** 0.5), ("normal", 1.0)]
)
def test_initial_weights_have_the_spread_that_the_rule_names(initialization, deviation, make_network):
    network = make_network((400, 300), initialization=initialization, scale=0.5)
    assert network[0].weight.std().item() == pytest.approx(0.5 * deviation, rel=0.02)
    assert network[0].bias.std().item() == pytest.approx(0.5 * deviation if initialization == "torch" else 0, rel=0.1)


def test_initial_weights_of_torch_lie_where_torchs_own_do(make_network):
    ours, torchs = make_network((400, 300))[0], nn.Linear(400, 300)
    for name in ("weight", "bias"):
        largest = getattr(ours, name).abs().max().item()
        assert largest <= 400**-0.5
        assert largest == pytest.approx(getattr(torchs, name).abs().max().item(), rel=0.02)


def test_weights_are_the_same_for_a_seed_in_both_precisions_and_the_global_generator_stays(make_network):
    state = torch.get_rng_state()
    single, double = make_network((6, 2), dtype="float32"), make_network((6, 2))
    assert (single[0].weight == double[0].weight.float()).all()
    assert (double[0].weight == make_network((6, 2))[0].weight).all()
    assert (double[0].weight != make_network((6, 2), seed=1)[0].weight).all()
    assert (torch.get_rng_state() == state).all()


@pytest.mark.parametrize("name", networks.ACTIVATIONS)
def test_every_activation_that_can_be_configured_is_proximal(name, make_network):
    network = make_network((6, 2), hidden=[3], activation=name)
    z = torch.linspace(-9, 9, 37, dtype=torch.float64)
    assert torch.equal(proximal.of(network[1]).prox(z), network[1](z))
