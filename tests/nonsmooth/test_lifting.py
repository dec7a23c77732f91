"""Networks that are not what their types say, and data that is no plain tensor: refused by name, or right."""

import copy
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.utils.data import DataLoader, TensorDataset

from nonsmooth import (
    Badmm,
    Foof,
    Layerwise,
    LiftedLoss,
    Problem,
    SolvedAdam,
    SolvedLbfgs,
    Split,
    UnitsOnAdam,
    VariableProjection,
    train,
)
from nonsmooth.baselines import GradientD, Lbfgs, TorchOptimizer

LIFTED = [Badmm, LiftedLoss, Layerwise, Foof]
ADAMS = [partial(kind, learning_rate=0.1) for kind in (SolvedAdam, UnitsOnAdam)]
every_lifted = pytest.mark.parametrize("optimizer", LIFTED)


def network(sizes=(5, 4, 3)):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(*sizes[:2]), nn.ReLU(), nn.Linear(*sizes[1:]))


def data(samples=30, inputs=5, outputs=3):
    draw = torch.Generator().manual_seed(1)
    return torch.randn(samples, inputs, generator=draw), torch.rand(samples, outputs, generator=draw)


def frozen(net):
    net[2].bias.requires_grad_(False)


def replaced_forward(net):
    net[1].forward = lambda X: nn.functional.leaky_relu(X, 0.01)


def hook(net):
    net[1].register_forward_hook(lambda module, arguments, output: 1.01 * output)


def hook_on_the_network(net):
    net.register_forward_hook(lambda module, arguments, output: output + 0.01)


def hook_before(net):
    net[0].register_forward_pre_hook(lambda module, arguments: (2 * arguments[0],))


def not_a_tensor(net):
    net[2].register_forward_hook(lambda module, arguments, output: (output, None))


def subclass(net):
    net[1] = type("Leaky", (nn.ReLU,), {"forward": lambda self, X: nn.functional.leaky_relu(X)})()


def pruned(net):
    prune.l1_unstructured(net[2], "weight", amount=0.3)


def cut(net):
    net[2].weight = nn.Parameter(torch.ones(3, 2))


def not_finite(net):
    nn.init.constant_(net[2].bias, float("inf"))


def large(net):
    nn.init.constant_(net[0].weight, 3e38)


def tied(net):
    net[2].bias = nn.Parameter(net[0].bias[:3])


def transposed(net):
    net[2].weight = nn.Parameter(net[0].weight.T[:3, :4])


def stretched(net):
    net[2].weight = nn.Parameter(torch.ones(3, 1).expand(3, 4))


def mixed(net):
    net[2].bias = nn.Parameter(net[2].bias.double())


def made_in_inference_mode(net):
    with torch.inference_mode():
        net[2] = nn.Linear(4, 3)


def wrapped(wrapper):
    def change(net):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            wrapper(net[2])

    return change


@every_lifted
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (frozen, r"module 2 .*bias is frozen; unfreeze it by network\[2\]"),
        (replaced_forward, "module 1 .*computes something else"),
        (hook, "module 1 .*computes something else"),
        (hook_before, "module 0 .*computes something else"),
        (hook_on_the_network, "the network, Sequential, computes something else"),
        (not_a_tensor, "module 2 .*does not give a tensor"),
        (subclass, "module 1 .*Leaky.* not a proximal activation"),
        (pruned, "module 2 .*weight is computed from other parameters"),
        (wrapped(nn.utils.weight_norm), "module 2 .*weight is computed from other parameters"),
        (wrapped(nn.utils.spectral_norm), "module 2 .*weight is computed from other parameters"),
        (wrapped(parametrizations.orthogonal), "module 2 .*ParametrizedLinear"),
        (cut, r"module 2 .*weight must have shape \(3, 4\)"),
        (not_finite, "module 2 .*bias must be finite"),
        (large, "module 0 .*overflow"),
        (tied, "bias of module 2 .*shares memory with bias of module 0"),
        (transposed, "weight of module 2 .*shares memory with weight of module 0"),
        (stretched, "weight of module 2 .*shares memory with itself"),
        (mixed, "must have the network's dtype .*float64"),
        (made_in_inference_mode, "module 2 .*inference mode"),
    ],
)
def test_a_network_that_is_not_what_its_types_say_is_refused_by_module(change, message, optimizer):
    net = network()
    change(net)
    before = copy.deepcopy(dict(net.named_parameters()))
    with pytest.raises((TypeError, ValueError), match=message) as refusal:
        optimizer(net, *data())
    assert "\n" not in str(refusal.value)
    assert all(torch.equal(value, before[name]) for name, value in net.named_parameters())


@every_lifted
def test_a_network_with_its_own_forward_is_refused_and_one_without_is_trained(optimizer):
    residual = type(
        "Residual", (nn.Sequential,), {"forward": lambda self, X: X[:, :3] + nn.Sequential.forward(self, X)}
    )
    with pytest.raises(TypeError, match="the network, Residual, computes something else"):
        optimizer(residual(*network()), *data())
    optimizer(type("Named", (nn.Sequential,), {})(*network()), *data()).step()


