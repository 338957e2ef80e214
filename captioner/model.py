"""The models: an encoder that looks at a photo, a decoder that writes, a consensus that helps to choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from captioner.configuration import ModelConfig
from captioner.errors import ModelError
from captioner.guides.consensus import Consensus
from captioner.guides.cooccurrence import Cooccurrence
from captioner.guides.phrasing import Phrasing
from captioner.networks.decoders import AttentionDecoder, ShowAndTellDecoder
from captioner.networks.encoder import Encoder, GridEncoder, build_encoder


class CaptionModel(nn.Module):
    """All parts of a model together, with the configuration they were built from."""

    encoder: Encoder
    decoder: AttentionDecoder | ShowAndTellDecoder
    consensus: Consensus | None
    cooccurrence: Cooccurrence | None
    phrasing: Phrasing | None

    def __init__(self, config: ModelConfig, vocabulary: int, *, pretrained: bool = False) -> None:
        """`vocabulary`: number of words. `pretrained`: start the encoder with its ImageNet weights."""
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder, config.grid, config.embedding, pretrained)
        if config.decoder == "attention":
            self.decoder = AttentionDecoder(config, vocabulary, self.encoder.channels)
        elif config.decoder == "show_and_tell":
            self.decoder = ShowAndTellDecoder(config, vocabulary)
        else:
            raise ModelError(f"unknown decoder {config.decoder!r}; known: attention, show_and_tell")
        sizes = config.consensus
        self.consensus = Consensus(sizes, vocabulary, self.encoder.channels) if sizes else None
        nouns = config.cooccurrence
        self.cooccurrence = Cooccurrence(nouns, vocabulary) if nouns else None
        self.phrasing = Phrasing(config.phrasing, vocabulary) if config.phrasing else None

    @classmethod
    def unfilled(cls, config: ModelConfig, vocabulary: int) -> CaptionModel:
        """A model whose tensors are all to be loaded: until then they hold anything."""
        with _NothingFilled():
            return cls(config, vocabulary)

    def set_grid(self, grid: int) -> None:
        """Let the attention see grid x grid places; no weight's shape depends on the grid."""
        if not isinstance(self.encoder, GridEncoder):
            raise ModelError(f"{self.config.encoder} gives one feature for the whole photo; it has no grid")
        self.encoder.grid = grid
        self.config = replace(self.config, grid=grid)

    def set_consensus(self, consensus: Consensus | None) -> None:
        """Set the consensus, or remove it: it fits only the encoder that it was made with."""
        self.consensus = consensus
        self.config = replace(self.config, consensus=consensus.sizes if consensus else None)

    def set_cooccurrence(self, cooccurrence: Cooccurrence | None) -> None:
        """Set the table of lifts, or remove it: it fits only the detector that it was made with.

        The phrasing is removed with it, since it applies only where this table does.
        """
        self.cooccurrence, self.phrasing = cooccurrence, None
        nouns = len(cooccurrence.nouns) if cooccurrence else 0
        self.config = replace(self.config, cooccurrence=nouns, phrasing=None)

    def set_phrasing(self, phrasing: Phrasing) -> None:
        """Set how captions go on. Raises ModelError for a model without a table of lifts."""
        self.config = replace(self.config, phrasing=phrasing.sizes)
        self.phrasing = phrasing

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def starts_with_image(self) -> bool:
        """Whether the first word decoded is `<start>` itself (model1 to model5)."""
        return isinstance(self.decoder, ShowAndTellDecoder)


class _NothingFilled(TorchFunctionMode):
    """While this is entered, new tensors have a shape, but no values yet.

    Drawing random weights takes time, and zeros take memory: as much as a config.json asks for, before the
    weights can tell that its sizes are wrong. Memory that nothing is written to costs neither. Torch's own
    way, building on the device "meta", takes longer than drawing: its `normal_` imports torch's compiler.
    """

    _draws = (nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, torch.Tensor.normal_)

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if function in self._draws:
            return (*args, *named.values())[0]  # the tensor
        if function is torch.zeros:
            return torch.empty(*args, **named)
        return function(*args, **named)
