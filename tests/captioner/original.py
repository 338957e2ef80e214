"""The student project's code, as students have it: encoder, decoder, vocabulary and inference transform."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import models, transforms

WORDS = ["<pad>", "<start>", "<end>", "<unk>", *(f"word{number}" for number in range(60)), "naïve", "狗"]


class EncoderCNN(nn.Module):
    def __init__(self, network: models.ResNet, embed_size: int) -> None:
        super().__init__()
        self.resnet = nn.Sequential(*list(network.children())[:-1])
        self.linear = nn.Linear(network.fc.in_features, embed_size)
        self.bn = nn.BatchNorm1d(embed_size, momentum=0.01)

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.resnet(images)
        features = features.reshape(features.size(0), -1)
        scaled: Tensor = self.bn(self.linear(features))
        return scaled


class DecoderRNN(nn.Module):
    def __init__(self, embed_size: int, hidden_size: int, vocab_size: int, num_layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab_size, embed_size)
        self.lstm = nn.LSTM(embed_size, hidden_size, num_layers, batch_first=True)
        self.linear = nn.Linear(hidden_size, vocab_size)
        self.max_seg_length = 20

    def sample(self, features: Tensor, states: Any = None) -> Tensor:
        sampled_ids = []
        inputs = features.unsqueeze(1)
        for _ in range(self.max_seg_length):
            hiddens, states = self.lstm(inputs, states)
            outputs = self.linear(hiddens.squeeze(1))
            _, predicted = outputs.max(1)
            sampled_ids.append(predicted)
            inputs = self.embed(predicted)
            inputs = inputs.unsqueeze(1)
        return torch.stack(sampled_ids, 1)


def original_caption(encoder: EncoderCNN, decoder: DecoderRNN, words: list[str], photo: Path) -> str:
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    )
    image = Image.open(photo).convert("RGB").resize([224, 224], Image.Resampling.LANCZOS)
    with torch.no_grad():
        ids = decoder.sample(encoder(transform(image).unsqueeze(0)))[0].numpy()
    caption = []
    for number in ids:
        if words[number] == "<end>":
            break
        caption.append(words[number])
    return " ".join(word for word in caption if word not in ("<start>", "<pad>", "<unk>"))


def pickled_vocabulary(words: list[str], module: str = "build_vocab", protocol: int = 2) -> bytes:
    """Pickle `module.Vocabulary` as the original's build_vocab.py does."""

    class Vocabulary:
        word2idx: dict[str, int]
        idx2word: dict[int, str]
        idx: int

    Vocabulary.__module__, Vocabulary.__qualname__ = module, "Vocabulary"
    before = sys.modules.get(module)
    theirs: Any = types.ModuleType(module)
    theirs.Vocabulary = Vocabulary
    sys.modules[module] = theirs
    try:
        vocabulary = Vocabulary()
        vocabulary.word2idx = {word: number for number, word in enumerate(words)}
        vocabulary.idx2word = dict(enumerate(words))
        vocabulary.idx = len(words)
        return pickle.dumps(vocabulary, protocol)
    finally:
        if before is None:
            del sys.modules[module]
        else:
            sys.modules[module] = before
