"""What every optimizer promises: settings that stay, divergence in words, and of Badmm states, copies and refusals."""

import copy
import multiprocessing
import pickle
from functools import partial
from io import BytesIO
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import prune

from nonsmooth import (
    Badmm,
    Foof,
    GaussNewton,
    GradientD,
    Layerwise,
    Lbfgs,
    LiftedLoss,
    LiftedTargets,
    Problem,
    SolvedAdam,
    SolvedLbfgs,
    Split,
    TorchOptimizer,
    UnitsOnAdam,
    VariableProjection,
    WarmupCosine,
    train,
)

FORMS = {
    "usual": {},
    "plain": {"fast": False},
    "general": {"tau_m": 0.9, "delta": 0.7, "ridge": 0.2, "order": "zxwm"},
    "general, plain": {"tau_m": 0.9, "delta": 0.7, "ridge": 0.2, "order": "zxwm", "fast": False},
    "another delta": {"delta": 0.6},
    "another delta, exact": {"delta": 0.6, "weight_step": "least_squares"},
    "exact": {"weight_step": "least_squares"},
    "exact, plain": {"weight_step": "least_squares", "fast": False},
    "momentum": {"momentum": 0.6, "delta": 0.6},
    "momentum, plain": {"momentum": 0.6, "fast": False},
}
every_form = pytest.mark.parametrize("form", FORMS)


def network(hidden=(4,), last=None, bias=True):
    torch.manual_seed(0)
    sizes = [5, *hidden, 3]
    modules = [module for pair in pairwise(sizes) for module in (nn.Linear(*pair, bias=bias), nn.ReLU())]
    return nn.Sequential(*modules[:-1], *([last] if last else []))


def data():
    draw = torch.Generator().manual_seed(1)
    return torch.randn(30, 5, generator=draw), torch.rand(30, 3, generator=draw)


def run(optimizer, iterations=3):
    for _ in range(iterations):
        optimizer.step()
    return optimizer


def values(optimizer):
    """Weights and lifted variables."""
    layers = optimizer.lifted.layers
    lifted = [value.clone() for layer in layers for value in optimizer.lifted.variables(layer)]
    return [value.detach().clone() for value in optimizer.network.parameters()] + lifted


def assert_equal(some, others):
    assert all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (Badmm, ["tau_w", "tau_x", "tau_z", "tau_m", "delta", "ridge", "momentum"]),
        (Badmm, ["order", "weight_step", "fast", "group"]),
        (LiftedLoss, ["tau_w", "tau_x", "beta", "weight_step", "momentum"]),
        (LiftedTargets, ["tau", "eta", "damping", "momentum", "ridge"]),
        (Layerwise, ["tau_w", "mask"]),
        (Foof, ["learning_rate", "damping", "momentum"]),
        (GaussNewton, ["learning_rate", "damping", "momentum"]),
        (VariableProjection, ["tau_w", "momentum"]),
        (partial(TorchOptimizer, algorithm="sgd", learning_rate=0.1), ["learning_rate", "size", "epochs"]),
        (partial(WarmupCosine, algorithm="sgd", learning_rate=0.1, decay_over=9), ["learning_rate", "decay_over"]),
    ],
)
def test_a_setting_cannot_change_on_the_way(make, settings):
    optimizer = make(network(), *data())
    for name in settings:
        with pytest.raises(AttributeError, match=f"{name} of .* cannot change; a new .* goes on"):
            setattr(optimizer, name, 0.5)
    optimizer.step()


def test_gradient_descent_on_d_too():
    with pytest.raises(AttributeError, match="tau_w of GradientD cannot change"):
        GradientD(network((), nn.ReLU()), *data()).tau_w = 1.0


def clamped(net):
    for parameter in net.parameters():
        parameter.data.clamp_(-0.1, 0.1)


def loaded(net):
    net.load_state_dict({name: value / 2 for name, value in net.state_dict().items()})


def permuted(net):
    with torch.no_grad():
        net[2].weight.copy_(net[2].weight.flip(0))


def replaced(net):
    net[2].weight = nn.Parameter(net[2].weight.detach().clone())


def frozen(net):
    net[2].requires_grad_(False)


def doubled(net):
    net[2].double()


def another_module(net):
    net[2] = copy.deepcopy(net[2])


def longer(net):
    net.append(nn.ReLU())


def another_bound(net):
    net[1].max_val = 2.0


def pruned(net):
    prune.identity(net[2], "weight")


