"""A pretended GPU: on a machine without one it finds tensors that nobody moved.

Its tensors say that they are on `GPU` and are computed on the CPU. It has the rules of CUDA that a program
may break: a computation takes tensors of one device (indices and single numbers may be the CPU's), NumPy
takes none of the GPU, and cuDNN differentiates an LSTM in training mode alone. It has no lower precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("xpu")  # a kind that every build of torch knows; the pretence comes before a real one

_PACK = ("_pack_padded_sequence", "_pad_packed_sequence")
_MIX = (*_PACK, "lstm", "to", "copy_")  # lengths stay on the CPU, and what moves comes from there


class OnGpu(Tensor):
    """A tensor on the pretended GPU."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return GPU

    def cpu(self, *_: Any, **__: Any) -> Tensor:
        return self.to("cpu")

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"can't convert {GPU} device type tensor to numpy. Use Tensor.cpu()")

    __array__ = numpy

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        made = memo.setdefault(id(self), self.detach().clone().requires_grad_(self.requires_grad))
        made.__dict__.update(self.__dict__)  # which tells of a parameter that it is one
        return made  # type: ignore[no-any-return]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.cpu().__reduce_ex__(protocol)  # type: ignore[no-untyped-call]


class PretendedGpu(TorchFunctionMode):
    """While this is entered, torch has the GPU, in this thread."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        named, name = kwargs or {}, function.__name__
        if name in ("device", "_parse_to"):  # they only name devices
            return function(*args, **named)
        if name == "_has_compatible_shallow_copy_type":  # whether `module.to` may keep the very parameter
            return isinstance(args[0], OnGpu) == isinstance(args[1], OnGpu)
        _check_devices(name, args, named)
        with torch._C.DisableTorchFunctionSubclass():
            result = function(*tree_map(_really, args), **tree_map(_really, named))
        _check_lstm(name, args, result)
        on_gpu = _is_for_gpu(name, args, named)
        if name in _PACK:
            return _placed(result[0], on_gpu), result[1]
        if name == "to" and result is args[0] and isinstance(result, OnGpu) != on_gpu:
            result = result.clone()  # not the memory that it was moved from
        return tree_map(lambda part: _placed(part, on_gpu), result)


def _names_gpu(part: Any) -> bool:
    return isinstance(part, torch.device | str) and str(part).split(":")[0] == GPU.type


def _really(part: Any) -> Any:
    """An argument as torch gets it."""
    return torch.device("cpu") if _names_gpu(part) else part


def _tensors(parts: Any) -> list[Tensor]:
    """All but sparse ones, of which torch makes no subclass."""
    found = [part for part in tree_leaves(parts) if isinstance(part, Tensor)]
    return [part for part in found if part.layout == torch.strided]


def _is_for_gpu(name: str, args: Sequence[Any], named: Any) -> bool:
    """Whether what a function gives is on the GPU: as it is told to, or else as its tensors are."""
    told = [*(args[1:] if name == "to" else ()), named.get("device")]
    places = [part for part in told if isinstance(part, torch.device | str | Tensor)]
    if places:
        return isinstance(places[0], OnGpu) or _names_gpu(places[0])
    return any(isinstance(part, OnGpu) for part in _tensors((args, named)))


def _placed(part: Any, on_gpu: bool) -> Any:
    """A part of a result on the device that it is to be on."""
    if not _tensors(part) or isinstance(part, OnGpu) == on_gpu:
        return part
    with torch._C.DisableTorchFunctionSubclass():
        return part.as_subclass(OnGpu if on_gpu else Tensor)


def _check_devices(name: str, args: Sequence[Any], named: Any) -> None:
    if name in _MIX:
        return
    by_index = name in ("__getitem__", "__setitem__") and isinstance(args[0], OnGpu)
    tensors = _tensors((args[0], args[2:]) if by_index else (args, named))
    on_gpu = [isinstance(part, OnGpu) for part in tensors if part.dim() or isinstance(part, OnGpu)]
    if any(on_gpu) and not all(on_gpu):
        raise RuntimeError(f"{name}: Expected all tensors to be on the same device, found {GPU} and cpu")


def _check_lstm(name: str, args: Sequence[Any], result: Any) -> None:
    if name == "lstm" and isinstance(args[0], OnGpu) and result[0].requires_grad:
        _, training, *_ = (part for part in args if isinstance(part, bool))
        if not training:
            raise RuntimeError("cudnn RNN backward can only be called in training mode")