def nested():
    """The network with Flatten before it and its first two modules in an nn.Sequential of their own."""
    first, activation, last = network((6, 4, 3))
    return nn.Sequential(nn.Flatten(), nn.Sequential(first, activation), last)


@pytest.mark.parametrize("optimizer", [*LIFTED, VariableProjection, SolvedLbfgs, *ADAMS])
def test_a_network_of_networks_behind_flatten_trains_as_a_flat_one(optimizer):
    (inputs, targets), flat, deep = data(inputs=6), network((6, 4, 3)), nested()
    histories = []
    for net, rows in ((flat, inputs), (deep, inputs.view(30, 2, 3))):
        made = optimizer(net, rows, targets)
        histories.append(train(net, made, Problem(Split(rows, targets)), 3, validate_every=1).history)
    assert histories[0] == histories[1]
    assert all(map(torch.equal, flat.parameters(), deep.parameters()))


@pytest.mark.parametrize("optimizer", [Badmm, GradientD])
def test_an_activation_inside_a_last_sequential_is_that_of_the_loss(optimizer):
    inputs, targets = data(inputs=6)
    images = inputs.view(30, 2, 3)
    deep = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(6, 3), nn.ReLU()))
    history = train(deep, optimizer(deep, images, targets), Problem(Split(images, targets)), 2).history
    assert history["train_d"][2] < history["train_d"][0]


def flatten_of_another_kind(net):
    net[0] = nn.Flatten(0)


def flatten_later(net):
    net[1].insert(0, nn.Flatten())


def frozen_inside(net):
    net[1][0].requires_grad_(False)


def hook_inside(net):
    hook(net[1])


def hook_on_the_inner_network(net):
    hook_on_the_network(net[1])


@every_lifted
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (flatten_of_another_kind, r"module 0 .*must be nn.Flatten\(\) and stand first"),
        (flatten_later, r"module 1\.0 .*must be nn.Flatten\(\) and stand first"),
        (frozen_inside, r"module 1\.0 .*unfreeze it by network\[1\]\[0\]"),
        (hook_inside, r"module 1\.1 .*computes something else"),
        (hook_on_the_inner_network, "the network, Sequential, computes something else"),
        (lambda net: net.pop(0), r"not \(30, 2, 3\): use inputs.flatten\(1\), or nn.Flatten as the first module"),
    ],
)
def test_a_module_inside_another_is_refused_by_its_position(change, message, optimizer):
    net, (inputs, targets) = nested(), data(inputs=6)
    change(net)
    with pytest.raises((TypeError, ValueError), match=message):
        optimizer(net, inputs.view(30, 2, 3), targets)


def test_a_module_inside_another_that_changes_between_steps_is_named():
    net, (inputs, targets) = nested(), data(inputs=6)
    optimizer = Badmm(net, inputs, targets)
    net[1][0].bias.data += 1
    with pytest.raises(RuntimeError, match=r"module 1\.0 of the network changed"):
        optimizer.step()


@pytest.mark.parametrize("optimizer", [*LIFTED, GradientD])
@pytest.mark.parametrize("which", ["inputs", "targets"])
def test_weights_in_the_memory_of_the_data_are_refused(which, optimizer):
    net = nn.Sequential(nn.Linear(5, 3), nn.ReLU())
    tensors = dict(zip(("inputs", "targets"), data(), strict=True))
    net[0].bias = nn.Parameter(tensors[which].flatten()[2:5])
    with pytest.raises(TypeError, match=f"bias of module 0 .*shares memory with the {which}"):
        optimizer(net, **tensors)


def test_weights_side_by_side_in_one_memory_are_trained():
    net, apart = network(), network()
    memory = nn.utils.parameters_to_vector(net.parameters()).detach()
    nn.utils.vector_to_parameters(memory, net.parameters())
    assert len({parameter.untyped_storage().data_ptr() for parameter in net.parameters()}) == 1
    for each in (net, apart):
        Badmm(each, *data()).step()
    torch.testing.assert_close(nn.utils.parameters_to_vector(apart.parameters()), memory)


def test_hooks_that_only_look_are_no_reason_to_refuse():
    net, seen = network(), []
    net[1].register_forward_hook(lambda module, arguments, output: seen.append(output.shape))
    Badmm(net, *data()).step()
    assert seen


class Slow(nn.Sequential):
    """The same sums in another order."""

    def forward(self, X):
        for module in self:
            if isinstance(module, nn.Linear):
                order = torch.arange(X.shape[1] - 1, -1, -1)
                X = module.bias + (X[:, order] @ module.weight.T[order])
            else:
                X = module(X)
        return X


