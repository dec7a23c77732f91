"""torch.optim's algorithms behind the protocol of this package: autograd on the mean squared error."""

import torch
from torch import Tensor, nn

from nonsmooth.optimizers.arguments import check_range
from nonsmooth.placement import Group, summed

ALGORITHMS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class TorchOptimizer:
    """Trains any network in place on F.mse_loss, full-batch or on mini-batches.

    algorithm: "sgd", "adam" or "adamw"; `options` go to torch.optim as they are (momentum, betas, weight_decay, ...).
    learning_rate: positive, for the mean (not the sum) of squared errors over samples and outputs.
    batch_size: samples in a mini-batch, or None for all of them. Mini-batches are drawn without replacement from
        `generator`, reshuffled when an epoch ends.
    epochs: when true, one `step()` is an epoch; else it is one (mini-)batch.
    group: processes that share the samples, each with its own rows; their gradients are summed. Full-batch alone.

    Raises ValueError for a setting outside its range.
    """

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
        check_range("learning_rate", learning_rate, 0 < learning_rate < float("inf"), "0 < {} < inf")
        size = len(inputs) if batch_size is None else batch_size
        check_range("batch_size", size, 1 <= size <= len(inputs), f"1 <= {{}} <= {len(inputs)}")
        if group is not None and size != len(inputs):
            raise ValueError(f"batch_size = {size}: several processes train on all samples at once, with null")
        self.network, self.inputs, self.targets, self.group = network, inputs, targets, group
        self.count = int(summed(torch.tensor(targets.numel(), device=targets.device), group))
        self.size, self.epochs, self.generator = size, epochs, generator
        self.optimizer = ALGORITHMS[algorithm](network.parameters(), lr=learning_rate, **options)
        self._waiting: list[Tensor] = []

    def _next_batch(self) -> tuple[Tensor, Tensor]:
        if self.size == len(self.inputs):
            return self.inputs, self.targets
        if not self._waiting:
            order = torch.randperm(len(self.inputs), generator=self.generator).to(self.inputs.device)
            self._waiting = list(order.split(self.size))[::-1]
        chosen = self._waiting.pop()
        return self.inputs[chosen], self.targets[chosen]

    def step(self) -> None:
        """One step of the algorithm, or one epoch of them."""
        for _ in range(-(-len(self.inputs) // self.size) if self.epochs else 1):
            inputs, targets = self._next_batch()
            self.optimizer.zero_grad()
            if self.group is None:
                nn.functional.mse_loss(self.network(inputs), targets).backward()
            else:
                (nn.functional.mse_loss(self.network(inputs), targets, reduction="sum") / self.count).backward()
                for parameter in self.network.parameters():
                    summed(parameter.grad, self.group)
            self.optimizer.step()

    def diagnostics(self) -> dict[str, float]:
        """Nothing: it keeps nothing that the loop cannot see."""
        return {}