@pytest.mark.parametrize("form", ["usual", "general", "exact"])
@pytest.mark.parametrize(
    ("change", "name"),
    [
        (clamped, "module 0 of the network"),
        (loaded, "module 0 of the network"),
        (permuted, "module 2 of the network"),
        (replaced, "module 2 of the network"),
        (frozen, "module 2 of the network"),
        (doubled, "module 2 of the network"),
        (another_module, "module 2 of the network"),
        (longer, "module 3 of the network"),
        (another_bound, "module 1 of the network"),
        (pruned, "module 2 of the network"),
    ],
)
def test_a_network_changed_between_two_steps_is_refused_by_module(change, name, form):
    net = network()
    net[1] = nn.Hardtanh(0.0, 1.0)
    optimizer = run(Badmm(net, *data(), **FORMS[form]))
    change(net)
    for use in (optimizer.step, optimizer.state_dict):
        with pytest.raises(RuntimeError, match=f"{name} changed since the last step"):
            use()


@pytest.mark.parametrize("number", [0, 1])
def test_data_changed_between_two_steps_is_refused(number):
    tensors = data()
    optimizer = run(Badmm(network(), *tensors))
    tensors[number].mul_(2)
    with pytest.raises(RuntimeError, match=f"{['inputs', 'targets'][number]} changed since"):
        optimizer.step()


def test_weights_changed_between_plain_steps_are_those_of_the_next_step():
    net = network()
    optimizer = run(Badmm(net, *data(), fast=False))
    clamped(net)
    optimizer.step()


@every_form
def test_a_step_that_was_interrupted_is_refused_until_a_state_is_loaded(form, monkeypatch):
    optimizer = run(Badmm(network(), *data(), **FORMS[form]))
    state = optimizer.state_dict()
    expected = values(run(optimizer))

    def interrupt():
        raise KeyboardInterrupt

    block = optimizer._blocks["x"]
    monkeypatch.setitem(optimizer._blocks, "x", interrupt)
    with pytest.raises(KeyboardInterrupt):
        optimizer.step()
    monkeypatch.setitem(optimizer._blocks, "x", block)
    with pytest.raises(RuntimeError, match="did not end"):
        optimizer.step()
    optimizer.load_state_dict(state)
    assert_equal(values(run(optimizer)), expected)


def go_on(folder):
    torch.set_num_threads(1)
    for form, chosen in FORMS.items():
        optimizer = Badmm(network(), *data(), **chosen)
        optimizer.load_state_dict(load_file(folder / form))
        save_file(run(optimizer).state_dict(), folder / form)


@settings(max_examples=40)
@given(
    st.sampled_from([(), (4,), (4, 6), (40,)]),
    st.sampled_from([None, nn.ReLU(), nn.Identity()]),
    st.booleans(),
    st.sampled_from(["gradient", "least_squares", "least_squares_first", "least_squares_last"]),
    st.sampled_from(["zwxm", "zxwm"]),
    st.sampled_from([(1.0, 1.0), (1.0, 0.8), (0.7, 1.0), (0.7, 0.0)]),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([0.0, 0.6]),
    st.booleans(),
    st.sampled_from([0, 1, 7, 40]),
)
def test_training_goes_on_from_a_state_bit_for_bit(
    hidden, last, bias, weight_step, order, delta_and_tau_m, ridge, momentum, fast, before
):
    chosen = {"weight_step": weight_step, "order": order, "ridge": ridge, "momentum": momentum}
    chosen |= dict(zip(("delta", "tau_m"), delta_and_tau_m, strict=True))
    first = run(Badmm(network(hidden, last, bias), *data(), fast=fast, **chosen), before)
    state = first.state_dict()
    other = network(hidden, last, bias)
    nn.init.ones_(other[0].weight)
    second = run(Badmm(other, *data(), fast=fast, **chosen), 2)
    second.load_state_dict(state)
    assert_equal(values(first), values(second))
    assert_equal(values(run(first, 4)), values(run(second, 4)))


@pytest.mark.slow
def test_another_process_goes_on_from_a_file_bit_for_bit(tmp_path):
    optimizers = {form: run(Badmm(network(), *data(), **chosen)) for form, chosen in FORMS.items()}
    for form, optimizer in optimizers.items():
        save_file(optimizer.state_dict(), tmp_path / form)
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=go_on, args=(tmp_path,))
    process.start()
    process.join()
    for form, optimizer in optimizers.items():
        state, expected = load_file(tmp_path / form), run(optimizer).state_dict()
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], value) for name, value in expected.items())


