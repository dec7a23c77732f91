"""What every optimizer of the library keeps: its surroundings, its settings, its data, and words once it diverges."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

import torch
from torch import Tensor, nn

from nonsmooth.linear import on_host
from nonsmooth.processes import Group, summed

Constructor = TypeVar("Constructor", bound=Callable)  # so that type checkers see its arguments
SAMPLED = 16  # rows of the data that every step looks at, at most
HOPELESS = 1e12  # weights so many times larger than data and initial weights explain count as diverged


@contextmanager
def usual_surroundings() -> Iterator[None]:
    """PyTorch as it is by default, whatever the caller has open: so nothing computed here depends on it.

    Autocast, a default device or dtype, inference mode, autograd switched off, and a lower precision of float32
    products are put away and come back. Raises RuntimeError inside a transform of torch.func, which cannot be put away.
    """
    if torch._C._functorch.peek_interpreter_stack() is not None:
        raise RuntimeError("called inside a transform of torch.func (grad, vmap, jvp): train outside of it")
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if (dtype := torch.get_default_dtype()) != torch.float32:
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_default_dtype, dtype)
        for products in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul):
            if (precision := products.fp32_precision) not in ("none", "ieee"):
                inherited = precision == torch.backends.fp32_precision
                stack.callback(setattr, products, "fp32_precision", "none" if inherited else precision)
                products.fp32_precision = "ieee"
        yield


def in_setup(constructor: Constructor) -> Constructor:
    """A constructor outside autograd and in usual surroundings, whose tensors every later step can change."""
    return usual_surroundings()(torch.no_grad()(constructor))


def reading(method: Constructor) -> Constructor:
    """A method that only looks, outside autograd and in usual surroundings."""
    return usual_surroundings()(torch.no_grad()(method))


def _largest(values: Tensor) -> float:
    return max(abs(end.item()) for end in values.aminmax())


@lru_cache(maxsize=64)
def _marks(size: int, dtype: torch.dtype) -> Tensor:
    """Numbers between 1 and 2 without any order, the same in each call."""
    numbers = torch.rand(size, generator=torch.Generator().manual_seed(0), dtype=torch.float64, device="cpu") + 1
    return numbers.to(dtype)


def checksum(values: Tensor) -> Tensor:
    """A sum (0-d) that changes with any entry, and with the order of rows or columns. `values` lie on a CPU."""
    if not values.is_floating_point():
        values = values.double()
    table = values.reshape(len(values), -1) if values.ndim > 1 else values.reshape(1, -1)
    rows, columns = table.shape
    return torch.dot(_marks(rows, table.dtype), table @ _marks(columns, table.dtype))


class Trainer:
    """Trains a network in place by `step()`. Attributes without a leading underscore are set once.

    step_sizes: names of the settings to lower where it diverges, the first one first.
    keeps_data: whether a step uses what was computed from the data before, which must then not change.
    """

    step_sizes: tuple[str, ...] = ()
    keeps_data = True
    _watched: Mapping[str, Tensor] = MappingProxyType({})  # the data by name

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
        self._watched = {"inputs": inputs, "targets": targets}
        self._data_seen = self._look_at_data()

    @usual_surroundings()
    def __setstate__(self, copied: dict) -> None:
        """A copy's data begins a count of its own."""
        self.__dict__.update(copied)
        self._data_seen = self._look_at_data()

    @torch.no_grad()
    def _look_at_data(self) -> dict[str, list]:
        """By name what a change of the data changes: the version that PyTorch counts, a checksum of SAMPLED rows."""
        looks: dict[str, list] = {}
        for name, data in self._watched.items():
            looks[name] = [] if data.is_inference() else [data._version]
            if on_host(data):
                looks[name].append(checksum(data[:: -(-len(data) // SAMPLED)]).item())
        return looks

    def _check_unchanged(self) -> None:
        """Raise RuntimeError where the data is not what it was, as far as `_look_at_data` sees."""
        if not self.keeps_data or (looks := self._look_at_data()) == self._data_seen:
            return
        kind = type(self).__name__
        changed = next(name for name, look in looks.items() if look != self._data_seen[name])
        raise RuntimeError(f"{changed} changed since the last step of {kind}: make a new {kind}")

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
        """The checksum of every parameter; none on a GPU, where a step must not wait for it."""
        sums = [checksum(values) for values in self._parameters if on_host(values)]
        return torch.stack(sums) if sums else torch.zeros(0)

    def _check_sums(self, sums: Tensor) -> None:
        """Raise torch.linalg.LinAlgError unless all are finite and not too large."""
        if not torch.equal(sums, sums.clamp(-self._limit, self._limit)):
            raise self._diverged()

    def _before_step(self) -> None:
        """A step begins."""

    def _after_step(self, sums: Tensor) -> None:
        """A step has ended, with these sums of the parameters."""

    def _iterate(self) -> None:
        raise NotImplementedError

    @usual_surroundings()
    def step(self) -> None:
        """One iteration.

        Raises torch.linalg.LinAlgError, with the step size to lower, once the iterates are not finite or the weights
        are hopelessly large. On a GPU a step does not wait for the weights: there `training.train` notices. Raises
        RuntimeError where the data was changed, and the network of a method that keeps what it computed from it.
        """
        self._check_unchanged()
        self._before_step()
        try:
            self._iterate()
        except torch.linalg.LinAlgError as error:  # no eigenvalues of what is not finite
            raise self._diverged() from error
        sums = self._sums()
        self._check_sums(sums)
        self._after_step(sums)
