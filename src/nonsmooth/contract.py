"""What every optimizer of the library keeps: settings that do not change, and words once it diverges."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from nonsmooth.linear import on_host
from nonsmooth.processes import Group, summed

Constructor = TypeVar("Constructor", bound=Callable)  # so that type checkers see its arguments
HOPELESS = 1e12  # weights so many times larger than data and initial weights explain count as diverged


def in_setup(constructor: Constructor) -> Constructor:
    """A constructor outside autograd and outside inference mode, whose tensors no later step could change."""
    return torch.inference_mode(False)(torch.no_grad()(constructor))


def _largest(values: Tensor) -> float:
    return max(abs(end.item()) for end in values.aminmax())


class Trainer:
    """Trains a network in place by `step()`. Attributes without a leading underscore are set once.

    step_sizes: names of the settings to lower where it diverges, the first one first.
    """

    step_sizes: tuple[str, ...] = ()

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, name) and not name.startswith("_"):
            kind = type(self).__name__
            raise AttributeError(f"{name} of {kind} cannot change; a new {kind} goes on from the network's weights")
        super().__setattr__(name, value)

    def _watch(self, network: nn.Module, inputs: Tensor, targets: Tensor, group: Group = None) -> None:
        """Remember the parameters, and how large they may become: the same in all processes of a group."""
        self._parameters = list(network.parameters())
        sizes = [1.0, *(_largest(parameter) for parameter in self._parameters)]
        output, size = _largest(targets), _largest(inputs)
        sizes += [output, output / size if size else 1.0]
        limit = torch.tensor(HOPELESS * max(sizes), dtype=torch.float64, device=inputs.device)
        self._limit = min(summed(limit, group).item(), torch.finfo(self._parameters[0].dtype).max)

    @property
    def advice(self) -> str:
        """What to do about divergence."""
        sizes = [f"{name} = {getattr(self, name):g}" for name in self.step_sizes]
        return f"lower {', then '.join(sizes)}" if sizes else "scale inputs and targets to values near 1"

    def _diverged(self) -> torch.linalg.LinAlgError:
        kind = type(self).__name__
        return torch.linalg.LinAlgError(f"{kind} diverged: its iterates are not finite or too large; {self.advice}")

    @torch.no_grad()
    def _sums(self) -> Tensor:
        """The sum of every parameter; none on a GPU, where a step must not wait for it."""
        sums = [values.sum() for values in self._parameters if on_host(values)]
        return torch.stack(sums) if sums else torch.zeros(0)

    def _check_sums(self, sums: Tensor) -> None:
        """Raise torch.linalg.LinAlgError unless all are finite and not too large."""
        if not torch.equal(sums, sums.clamp(-self._limit, self._limit)):
            raise self._diverged()

    def _iterate(self) -> None:
        raise NotImplementedError

    @torch.inference_mode(False)
    def step(self) -> None:
        """One iteration.

        Raises torch.linalg.LinAlgError, with the step size to lower, once the iterates are not finite or the weights
        are hopelessly large. On a GPU a step does not wait for the weights: there `training.train` notices.
        """
        try:
            self._iterate()
        except torch.linalg.LinAlgError as error:  # no eigenvalues of what is not finite
            raise self._diverged() from error
        self._last_sums = self._sums()
        self._check_sums(self._last_sums)