@every_form
def test_a_state_is_a_copy(form):
    optimizer = run(Badmm(network(), *data(), **FORMS[form]))
    state = optimizer.state_dict()
    kept = copy.deepcopy(state)
    run(optimizer)
    assert all(torch.equal(state[name], value) for name, value in kept.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau_w": 0.5}, "tau_w is 1.3 in the state and 0.5 here"),
        ({"delta": 0.7}, "delta is 1.0 in the state and 0.7 here"),
        ({"momentum": 0.5}, "momentum is 0.0 in the state and 0.5 here"),
        ({"fast": False}, "fast is True in the state and False here"),
        ({"order": "zxwm"}, "order is zwxm in the state and zxwm here"),
        ({"weight_step": "least_squares"}, "weight_step is gradient in the state and least_squares here"),
    ],
)
def test_a_state_of_another_setting_is_refused_by_name(changes, message):
    state = run(Badmm(network(), *data())).state_dict()
    optimizer = run(Badmm(network(), *data(), **changes))
    before = values(optimizer)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert_equal(values(optimizer), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("X_1"), "X_1 is missing in the state and torch.float32 of shape"),
        (lambda state: state.update(Q=torch.ones(2)), "Q is torch.float32 .* in the state and missing here"),
        (lambda state: state.update(W_1=state["W_1"].T), r"W_1 is .*\(5, 4\) in the state and .*\(4, 5\) here"),
        (lambda state: state.update(b_1=state["b_1"].double()), "b_1 is torch.float64"),
        (lambda state: state.pop("tau_z"), "the state has no tau_z"),
    ],
)
def test_a_state_of_another_form_is_refused_by_name(change, message):
    optimizer = run(Badmm(network(), *data()))
    state = optimizer.state_dict()
    change(state)
    before = values(optimizer)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert_equal(values(optimizer), before)


def pickled(value):
    return pickle.loads(pickle.dumps(value))


def saved(value):
    file = BytesIO()
    torch.save(value, file)
    return torch.load(BytesIO(file.getvalue()), weights_only=False)


def one_process_more(optimizer, connection):
    connection.send([value.detach().numpy() for value in values(run(optimizer))])


@every_form
@pytest.mark.parametrize("copied", [copy.deepcopy, pickled, saved])
def test_a_copy_trains_its_own_network_to_the_same_bits(copied, form):
    optimizer = run(Badmm(network(), *data(), **FORMS[form]))
    before = values(optimizer)
    net, other = copied((optimizer.network, optimizer))
    assert other.network is net
    run(other)
    assert_equal(values(optimizer), before)
    assert_equal(values(run(optimizer)), values(other))


@every_form
def test_a_shallow_copy_has_the_same_network_and_its_own_variables(form):
    optimizer = run(Badmm(network(), *data(), **FORMS[form]))
    expected = values(run(copy.deepcopy(optimizer)))
    other = run(copy.copy(optimizer))
    assert other.network is optimizer.network
    assert_equal(values(other), expected)
    if optimizer.fast:
        with pytest.raises(RuntimeError, match="module 0 of the network changed"):
            optimizer.step()


def test_the_copy_of_one_of_several_processes_is_refused(monkeypatch):
    optimizer = Badmm(network(), *data())
    vars(optimizer)["group"] = object()
    with pytest.raises(TypeError, match="use state_dict in each"):
        copy.deepcopy(optimizer)


@every_form
def test_a_forked_process_leaves_the_first_one_alone(form):
    optimizer = run(Badmm(network(), *data(), **FORMS[form]))
    before = values(optimizer)
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    child = fork.Process(target=one_process_more, args=(optimizer, there))
    child.start()
    there.close()
    results = [torch.from_numpy(value) for value in here.recv()]
    child.join()
    assert_equal(values(optimizer), before)
    assert_equal(values(run(optimizer)), results)


ADAM = partial(TorchOptimizer, algorithm="adam", learning_rate=0.1)


@pytest.mark.parametrize("make", [LiftedLoss, partial(LiftedLoss, momentum=0.6), Layerwise, Foof, ADAM])
@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_other_optimizers_are_copied_with_their_network(copied, make):
    net = network()
    optimizer = run(make(net, *data()))
    other_net, other = copied((net, optimizer))
    run(optimizer), run(other)
    assert_equal(net.parameters(), other_net.parameters())


def diverging(fast, hidden, last, weight_step="gradient"):
    """Far outside the safe region, and inside every range."""
    return Badmm(network(hidden, last), *data(), weight_step=weight_step, tau_w=1.99, tau_z=0.02, tau_x=1.99, fast=fast)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("hidden", "last"), [((), nn.ReLU()), ((4,), nn.ReLU()), ((6, 4), nn.ReLU())])
def test_badmm_names_the_steps_before_anything_is_infinite(fast, hidden, last):
    optimizer = diverging(fast, hidden, last)
    with pytest.raises(torch.linalg.LinAlgError, match=r"Badmm diverged: .*lower tau_w = 1\.99, then tau_x") as error:
        run(optimizer, 5000)
    assert "\n" not in str(error.value)
    with pytest.raises(RuntimeError, match="did not end"):
        optimizer.step()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e17])
