"""Networks as the configuration describes them: affine maps and proximal activations in an nn.Sequential."""

import torch
from torch import nn

from replication.seeds import generator

ACTIVATIONS = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "ramp": lambda: nn.Hardtanh(0.0, 1.0),
    "hardtanh": nn.Hardtanh,
    "softshrink": nn.Softshrink,
    "identity": nn.Identity,
}
INITIALIZATIONS = ("torch", "he_normal", "normal")


def build(
    sizes: tuple[int, int],
    *,
    seed: int,
    dtype: str,
    hidden: list[int],
    activation: str,
    output_activation: str | None,
    bias: bool,
    initialization: str,
    scale: float,
) -> nn.Sequential:
    """A network from sizes[0] inputs over the `hidden` sizes to sizes[1] outputs.

    Initial weights come from the stream "weights" of `seed`, drawn in float64 whatever `dtype` is:
    "torch": uniform in +-1/sqrt(in) for weights and biases, nn.Linear's own rule;
    "he_normal": Gaussian of standard deviation sqrt(2 / in), biases zero;
    "normal": standard Gaussian, biases zero.
    Weights and biases are multiplied by `scale`.
    """
    draw = generator(seed, "weights")
    widths = [sizes[0], *hidden, sizes[1]]
    names = [activation] * len(hidden) + [output_activation]
    modules: list[nn.Module] = []
    for inputs, outputs, name in zip(widths[:-1], widths[1:], names, strict=True):
        with torch.random.fork_rng(devices=[]):  # nn.Linear draws from the global generator, which stays as it was
            linear = nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64, device="cpu")
        with torch.no_grad():
            if initialization == "torch":
                for parameter in linear.parameters():
                    parameter.uniform_(-(inputs**-0.5), inputs**-0.5, generator=draw)
            else:
                deviation = {"he_normal": (2 / inputs) ** 0.5, "normal": 1.0}[initialization]
                linear.weight.normal_(0, deviation, generator=draw)
                if bias:
                    linear.bias.zero_()
            for parameter in linear.parameters():
                parameter.mul_(scale)
        modules.append(linear.to(getattr(torch, dtype)))
        if name is not None:
            modules.append(ACTIVATIONS[name]())
    return nn.Sequential(*modules)
