"""What lifted training is compared with, behind the same small protocol: torch.optim, L-BFGS, gradient descent on D."""

import inspect
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nonsmooth import bregman
from nonsmooth.checks import check_choice, check_count, check_finite, check_range, check_switch, check_tensor
from nonsmooth.contract import Trainer, in_setup, reading
from nonsmooth.lifting import checked
from nonsmooth.linear import spectral_norm, with_ones
from nonsmooth.muon import Muon
from nonsmooth.processes import Group, summed


def _betas(algorithm: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """Adam with a keyword for each of its numbers. torch's own names, `betas` and `eps`, take precedence."""

    def build(parameters, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, **options):
        return algorithm(parameters, **{"betas": (beta1, beta2), "eps": epsilon} | options)

    return build


ALGORITHMS = {
    "sgd": torch.optim.SGD,
    "adam": _betas(torch.optim.Adam),
    "adamw": _betas(torch.optim.AdamW),
    "muon": Muon,
}


def _check_options(algorithm: str, options: dict[str, object]) -> None:
    """Raise TypeError for another type than the algorithm's own; which values it may have is left to PyTorch."""
    own = inspect.signature(ALGORITHMS[algorithm]).parameters
    for name, value in options.items():
        default = own[name].default if name in own else None
        if isinstance(default, bool):
            check_switch(name, value)
        elif isinstance(default, float | int):
            check_range(name, value, "{}")


def _check_samples(inputs: Tensor, targets: Tensor) -> None:
    """Raise TypeError or ValueError unless both are finite tensors with a row for each of N >= 1 samples."""
    for name, data in (("inputs", inputs), ("targets", targets)):
        check_tensor(name, data)
        if data.ndim < 2 or len(data) != len(inputs) or not len(data):
            raise ValueError(f"{name} must have N >= 1 rows, one a sample, not shape {tuple(data.shape)}")
        check_finite(name, data)


def _squared_error(outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """F.mse_loss. Raises ValueError for shapes that differ, which torch would stretch to each other."""
    if outputs.shape != targets.shape:
        shapes = f"{tuple(outputs.shape)}, not {tuple(targets.shape)}"
        raise ValueError(f"targets must have the shape of the network's outputs, {shapes}")
    return nn.functional.mse_loss(outputs, targets, reduction=reduction)


class TorchOptimizer(Trainer):
    """Trains any network in place on F.mse_loss, full-batch or on mini-batches.

    algorithm: of ALGORITHMS; `options` go to it as they are (momentum, nesterov, weight_decay, ...). Adam takes beta1,
        beta2 and epsilon as well.
    learning_rate: positive, for the mean (not the sum) of squared errors over samples and outputs.
    batch_size: samples in a mini-batch, or None for all of them. Mini-batches are drawn without replacement from
        `generator`, reshuffled when an epoch ends; they must not come from torch's global generator.
    epochs: when true, one `step()` is an epoch; else it is one (mini-)batch.
    group: processes that share the samples, each with its own rows; their gradients are summed. Full-batch alone.

    Raises ValueError for a setting outside its range.
    """

    step_sizes = ("learning_rate",)
    keeps_data = False

    @in_setup
    def __init__(
        self,
        network: nn.Module,
        inputs: Tensor,
        targets: Tensor,
        *,
        algorithm: str,
        learning_rate: float,
        batch_size: int | None = None,
        epochs: bool = False,
        generator: torch.Generator | None = None,
        group: Group = None,
        **options,
    ):
        check_range("learning_rate", learning_rate, "0 < {} < inf")
        check_switch("epochs", epochs)
        check_choice("algorithm", algorithm, tuple(ALGORITHMS))
        _check_options(algorithm, options)
        _check_samples(inputs, targets)
        size = len(inputs) if batch_size is None else batch_size
        check_count("batch_size", size, 1, len(inputs))
        if size < len(inputs) and generator is None:
            raise ValueError(f"generator = None: mini-batches (batch_size = {size}) are drawn from a generator")
        if group is not None and size != len(inputs):
            raise ValueError(f"batch_size = {size}: several processes train on all samples at once, with null")
        self.network, self.inputs, self.targets, self.group = network, inputs, targets, group
        self.count = int(summed(torch.tensor(targets.numel(), device=targets.device), group))
        self.size, self.epochs, self.generator = size, epochs, generator
        self.learning_rate = learning_rate
        self.optimizer = ALGORITHMS[algorithm](network.parameters(), lr=learning_rate, **options)
        self._watch(network, inputs, targets, group)
        self._waiting: list[Tensor] = []

    def _next_batch(self) -> tuple[Tensor, Tensor]:
        if self.size == len(self.inputs):
            return self.inputs, self.targets
        if not self._waiting:
            order = torch.randperm(len(self.inputs), generator=self.generator, device=self.generator.device)
            order = order.to(self.inputs.device)
            self._waiting = list(order.split(self.size))[::-1]
        chosen = self._waiting.pop()
        return self.inputs[chosen], self.targets[chosen]

    def _iterate(self) -> None:
        """One step of the algorithm, or one epoch of them."""
        for _ in range(-(-len(self.inputs) // self.size) if self.epochs else 1):
            inputs, targets = self._next_batch()
            self.optimizer.zero_grad()
            if self.group is None:
                _squared_error(self.network(inputs), targets).backward()
            else:
                (_squared_error(self.network(inputs), targets, "sum") / self.count).backward()
                for parameter in self.network.parameters():
                    summed(parameter.grad, self.group)
            self.optimizer.step()

    @reading
    def diagnostics(self) -> dict[str, float]:
        """Nothing: it keeps nothing that the loop cannot see."""
        return {}


class WarmupCosine(TorchOptimizer):
    """`TorchOptimizer` with a learning rate that rises linearly to `learning_rate`, then falls to zero as a cosine.

    The rise takes the first tenth of the iterations. Source of the cosine: Loshchilov and Hutter, SGDR: Stochastic
    Gradient Descent with Warm Restarts, ICLR 2017; here without restarts.

    algorithm: of torch.optim. decay_over: iterations until the rate is zero, at least 1. Later iterations change
        nothing. All else is that of `TorchOptimizer`.
    """

    @in_setup
    def __init__(self, network: nn.Module, inputs: Tensor, targets: Tensor, *, decay_over: int, **settings):
        check_count("decay_over", decay_over)
        super().__init__(network, inputs, targets, **settings)
        self.decay_over = decay_over
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._share)

    def _share(self, iteration: int) -> float:
        """The learning rate of an iteration, counted from 0, as a share of the highest."""
        rise = self.decay_over // 10
        if iteration < rise:
            return (iteration + 1) / rise
        fallen = min((iteration - rise) / (self.decay_over - rise), 1.0)
        return (1 + math.cos(math.pi * fallen)) / 2

    def _iterate(self) -> None:
        super()._iterate()
        self.schedule.step()


class Lbfgs(Trainer):
    """Trains any network in place on the squared error, full-batch, by torch.optim.LBFGS.

    The loss is a mean over samples and a sum over outputs: as small as the mean over both is, torch's fixed thresholds
    would stop it. After an iteration without descent it starts with an empty memory.

    An iteration evaluates the gradient once, and again at each trial length of its line search (strong Wolfe, at most
    25): `diagnostics` counts them.

    history_size: pairs of differences that it keeps. One `step()` is one iteration. Raises ValueError for a setting
    outside its range.
    """

    @in_setup
    def __init__(self, network: nn.Module, inputs: Tensor, targets: Tensor, *, history_size: int = 10):
        check_count("history_size", history_size)
        _check_samples(inputs, targets)
        self.network, self.inputs, self.targets = network, inputs, targets
        self.optimizer = torch.optim.LBFGS(
            network.parameters(),
            max_iter=1,
            max_eval=26,  # torch's default of 1.25 leaves the line search none
            history_size=history_size,
            line_search_fn="strong_wolfe",
            tolerance_grad=0,
            tolerance_change=0,
        )
        self._last = float("inf")
        self._evaluations = 0
        self._watch(network, inputs, targets)

    def _loss(self) -> Tensor:
        self._evaluations += 1
        self.optimizer.zero_grad()
        loss = _squared_error(self.network(self.inputs), self.targets) * self.targets.shape[1]
        loss.backward()
        return loss

    def _iterate(self) -> None:
        loss = self.optimizer.step(self._loss).item()  # at the start of the iteration
        if loss >= self._last:
            self.optimizer.state.clear()
        self._last = loss

    @reading
    def diagnostics(self) -> dict[str, float]:
        """gradient_evaluations: of all iterations together."""
        return {"gradient_evaluations": float(self._evaluations)}


class GradientD(Trainer):
    """Trains one nn.Linear behind one proximal activation in place, by gradient descent on the Bregman distance D.

    This is Generalised Perceptron Learning (arXiv 2012.03642): no splitting, the control for the perceptron. With
    a = X w + b the objective sum_i D(y_i, sigma(a_i)) is convex in (w, b), and its gradient [X, 1]^T (sigma(a) - y)
    needs no derivative of the activation.

    tau_w is the step in units of 1 / |[X, 1]|^2 (spectral norm; without the ones column where there is no bias): in
    (0, 2), where gradient descent on D descends. `network`, `inputs` and `targets` are those of `Badmm`, and so are
    the errors; a TypeError says so when the network has more than one affine map or no activation behind it.
    """

    step_sizes = ("tau_w",)

    @in_setup
    def __init__(self, network: nn.Sequential, inputs: Tensor, targets: Tensor, *, tau_w: float = 1.9):
        check_range("tau_w", tau_w, "0 < {} < 2")
        pairs, self.inputs, self.targets = checked(network, inputs, targets)
        if len(pairs) != 1 or pairs[0][1] is None:
            form = " ".join(str(network).split())
            raise TypeError(f"GradientD trains one nn.Linear followed by a proximal activation, not {form}")
        self.tau_w, (self.linear, self.activation) = tau_w, pairs[0]
        norm = spectral_norm(with_ones(self.inputs.double(), self.linear.bias is not None)).item() ** 2
        self.step_size = tau_w / norm if norm > 0 else 0.0
        self._watch(network, inputs, targets)

    @torch.no_grad()
    def _iterate(self) -> None:
        """One gradient step on sum_i D(y_i, sigma(a_i))."""
        gradient = bregman.gradient(self.activation, self.targets, self.linear(self.inputs))
        self.linear.weight.addmm_(gradient.T, self.inputs, alpha=-self.step_size)
        if self.linear.bias is not None:
            self.linear.bias.sub_(gradient.sum(0), alpha=self.step_size)

    @reading
    def diagnostics(self) -> dict[str, float]:
        """lifted_loss: sum_i D(y_i, sigma(a_i)) / N."""
        distances = bregman.distance(self.activation, self.targets, self.linear(self.inputs))
        return {"lifted_loss": distances.sum().item() / len(self.inputs)}