@given(
    st.integers(1, 600),
    st.integers(1, 400),
    st.sampled_from([1e-30, 1e-3, 1.0, 1e4, 1e12]),
    st.sampled_from([0.0, 1e4]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_rounding_is_no_difference(samples, width, scale, offset, dtype):
    draw = torch.Generator().manual_seed(samples)
    net = Slow(nn.Linear(width, 9), nn.Hardtanh(-1e9, 1e9), nn.Linear(9, width)).to(dtype)
    inputs = (offset + scale * torch.randn(samples, width, generator=draw)).to(dtype)
    LiftedLoss(net, inputs, inputs)


@pytest.mark.parametrize("optimizer", [*LIFTED, TorchOptimizer, Lbfgs])
@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        (lambda X: X.numpy(), "numpy.ndarray: use torch.as_tensor"),
        (lambda X: X.tolist(), "builtins.list: use torch.as_tensor"),
        (lambda X: TensorDataset(X), "TensorDataset"),
        (lambda X: DataLoader(TensorDataset(X)), "DataLoader: .*torch.cat for batches"),
        (lambda X: None, "NoneType"),
        (lambda X: X.to_sparse(), r"sparse_coo: use inputs.to_dense\(\)"),
        (lambda X: torch.nested.as_nested_tensor(list(X), layout=torch.jagged), "nested"),
    ],
)
def test_data_that_is_no_dense_tensor_is_refused_with_what_to_do(kind, hint, optimizer):
    inputs, targets = data()
    settings = {"algorithm": "sgd", "learning_rate": 0.1} if optimizer is TorchOptimizer else {}
    with pytest.raises(TypeError, match=f"inputs must be .*{hint}"):
        optimizer(network(), kind(inputs), targets, **settings)


@every_lifted
@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (
            lambda X, Y: (X, Y[:, 0].long()),
            r"targets must have shape \(N, 3\).*use nn.functional.one_hot\(targets, 3\)",
        ),
        (lambda X, Y: (X[:, 0], Y), r"inputs must have shape \(N, 5\).*use inputs\[:, None\]"),
        (lambda X, Y: (X[:0], Y[:0]), "inputs must have shape .*N >= 1"),
        (lambda X, Y: (X.long(), Y), r"int64 on cpu: use inputs.to\('cpu', torch.float32\)"),
        (lambda X, Y: (X, Y + 0j), "targets must have the network's dtype .*complex64"),
        (lambda X, Y: (X, Y.double().numpy()), "targets must be one torch.Tensor"),
    ],
)
def test_data_of_another_form_is_refused_with_what_to_do(change, hint, optimizer):
    with pytest.raises((TypeError, ValueError), match=hint) as refusal:
        optimizer(network(), *change(*data()))
    assert "\n" not in str(refusal.value)


def in_inference_mode(X):
    with torch.inference_mode():
        return X.clone()


@pytest.mark.parametrize("optimizer", LIFTED)
@pytest.mark.parametrize(
    "view",
    [
        lambda X: X.T.contiguous().T,
        lambda X: torch.stack([X, X], 1).flatten(0, 1)[::2],
        lambda X: X.clone().requires_grad_(),
        lambda X: X.clone().requires_grad_() * 1.0,
        lambda X: nn.Parameter(X),
        lambda X: in_inference_mode(X),
        lambda X: torch.from_numpy(np.asfortranarray(X.numpy())),
    ],
    ids=["transposed", "strided", "leaf", "graph", "parameter", "inference", "fortran"],
)
@pytest.mark.parametrize("fast", [True, False])
def test_every_view_of_the_same_data_trains_alike(fast, view, optimizer):
    settings = {"fast": fast} if optimizer is Badmm else {}
    trained = []
    for change in (lambda X: X, view):
        net = network()
        made = optimizer(net, *map(change, data()), **settings)
        for _ in range(3):
            made.step()
        assert all(isinstance(value, float) for value in made.diagnostics().values())
        trained.append(nn.utils.parameters_to_vector(net.parameters()))
    torch.testing.assert_close(*trained)


@every_lifted
def test_a_row_stretched_over_all_samples_is_data(optimizer):
    inputs, targets = data()
    optimizer(network(), inputs[:1].expand(30, 5), targets[:1].expand(30, 3)).step()


def test_an_optimizer_made_in_inference_mode_trains_outside_it_and_the_other_way_round():
    for made_within, stepped_within in ((True, False), (False, True)):
        net = network()
        with torch.inference_mode(made_within):
            optimizer = Badmm(net, *data())
        for within in (stepped_within, not stepped_within, stepped_within):
            with torch.inference_mode(within):
                optimizer.step()


def test_inputs_with_a_graph_do_not_keep_it():
    base = torch.randn(30, 5, requires_grad=True)
    optimizer = Badmm(network(), base * 2, data()[1])
    assert optimizer.lifted.X[0].grad_fn is None


def test_torch_optimizers_refuse_targets_that_torch_would_stretch():
    inputs, targets = data()
    optimizer = TorchOptimizer(network(), inputs, targets[:, :1], algorithm="sgd", learning_rate=0.1)
    with pytest.raises(ValueError, match=r"shape of the network's outputs, \(30, 3\), not \(30, 1\)"):
        optimizer.step()
    with pytest.raises(ValueError, match="targets must have N >= 1 rows"):
        TorchOptimizer(network(), inputs, targets[:, 0], algorithm="sgd", learning_rate=0.1)
