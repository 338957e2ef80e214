"""Decoders: they write a caption word by word, from an encoder's features.

Two families share one decoding interface (`Decoder.begin`, `Decoder.step`):

- `AttentionDecoder` (the default): an LSTM with gated soft attention over a grid of image features
  and over words detected in the photo. Source: Xu et al., "Show, Attend and Tell" (ICML 2015), with
  scaled dot products in several heads (Vaswani et al., NeurIPS 2017) for its scores, since they cost a
  fifth of its tanh on a CPU, and the output tied to the word embedding (Press and Wolf, EACL 2017).
- `ShowAndTellDecoder` (model1 to model5): the pooled image feature is the LSTM's first input.
  Source: Vinyals et al., "Show and Tell" (CVPR 2015); names as in the student project's checkpoints.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from captioner.configuration import ModelConfig
from captioner.errors import ModelError
from captioner.networks.detector import WordDetector
from captioner.vocabulary import START

State = tuple[Tensor, ...]  # every tensor has the batch as its first dimension


class DetectedWords(NamedTuple):
    """The words that a detector found in each photo, and whether the photo itself is hidden."""

    words: Tensor  # (B, K) vocabulary ids
    chances: Tensor  # (B, K) probabilities
    blind: Tensor | None = None  # (B,) bool: there is no photo, only the words


class Decoder(Protocol):
    """What decoding needs of a decoder."""

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        """Encoder output (B, ...) -> scores of the first word (B, V), what no step changes, the state."""

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        """Words chosen last (N,) -> scores of the next word (N, V), and the new state.

        `fixed` has a row for each photo; `words` and `state` have one for each hypothesis. N is a multiple
        of the number of photos, and the hypotheses of one photo stand together.
        """


class AttentionDecoder(nn.Module):
    """One LSTM cell that looks at another part of the photo, or at a word detected in it, for each word."""

    def __init__(self, config: ModelConfig, vocabulary: int, channels: int) -> None:
        super().__init__()
        hidden, embedding = config.hidden, config.embedding
        if hidden % config.heads:
            raise ModelError(f"a state of {hidden} cannot be shared by {config.heads} heads of attention")
        if config.words > config.detector_words:
            raise ModelError(
                f"the detector knows {config.detector_words} words; {config.words} are asked of it"
            )
        self.words = config.words
        self.embed = nn.Embedding(vocabulary, embedding)
        self.memory = nn.Sequential(nn.Linear(channels, hidden), nn.LayerNorm(hidden))
        if config.words:
            self.detector = WordDetector(channels, config.detector_words, config.detector_pairs)
            self.word_memory = nn.Sequential(nn.Linear(embedding + 1, hidden), nn.LayerNorm(hidden))
        self.heads = config.heads
        self.keys = nn.Linear(hidden, hidden)
        self.query = nn.Linear(hidden, hidden)
        self.gate = nn.Linear(hidden, hidden)
        self.begin_state = nn.Linear(hidden, 2 * hidden)
        self.lstm = nn.LSTMCell(embedding + hidden, hidden)
        self.output = nn.Linear(2 * hidden, embedding)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.embed.weight, std=embedding**-0.5)

    def look(self, features: Tensor, detected: DetectedWords | None = None) -> tuple[State, State]:
        """Grid (B, P, C) -> memory (B, heads, P + K, D), keys (B, heads, D, P + K), mask; state (B, H) twice.

        `detected` takes the place of the detector's own words; it may hide the grid, to train on text alone.
        """
        memory = self.dropout(self.memory(features))
        mask = memory.new_zeros(memory.shape[:2])
        if self.words:
            if detected is None:
                detected = DetectedWords(*self.detector.top(features.mean(dim=1), self.words))
            word_inputs = torch.cat(
                [self.embed(detected.words), detected.chances.unsqueeze(-1).to(memory.dtype)], dim=-1
            )
            memory = torch.cat([memory, self.dropout(self.word_memory(word_inputs))], dim=1)
            mask = torch.cat([mask, mask.new_zeros(detected.words.shape)], dim=1)
            if detected.blind is not None:
                mask[:, : features.shape[1]].masked_fill_(detected.blind.unsqueeze(1), -1e4)
        visible = (mask == 0).unsqueeze(-1).to(memory.dtype)
        mean = (memory * visible).sum(dim=1) / visible.sum(dim=1)
        hidden, cell = self.begin_state(mean).chunk(2, dim=-1)
        values, keys = self._by_head(memory), self._by_head(self.keys(memory)).transpose(2, 3)
        return (values, keys.contiguous(), mask[:, None, None]), (torch.tanh(hidden), cell)

    def _by_head(self, values: Tensor) -> Tensor:
        """(B, P, H) -> (B, heads, P, H / heads)."""
        return values.reshape(*values.shape[:2], self.heads, -1).transpose(1, 2).contiguous()

    def attend(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        """One time step: word ids (N,) -> what the output layer reads (N, 2H), new state."""
        hidden, cell = state
        context = torch.sigmoid(self.gate(hidden)) * self.context(self.query(hidden), fixed)
        hidden, cell = self.lstm(
            torch.cat([self.dropout(self.embed(words)), context], dim=-1), (hidden, cell)
        )
        return torch.cat([hidden, context], dim=-1), (hidden, cell)

    def context(self, query: Tensor, fixed: State) -> Tensor:
        """Queries (N, H) -> the attention's weighted means of the photos' memories (N, H).

        The N / B hypotheses of one photo are attended together, so that its memory is read once for all.
        """
        values, keys, mask = fixed
        queries = query.view(len(values), -1, self.heads, values.shape[-1]).transpose(1, 2)
        energy = torch.matmul(queries, keys) * values.shape[-1] ** -0.5 + mask  # (B, heads, N / B, P + K)
        attended = torch.matmul(energy.softmax(dim=-1).to(values.dtype), values)
        return attended.transpose(1, 2).reshape(query.shape)

    def score(self, read: Tensor) -> Tensor:
        """(..., 2H) -> scores of every word (..., V); the output shares the embedding's weights."""
        return self.score_words(self.dropout(torch.tanh(self.output(self.dropout(read)))))

    def score_words(self, description: Tensor) -> Tensor:
        """A description of the next word, as an embedding (..., E) -> scores of every word (..., V)."""
        return functional.linear(description, self.embed.weight, self.bias)

    def begin(self, features: Tensor, detected: DetectedWords | None = None) -> tuple[Tensor, State, State]:
        start = torch.full((len(features),), START, device=features.device)
        fixed, state = self.look(features, detected)
        scores, state = self.step(start, fixed, state)
        return scores, fixed, state

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        read, state = self.attend(words, fixed, state)
        return self.score(read), state

    def forward(
        self,
        features: Tensor,
        captions: PackedSequence,
        owners: Tensor,
        detected: DetectedWords | None = None,
    ) -> PackedSequence:
        """Teacher forcing: captions `<start> w1 ... wT` -> scores of w1 ... `<end>` (words, V), packed alike.

        `features` (B, P, C); `owners` (N,): the photo, 0..B-1, of each caption. Captions are packed
        (`pack`), so that no time goes into those that have ended.
        """
        fixed, state = self.look(features, detected)
        rows = owners[captions.sorted_indices]
        fixed, state = _rows(fixed, rows), _rows(state, rows)
        reads = []
        for words in torch.split(captions.data, captions.batch_sizes.tolist()):
            if len(words) < len(state[0]):
                fixed, state = _first(fixed, len(words)), _first(state, len(words))
            read, state = self.attend(words, fixed, state)
            reads.append(read)
        return captions._replace(data=self.score(torch.cat(reads)))


