"""L-BFGS behind the protocol of this package: what a good second-order method makes of the same loss."""

import torch
from torch import Tensor, nn

from nonsmooth.optimizers.arguments import check_range


class Lbfgs:
    """Trains any network in place on the squared error, full-batch, by torch.optim.LBFGS with strong Wolfe line search.

    The loss is a mean over samples and a sum over outputs: as small as the mean over both is, torch's fixed thresholds
    would stop it. After an iteration without descent, as the kinks of a ReLU network bring about, it starts with an
    empty memory.

    history_size: pairs of differences that it keeps. One `step()` is one iteration, with as many evaluations of loss
    and gradient as its line search asks for. Raises ValueError for a setting outside its range.
    """

    def __init__(self, network: nn.Module, inputs: Tensor, targets: Tensor, *, history_size: int = 10):
        check_range("history_size", history_size, history_size >= 1, "{} >= 1")
        self.network, self.inputs, self.targets = network, inputs, targets
        self.optimizer = torch.optim.LBFGS(
            network.parameters(),
            max_iter=1,
            history_size=history_size,
            line_search_fn="strong_wolfe",
            tolerance_grad=0,
            tolerance_change=0,
        )
        self._last = float("inf")

    def _loss(self) -> Tensor:
        self.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.network(self.inputs), self.targets) * self.targets.shape[1]
        loss.backward()
        return loss

    def step(self) -> None:
        loss = self.optimizer.step(self._loss).item()  # at the start of the iteration
        if loss >= self._last:
            self.optimizer.state.clear()
        self._last = loss

    def diagnostics(self) -> dict[str, float]:
        """Nothing: it keeps nothing that the loop cannot see."""
        return {}
