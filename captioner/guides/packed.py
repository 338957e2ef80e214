"""Tables that are stored small and computed with large."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Tables = TypeVar("Tables")


class Packed(nn.Module, Generic[Tables]):
    """A module with stored buffers, all on one device, that are computed with in another form."""

    def __init__(self) -> None:
        super().__init__()
        self._tables: tuple[torch.device, Tables] | None = None

    @abstractmethod
    def _unpack(self) -> Tables:
        """The buffers in the form that they are computed with."""

    def unpacked(self) -> Tables:
        """That form, made once on each device: for a single photo that is most of the work."""
        device = next(self.buffers()).device
        if self._tables is None or self._tables[0] != device:
            with torch.inference_mode(False), torch.no_grad():  # else no later call could be differentiated
                self._tables = device, self._unpack()
        return self._tables[1]

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self._tables = None  # they were made of what was there before

    def __getstate__(self) -> dict[str, Any]:
        """A copy makes its own: torch copies no sparse tensors, and pickle no caches."""
        return {**self.__dict__, "_tables": None}
