"""The attention decoder as it runs on a CPU that computes in bfloat16: half the time for its large products.

What adds up over a caption stays float32: the LSTM's state, the attention, and the scores of the words
that captions are made of. So, unlike with an encoder in bfloat16, nearly all captions stay the same: 1,080 of
1,084 with a beam of 3 (docs/design.md).
"""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.decoders import AttentionDecoder
from captioner.device import cpu_has_bfloat16

_Kind = TypeVar("_Kind", bound=nn.Module)

#: Words whose scores are computed in float32: the most frequent ones (ids are in order of frequency). Of
#: the others, which are seldom written, scores rounded to bfloat16 will do; rounded so for all words, they
#: changed 4 captions of 100.
FREQUENT = 2048


def faster_decoder(decoder: _Kind) -> _Kind | HalvedDecoder:
    """The decoder for use on a CPU: in bfloat16 where both it and the CPU can, otherwise as it is.

    The student project's decoders stay as they are: they must write what they wrote there.
    """
    return HalvedDecoder(decoder) if isinstance(decoder, AttentionDecoder) and cpu_has_bfloat16() else decoder


class HalvedDecoder(AttentionDecoder):
    """An attention decoder for use alone, whose large products are computed in bfloat16."""

    def __init__(self, decoder: AttentionDecoder) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(copy.deepcopy(decoder).__dict__)
        for name in ("keys", "query", "gate", "output"):
            setattr(self, name, _HalvedLinear(getattr(self, name)))
        self.memory[0] = _HalvedLinear(cast(nn.Linear, self.memory[0]))
        self.lstm = _HalvedCell(self.lstm)  # type: ignore[assignment]
        embed, bias = self.embed.weight.detach(), self.bias.detach()
        self._frequent = embed[:FREQUENT], bias[:FREQUENT]
        self._rare = embed[FREQUENT:].bfloat16(), bias[FREQUENT:].bfloat16()

    def rate(self, described: Tensor) -> Tensor:
        frequent = functional.linear(described, *self._frequent)
        if not len(self._rare[1]):
            return frequent
        return torch.cat([frequent, functional.linear(described.bfloat16(), *self._rare).float()], dim=-1)


class _HalvedLinear(nn.Module):
    """A linear layer in bfloat16 between float32 and float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight.detach().bfloat16(), linear.bias.detach().bfloat16()

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.linear(inputs.bfloat16(), self.weight, self.bias).float()


class _HalvedCell(nn.Module):
    """An LSTM cell: products in bfloat16, one for input and hidden state together; its state in float32."""

    def __init__(self, cell: nn.LSTMCell) -> None:
        super().__init__()
        self.weight = torch.cat([cell.weight_ih, cell.weight_hh], dim=1).detach().bfloat16()
        self.bias = (cell.bias_ih + cell.bias_hh).detach().bfloat16()

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        read = torch.cat([inputs, state[0]], dim=1).bfloat16()
        into, forget, new, out = functional.linear(read, self.weight, self.bias).float().chunk(4, dim=1)
        cell = torch.sigmoid(forget) * state[1] + torch.sigmoid(into) * torch.tanh(new)
        return torch.sigmoid(out) * torch.tanh(cell), cell
