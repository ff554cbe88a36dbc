"""The benchmarked networks, written once: ``fw`` is PyTorch or nngraph.

Every function takes sizes, so that tests can build small networks of the same structure.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benchmarks.frameworks import Framework

Module = Any


def mlp(fw: Framework, sizes: tuple[int, ...] = (784, 512, 512, 10)) -> Module:
    """Dense layers with ReLU between: ``[B, sizes[0]] -> [B, sizes[-1]]``."""
    layers: list[Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [fw.nn.Linear(fan_in, fan_out), fw.nn.ReLU()]
    return fw.nn.Sequential(*layers[:-1])


def cnn(
    fw: Framework,
    channels: tuple[int, int] = (32, 64),
    hidden: int = 128,
    image: int = 28,
    in_channels: int = 1,
    classes: int = 10,
) -> Module:
    """Two 3x3 convolutions with pooling, then two dense layers.

    ``[B, in_channels, image, image] -> [B, classes]``; ``image`` is a multiple of 4.
    """
    nn = fw.nn
    first, second = channels
    side = image // 4
    return nn.Sequential(
        nn.Conv2d(in_channels, first, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(second * side * side, hidden),
        nn.ReLU(),
        nn.Linear(hidden, classes),
    )


def conv_bn(fw: Framework, in_channels: int, out_channels: int, **options: Any) -> list[Module]:
    """A convolution without bias and the batch normalization that replaces the bias."""
    return [
        fw.nn.Conv2d(in_channels, out_channels, bias=False, **options),
        fw.nn.BatchNorm2d(out_channels),
    ]


def residual_block(
    fw: Framework, in_channels: int, out_channels: int, stride: int, activation: str
) -> Module:
    """ResNet's basic block: two 3x3 convolutions added to the (projected) input."""
    nn = fw.nn

    class BasicBlock(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *conv_bn(fw, in_channels, out_channels, kernel_size=3, stride=stride, padding=1),
                getattr(nn, activation)(),
                *conv_bn(fw, out_channels, out_channels, kernel_size=3, padding=1),
            )
            same = stride == 1 and in_channels == out_channels
            projection = (
                [] if same else conv_bn(fw, in_channels, out_channels, kernel_size=1, stride=stride)
            )
            self.shortcut = nn.Sequential(*projection)
            self.activation = getattr(nn, activation)()

        def forward(self, x: Any) -> Any:
            return self.activation(self.body(x) + self.shortcut(x))

    return BasicBlock()


def resnet18(
    fw: Framework,
    width: int = 64,
    classes: int = 10,
    blocks: tuple[int, ...] = (2, 2, 2, 2),
    in_channels: int = 3,
    activation: str = "ReLU",
) -> Module:
    """ResNet-18 with a 3x3 stem, for small images: ``[B, in_channels, H, W] -> [B, classes]``.

    ``activation`` is a class name of ``nn``.
    Source: He et al., "Deep Residual Learning for Image Recognition", 2015, section 4.2.
    """
    nn = fw.nn
    layers = conv_bn(fw, in_channels, width, kernel_size=3, padding=1)
    layers.append(getattr(nn, activation)())
    channels = width
    for stage, count in enumerate(blocks):
        out_channels = width * 2**stage
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            layers.append(residual_block(fw, channels, out_channels, stride, activation))
            channels = out_channels
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)
    )


# (output channels, stride) of the separable layers, for 32x32 images.
MOBILENET_LAYERS: tuple[tuple[int, int], ...] = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)


def mobilenet(
    fw: Framework,
    layers: tuple[tuple[int, int], ...] = MOBILENET_LAYERS,
    stem: int = 32,
    classes: int = 10,
    in_channels: int = 3,
) -> Module:
    """Depthwise-separable convolutions: ``[B, in_channels, H, W] -> [B, classes]``.

    Source: Howard et al., "MobileNets", 2017, table 1, with strides for 32x32 images.
    """
    nn = fw.nn
    modules = [*conv_bn(fw, in_channels, stem, kernel_size=3, padding=1), nn.ReLU()]
    channels = stem
    for out_channels, stride in layers:
        depthwise = {"kernel_size": 3, "stride": stride, "padding": 1, "groups": channels}
        modules += [*conv_bn(fw, channels, channels, **depthwise), nn.ReLU()]
        modules += [*conv_bn(fw, channels, out_channels, kernel_size=1), nn.ReLU()]
        channels = out_channels
    return nn.Sequential(
        *modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)
    )


def attention(fw: Framework, width: int, heads: int) -> Module:
    """Causal multi-head self-attention: ``[B, T, width] -> [B, T, width]``."""
    nn = fw.nn

    class CausalSelfAttention(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            # Softmax does not see a key's bias: its gradient is rounding noise, which Adam would
            # magnify to full steps, different ones in every library.
            self.qkv = nn.Linear(width, 3 * width, bias=False)
            self.proj = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            batch, tokens, _ = x.shape
            q, k, v = (
                part.view(batch, tokens, heads, width // heads).transpose(1, 2)
                for part in self.qkv(x).split(width, dim=2)
            )
            y = fw.F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.proj(y.transpose(1, 2).contiguous().view(batch, tokens, width))

    return CausalSelfAttention()


def transformer_block(fw: Framework, width: int, heads: int) -> Module:
    """A pre-norm block: attention, then a four times wider dense layer, each added to its input."""
    nn = fw.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(width)
            self.attention = attention(fw, width, heads)
            self.norm2 = nn.LayerNorm(width)
            self.mlp = nn.Sequential(
                nn.Linear(width, 4 * width),
                nn.GELU(approximate="tanh"),
                nn.Linear(4 * width, width),
            )

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    return Block()


def lstm(fw: Framework, layers: int = 2, width: int = 128, vocab: int = 1000) -> Module:
    """A language model of recurrent layers: token ids ``[B, T] -> [B, T, vocab]``.

    Source: Zaremba et al., "Recurrent Neural Network Regularization", 2014.
    """
    nn = fw.nn

    class LSTM(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(vocab, width)
            self.recurrent = nn.LSTM(width, width, layers, batch_first=True)
            self.head = nn.Linear(width, vocab)

        def forward(self, ids: Any) -> Any:
            return self.head(self.recurrent(self.tokens(ids))[0])

    return LSTM()


def gpt(
    fw: Framework,
    layers: int = 4,
    width: int = 256,
    heads: int = 4,
    context: int = 128,
    vocab: int = 1000,
) -> Module:
    """A GPT with learned positions: token ids ``[B, T] -> [B, T, vocab]``, ``T <= context``.

    Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
    """
    nn = fw.nn

    class GPT(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(vocab, width)
            self.positions = nn.Embedding(context, width)
            self.blocks = nn.ModuleList(
                [transformer_block(fw, width, heads) for _ in range(layers)]
            )
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, vocab, bias=False)

        def forward(self, ids: Any) -> Any:
            x = self.tokens(ids) + self.positions(fw.arange(ids.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    return GPT()
