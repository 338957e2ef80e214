"""The attention decoder for a CPU that computes in bfloat16, where its large products take half the time.

The LSTM's state, the attention and the scores of frequent words stay float32, since their errors would add
up over a caption. So nearly all captions stay the same, unlike with an encoder in bfloat16: 1,080 of 1,084
with a beam of 3 (docs/captioner.md).
"""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.networks.decoders import AttentionDecoder
from captioner.networks.device import cpu_has_bfloat16

_Kind = TypeVar("_Kind", bound=nn.Module)

#: The scores of this many words, the most frequent ones, are computed in float32 (ids are in order of
#: frequency). For the others, which are seldom written, bfloat16 will do; with bfloat16 for all words, 4
#: captions of 100 changed.
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

    def score_words(self, description: Tensor) -> Tensor:
        frequent = functional.linear(description, *self._frequent)
        if not len(self._rare[1]):
            return frequent
        return torch.cat([frequent, functional.linear(description.bfloat16(), *self._rare).float()], dim=-1)


class _HalvedLinear(nn.Module):
    """A linear layer that computes in bfloat16; its input and output are float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight.detach().bfloat16(), linear.bias.detach().bfloat16()

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.linear(inputs.bfloat16(), self.weight, self.bias).float()


class _HalvedCell(nn.Module):
    """An LSTM cell with one bfloat16 product for input and hidden state together; its state is float32."""

    def __init__(self, cell: nn.LSTMCell) -> None:
        super().__init__()
        self.weight = torch.cat([cell.weight_ih, cell.weight_hh], dim=1).detach().bfloat16()
        self.bias = (cell.bias_ih + cell.bias_hh).detach().bfloat16()

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        joined = torch.cat([inputs, state[0]], dim=1).bfloat16()
        admit, forget, candidate, emit = (
            functional.linear(joined, self.weight, self.bias).float().chunk(4, dim=1)
        )
        cell = torch.sigmoid(forget) * state[1] + torch.sigmoid(admit) * torch.tanh(candidate)
        return torch.sigmoid(emit) * torch.tanh(cell), cell
