"""What a method with variables of its own promises: refusals of what was changed, a state, and copies."""

import torch
from torch import Tensor, nn

from nonsmooth import proximal
from nonsmooth.contract import Trainer, in_setup, reading
from nonsmooth.lifting import modules


def encoded(setting: str | float) -> Tensor:
    """A setting as a tensor, so that a state fits into safetensors."""
    if isinstance(setting, str):
        return torch.tensor(list(setting.encode()), dtype=torch.uint8, device="cpu")
    return torch.tensor(setting, dtype=torch.float64, device="cpu")


class Resumable(Trainer):
    """A trainer whose training can be saved, resumed bit for bit and copied, and that refuses what was changed.

    A subclass has `network`, every setting by its name, and calls `_remember` once it is set up.

    setting_names: of those that a state has and a copy is made with.
    keeps_products: whether a step uses what the last one computed from the weights, which must then not change between.
    """

    setting_names: tuple[str, ...] = ()
    keeps_products = True

    def _data(self) -> tuple[Tensor, Tensor]:
        """Inputs (N x in) and targets (N x out)."""
        raise NotImplementedError

    def _kept(self) -> dict[str, Tensor]:
        """What the next step takes over from this one, by name, weights left out."""
        raise NotImplementedError

    def _restore(self, state: dict[str, Tensor]) -> None:
        """Make what is kept that of a state; the weights already are."""
        raise NotImplementedError

    def _before_step(self) -> None:
        self._seen = None

    def _after_step(self, sums: Tensor) -> None:
        self._remember(sums)

    def _view(self) -> dict[str, list]:
        """What must be the same when the next step begins."""
        view: dict[str, list] = {}
        for position, module in modules(self.network).items():
            activation = None if isinstance(module, nn.Linear | nn.Flatten) else proximal.of(module)
            marks = [
                (name, id(p), p.requires_grad, p.dtype, p.device, self.keeps_products and p._version)
                for name, p in module._parameters.items()
                if p is not None
            ]
            view[f"module {position} of the network"] = [id(module), activation, *marks]
        return view

    def _remember(self, sums: Tensor) -> None:
        self._seen, self._seen_sums = self._view(), sums

    def _check_unchanged(self) -> None:
        """Raise RuntimeError unless all is as the last step left it, and that step ended.

        `_version` notices a change of a weight, and its sum one that `.data` hides from it. Steps that keep no product
        read weights anew, so that other ones are right.
        """
        super()._check_unchanged()
        kind = type(self).__name__
        if self._seen is None:
            raise RuntimeError(f"the last step of {kind} did not end (interrupted or diverged): use load_state_dict")
        view, sums = self._view(), self._sums()
        if view == self._seen and (not self.keeps_products or torch.equal(sums, self._seen_sums)):
            return
        self._check_sums(sums)
        changed = [name for name in view | self._seen if view.get(name) != self._seen.get(name)]
        if not changed:
            names = [name for name, _ in self.network.named_parameters()]
            position = names[(sums != self._seen_sums).tolist().index(True)].rpartition(".")[0]
            changed = [f"module {position} of the network"]
        raise RuntimeError(
            f"{changed[0]} changed since the last step of {kind}: make a new {kind}, or use its load_state_dict"
        )

    def _settings(self) -> dict[str, str | float]:
        return {name: getattr(self, name) for name in self.setting_names}

    def _weights(self) -> dict[str, Tensor]:
        """W_l and b_l by name, to read and to write."""
        linears = [module for module in modules(self.network).values() if isinstance(module, nn.Linear)]
        named = {
            f"{name}_{layer}": value
            for layer, linear in enumerate(linears, 1)
            for name, value in (("W", linear.weight), ("b", linear.bias))
        }
        return {name: value.detach() for name, value in named.items() if value is not None}

    @reading
    def state_dict(self) -> dict[str, Tensor]:
        """All that `load_state_dict` needs to go on bit for bit: weights, kept variables and settings, copied.

        Only tensors, so that safetensors can write it. The data is not in it. Of a group, each process has its own.
        """
        self._check_unchanged()
        settings = {name: encoded(value) for name, value in self._settings().items()}
        values = self._weights() | self._kept()
        return settings | {name: value.clone(memory_format=torch.contiguous_format) for name, value in values.items()}

    @in_setup
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of `state_dict`; the network's weights become those of the state.

        Raises TypeError for what is no dictionary of tensors, and ValueError, naming the entry, for a state of other
        settings, names, shapes or dtypes, and for one that is not finite: before any change.
        """
        kind, settings = type(self).__name__, self._settings()
        if not isinstance(state, dict):
            raise TypeError(f"the state must be a dictionary of tensors, not {type(state).__name__}")
        for name, value in state.items():
            if not isinstance(value, Tensor):
                raise TypeError(f"{name} of the state must be a torch.Tensor, not {type(value).__name__}")
        for name, value in settings.items():
            if name not in state:
                raise ValueError(f"the state has no {name}: it is not one of {kind}")
            if not torch.equal(state[name].cpu(), encoded(value)):
                saved = state[name].tolist()
                saved = bytes(saved).decode() if isinstance(value, str) else type(value)(saved)
                raise ValueError(f"{name} is {saved} in the state and {value} here: make {kind} with that of the state")
        weights = self._weights()
        expected = weights | self._kept()
        for name in sorted((expected.keys() | state.keys()) - settings.keys()):
            shapes = [
                f"{of[name].dtype} of shape {tuple(of[name].shape)}" if name in of else "missing"
                for of in (state, expected)
            ]
            if shapes[0] != shapes[1]:
                raise ValueError(f"{name} is {shapes[0]} in the state and {shapes[1]} here: network or data differ")
            if (state[name].ndim and not bool(state[name].isfinite().all())) or bool(state[name].isnan().any()):
                raise ValueError(f"{name} of the state must be finite")
        for name, value in weights.items():
            value.copy_(state[name])
        self._restore(state)
        self._remember(self._sums())

    def __getstate__(self) -> dict:
        """What pickle and copy take: a copy starts anew from the same network, data and settings, with this state."""
        return {"arguments": (self.network, *self._data()), "settings": self._settings(), "state": self.state_dict()}

    def __setstate__(self, copied: dict) -> None:
        self.__init__(*copied["arguments"], **copied["settings"])
        self.load_state_dict(copied["state"])
