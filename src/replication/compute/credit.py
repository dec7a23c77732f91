"""What reaches each layer: a method's change of the weights beside backpropagation's gradient."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from nonsmooth.linear import squared_norm
from replication.parameters import Parameters
from replication.run import assemble, draw


def answer(run: dict, iterations: list[int], seeds: list[int], *, root: str | Path, published: list[str]) -> dict:
    """Train with every seed and look at the iterations that are named: "seeds", a list of dictionaries.

    Each has "seed", "iteration", and by layer, the first one first, a list over iterations: "cosine", between the
    change of W_l and minus the gradient of the network's loss before it; "share", what of that gradient is in the
    change, in units of the layer's step |[X_{l-1}, 1]|^-2 and of the last layer's own share. None where nothing moved.
    "differs": likewise by hidden layer, the method's own diagnostics (peers.signals); empty where it has none. run:
    parameters.
    """
    del published
    parameters = Parameters(**run)
    return {"seeds": [_followed(parameters.but(seed=seed), iterations, root) for seed in seeds]}


def _followed(run: Parameters, iterations: Sequence[int], root: str | Path) -> dict:
    assembly = assemble(run, draw(root, run.seed, run))
    layers = [module for module in assembly.network if isinstance(module, nn.Linear)]
    cosine: list[list] = [[] for _ in layers]
    share: list[list] = [[] for _ in layers]
    differs: dict[str, list] = {}
    for iteration in range(1, max(iterations) + 1):
        if iteration not in iterations:
            assembly.optimizer.step()
            continue
        gradients, norms = _gradients(assembly.network, layers, *assembly.problem.training)
        before = [layer.weight.detach().clone() for layer in layers]
        assembly.optimizer.step()
        changes = [layer.weight.detach() - old for layer, old in zip(layers, before, strict=True)]
        shares = [_of(change, g, g) * norm for change, g, norm in zip(changes, gradients, norms, strict=True)]
        for number, (change, gradient) in enumerate(zip(changes, gradients, strict=True)):
            moved = bool(change.any())
            cosine[number].append(_of(change, gradient, change) if moved else None)
            share[number].append(shares[number] / shares[-1] if moved and shares[-1] else None)
        for name, value in assembly.optimizer.diagnostics().items():
            if name.startswith("differs_"):
                differs.setdefault(name, []).append(value)
    return {
        "seed": run.seed,
        "iteration": list(iterations),
        "cosine": cosine,
        "share": share,
        "differs": list(differs.values()),
    }


def _of(change: Tensor, gradient: Tensor, other: Tensor) -> float:
    """-<change, gradient> / (|gradient| |other|); 0 where one of them is 0."""
    length = (gradient.norm() * other.norm()).item()
    return -(change * gradient).sum().item() / length if length else 0.0


def _gradients(
    network: nn.Sequential, layers: list[nn.Linear], inputs: Tensor, targets: Tensor
) -> tuple[list[Tensor], list[float]]:
    """By layer the gradient of 1/2 |Y - f(X)|^2 in W_l, and |[X_{l-1}, 1]|^2 of the network."""
    norms, X = [], inputs
    for module in network:
        if isinstance(module, nn.Linear):
            norms.append(squared_norm(X.detach(), module.bias is not None).item())
        X = module(X)
    loss = (targets - X).square().sum() / 2
    return list(torch.autograd.grad(loss, [layer.weight for layer in layers])), norms
