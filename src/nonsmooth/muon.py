"""Muon: every weight matrix moves along its momentum with the singular values set to about one."""

from collections.abc import Iterable

import torch
from torch import Tensor

from nonsmooth.checks import check_range


class Muon:
    """torch.optim.Muon for matrices, torch.optim.AdamW without weight decay for all other parameters (biases).

    Source: K. Jordan and others, Muon: An optimizer for hidden layers in neural networks, 2024. The step of a matrix is
    scaled by 0.2 sqrt(max(rows, columns)), so that the root mean square of its entries is 0.2 lr for every shape, about
    that of AdamW (J. Liu and others, Muon is Scalable for LLM Training, arXiv 2502.16982). So one rate serves both.

    torch computes the steps of matrices in bfloat16: their relative accuracy is about 1e-2.

    lr: positive. momentum: Muon's, in [0, 1), with Nesterov's correction.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95):
        check_range("momentum", momentum, "0 <= {} < 1")
        parameters = list(parameters)
        matrices = [parameter for parameter in parameters if parameter.ndim == 2]
        rest = [parameter for parameter in parameters if parameter.ndim != 2]
        scale = {"weight_decay": 0.0, "adjust_lr_fn": "match_rms_adamw"}
        self.optimizers = []
        if matrices:
            self.optimizers.append(torch.optim.Muon(matrices, lr=lr, momentum=momentum, **scale))
        if rest:
            self.optimizers.append(torch.optim.AdamW(rest, lr=lr, weight_decay=0.0))

    def zero_grad(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()

    def step(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()