@pytest.mark.parametrize(
    ("make", "hidden", "advice"),
    [
        (Badmm, (4,), "lower tau_w = 1.3"),
        (partial(Badmm, fast=False), (), "lower tau_w = 1.3"),
        (partial(Badmm, weight_step="least_squares"), (4, 4), "lower tau_x = 1"),
        (partial(Badmm, weight_step="least_squares", fast=False), (4,), "lower tau_x = 1"),
        (LiftedLoss, (4,), "lower tau_w = 1.3"),
        (LiftedTargets, (4,), "scale inputs"),
        (Layerwise, (4,), "lower tau_w = 1"),
        (VariableProjection, (4,), "lower tau_w = 1"),
        (Foof, (4,), "lower learning_rate = 0.1"),
        (GaussNewton, (4,), "lower learning_rate = 0.1"),
        (GradientD, (), "lower tau_w = 1.9"),
        (partial(TorchOptimizer, algorithm="sgd", learning_rate=0.1), (4,), "lower learning_rate = 0.1"),
        (Lbfgs, (), "scale inputs"),
        (SolvedLbfgs, (4,), "scale inputs"),
        (partial(SolvedAdam, learning_rate=0.1), (4,), "lower learning_rate = 0.1"),
        (partial(UnitsOnAdam, learning_rate=0.1), (4,), "lower learning_rate = 0.1"),
    ],
)
def test_every_method_tells_weights_that_are_lost(value, make, hidden, advice):
    net = network(hidden, None if hidden else nn.ReLU())
    optimizer = make(net, *data())
    with torch.no_grad():
        net[0].bias.fill_(value)
    with pytest.raises(torch.linalg.LinAlgError, match=f"diverged: .*{advice}"):
        optimizer.step()


def test_small_data_may_need_large_weights():
    inputs, targets = data()
    net = network((), nn.ReLU(), bias=False)
    run(Badmm(net, inputs * 1e-14, targets, weight_step="least_squares"), 20)
    assert net[0].weight.abs().max() > 1e12


@pytest.mark.filterwarnings("ignore:iteration")  # before it diverges it drifts
@pytest.mark.parametrize("every", [1, 1000])
def test_training_gives_the_reason_and_reports_it(every):
    optimizer, lines = diverging(True, (), nn.ReLU()), []
    training = train(optimizer.network, optimizer, Problem(Split(*data())), 5000, lines.append, every=every)
    assert training.status == "diverged"
    assert "lower tau_w = 1.99" in training.reason
    assert lines[-1].endswith(training.reason)


def test_training_that_ends_well_has_no_reason():
    net = network()
    assert train(net, Badmm(net, *data()), Problem(Split(*data())), 3).reason is None


RESUMABLE = pytest.mark.parametrize("make", [Badmm, partial(Badmm, fast=False), LiftedTargets])


@RESUMABLE
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_state_that_is_not_finite_is_refused_by_its_entry_before_any_change(make, value):
    optimizer = run(make(network(), *data()))
    good = optimizer.state_dict()
    for name in [name for name, entry in good.items() if entry.is_floating_point() and entry.ndim]:
        state = {key: entry.clone() for key, entry in good.items()}
        state[name].view(-1)[0] = value
        with pytest.raises(ValueError, match=f"^{name} of the state must be finite"):
            optimizer.load_state_dict(state)
        assert_equal(good.values(), optimizer.state_dict().values())


@RESUMABLE
@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (lambda state: None, "a dictionary of tensors, not NoneType"),
        (lambda state: "state.pt", "a dictionary of tensors, not str"),
        (lambda state: {name: value.numpy() for name, value in state.items()}, "must be a torch.Tensor, not ndarray"),
        (lambda state: {name: value.tolist() for name, value in state.items()}, "must be a torch.Tensor, not "),
    ],
)
def test_what_is_no_state_is_refused(make, turn, words):
    optimizer = run(make(network(), *data()))
    with pytest.raises(TypeError, match=words):
        optimizer.load_state_dict(turn(optimizer.state_dict()))
    optimizer.step()


@RESUMABLE
def test_a_state_of_any_strides_fits_safetensors(make, tmp_path):
    x, y = data()
    net = network()
    net[0].weight = nn.Parameter(net[0].weight.detach().T.contiguous().T)
    optimizer = run(make(net, x.T.contiguous().T, y.T.contiguous().T))
    save_file(optimizer.state_dict(), tmp_path / "state.safetensors")
    optimizer.load_state_dict(load_file(tmp_path / "state.safetensors"))
    optimizer.step()


@pytest.mark.parametrize("make", [Badmm, LiftedTargets])
@pytest.mark.parametrize("seed", range(8))
def test_units_in_another_order_are_noticed_though_data_hides_the_change(make, seed):
    net = network()
    optimizer = run(make(net, *data()))
    order = torch.randperm(4, generator=torch.Generator().manual_seed(seed))
    if torch.equal(order, torch.arange(4)):
        order = order.flip(0)
    net[0].weight.data = net[0].weight.data[order].clone()
    with pytest.raises(RuntimeError, match="module 0 of the network changed"):
        optimizer.step()
