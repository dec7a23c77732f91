"""L-BFGS behind the protocol of this package: what a good second-order method of the day makes of the same loss."""

import torch
from torch import Tensor, nn

from nonsmooth.optimizers.arguments import check_range


class Lbfgs:
    """Trains any network in place on F.mse_loss, full-batch, by torch.optim.LBFGS with strong Wolfe line search.

    history_size: pairs of differences that it keeps. One `step()` is one iteration, with as many evaluations of loss
    and gradient as its line search asks for. Raises ValueError for a setting outside its range.
    """

    def __init__(self, network: nn.Module, inputs: Tensor, targets: Tensor, *, history_size: int = 10):
        check_range("history_size", history_size, history_size >= 1, "{} >= 1")
        self.network, self.inputs, self.targets = network, inputs, targets
        self.optimizer = torch.optim.LBFGS(
            network.parameters(), max_iter=1, history_size=history_size, line_search_fn="strong_wolfe"
        )

    def _loss(self) -> Tensor:
        self.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.network(self.inputs), self.targets)
        loss.backward()
        return loss

    def step(self) -> None:
        self.optimizer.step(self._loss)

    def diagnostics(self) -> dict[str, float]:
        """Nothing: it keeps nothing that the loop cannot see."""
        return {}