class ShowAndTellDecoder(nn.Module):
    """The student project's decoder: the image feature, then the words, through one LSTM."""

    def __init__(self, config: ModelConfig, vocabulary: int) -> None:
        super().__init__()
        self.layers = config.layers
        self.embed = nn.Embedding(vocabulary, config.embedding)
        self.embed.weight.requires_grad_(not config.frozen_embedding)
        self.lstm = nn.LSTM(config.embedding, config.hidden, config.layers, batch_first=True)
        self.linear = nn.Linear(config.hidden, vocabulary)

    def begin(self, features: Tensor) -> tuple[Tensor, State, State]:
        """The first word comes from the image feature (B, E) alone; it is normally `<start>`."""
        scores, state = self._advance(features, None)
        return scores, (), state

    def step(self, words: Tensor, fixed: State, state: State) -> tuple[Tensor, State]:
        hidden, cell = (part.transpose(0, 1).contiguous() for part in state)
        return self._advance(self.embed(words), (hidden, cell))

    def _advance(self, inputs: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, State]:
        read, (hidden, cell) = self.lstm(inputs.unsqueeze(1), state)  # state: (layers, B, H)
        return self.linear(read.squeeze(1)), (hidden.transpose(0, 1), cell.transpose(0, 1))

    def forward(self, features: Tensor, captions: PackedSequence, owners: Tensor) -> PackedSequence:
        """(B, E) and `<start> w1 ... wT` -> scores of `<start> w1 ... <end>` (words, V), packed."""
        words, lengths = pad_packed_sequence(captions, batch_first=True)
        inputs = torch.cat([features[owners].unsqueeze(1), self.embed(words)], dim=1)
        read = self.lstm(pack(inputs, lengths + 1))[0]
        return cast(PackedSequence, read._replace(data=self.linear(read.data)))


def pack(rows: Tensor, lengths: Tensor) -> PackedSequence:
    """The first `lengths` (N,) of each row (N, T, ...), time by time and the longest row first."""
    return pack_padded_sequence(rows, lengths.cpu(), batch_first=True, enforce_sorted=False)


def _rows(state: State, rows: Tensor) -> State:
    return tuple(part.index_select(0, rows) for part in state)


def _first(state: State, count: int) -> State:
    return tuple(part[:count] for part in state)
