"""A ResNet-50, a U-Net and a DCGAN as their users write them; only the imports differ.

Each function takes the library (``torch`` or ``nngraph``) and defines the classes as one finds them
in torchvision and in tutorials. Channels are few, so that 20 steps take little time.
"""

from __future__ import annotations

from typing import Any

__all__ = ["dcgan", "resnet50", "unet"]


def resnet50(library: Any, width: int = 4, classes: int = 5) -> Any:
    """Torchvision's ``resnet50``: bottlenecks of 3, 4, 6 and 3, with ``width`` for 64 channels."""
    nn = library.nn

    def conv3x3(inputs: int, outputs: int, stride: int = 1) -> Any:
        return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)

    def conv1x1(inputs: int, outputs: int, stride: int = 1) -> Any:
        return nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)

    class Bottleneck(nn.Module):  # type: ignore[misc, name-defined]
        expansion = 4

        def __init__(
            self, inplanes: int, planes: int, stride: int = 1, downsample: Any = None
        ) -> None:
            super().__init__()
            self.conv1 = conv1x1(inplanes, planes)
            self.bn1 = nn.BatchNorm2d(planes)
            self.conv2 = conv3x3(planes, planes, stride)
            self.bn2 = nn.BatchNorm2d(planes)
            self.conv3 = conv1x1(planes, planes * self.expansion)
            self.bn3 = nn.BatchNorm2d(planes * self.expansion)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = downsample

        def forward(self, x: Any) -> Any:
            identity = x
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.relu(self.bn2(self.conv2(out)))
            out = self.bn3(self.conv3(out))
            if self.downsample is not None:
                identity = self.downsample(x)
            out += identity
            return self.relu(out)

    class ResNet(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, layers: list[int]) -> None:
            super().__init__()
            self.inplanes = width
            self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
            self.layer1 = self._make_layer(width, layers[0])
            self.layer2 = self._make_layer(width * 2, layers[1], stride=2)
            self.layer3 = self._make_layer(width * 4, layers[2], stride=2)
            self.layer4 = self._make_layer(width * 8, layers[3], stride=2)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(width * 8 * Bottleneck.expansion, classes)
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                elif isinstance(m, nn.BatchNorm2d | nn.GroupNorm):
                    nn.init.constant_(m.weight, 1)
                    nn.init.constant_(m.bias, 0)
            for m in self.modules():  # zero_init_residual=True
                if isinstance(m, Bottleneck) and m.bn3.weight is not None:
                    nn.init.constant_(m.bn3.weight, 0)

        def _make_layer(self, planes: int, blocks: int, stride: int = 1) -> Any:
            downsample = None
            if stride != 1 or self.inplanes != planes * Bottleneck.expansion:
                downsample = nn.Sequential(
                    conv1x1(self.inplanes, planes * Bottleneck.expansion, stride),
                    nn.BatchNorm2d(planes * Bottleneck.expansion),
                )
            layers = [Bottleneck(self.inplanes, planes, stride, downsample)]
            self.inplanes = planes * Bottleneck.expansion
            layers += [Bottleneck(self.inplanes, planes) for _ in range(1, blocks)]
            return nn.Sequential(*layers)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            x = library.flatten(self.avgpool(x), 1)
            return self.fc(x)

    return ResNet([3, 4, 6, 3])


def unet(library: Any, channels: int = 4, classes: int = 2) -> Any:
    """Two levels down and up, with skips; the last level up is interpolated."""
    nn = library.nn

    class DoubleConv(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.double_conv = nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
                nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            )

        def forward(self, x: Any) -> Any:
            return self.double_conv(x)

    class Up(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, inputs: int, outputs: int, bilinear: bool) -> None:
            super().__init__()
            if bilinear:
                self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
                self.conv = DoubleConv(inputs + outputs, outputs)
            else:
                self.up = nn.ConvTranspose2d(inputs, inputs // 2, kernel_size=2, stride=2)
                self.conv = DoubleConv(inputs // 2 + outputs, outputs)

        def forward(self, x1: Any, x2: Any) -> Any:
            x1 = self.up(x1)
            high = x2.size()[2] - x1.size()[2]
            wide = x2.size()[3] - x1.size()[3]
            x1 = nn.functional.pad(x1, [wide // 2, wide - wide // 2, high // 2, high - high // 2])
            return self.conv(library.cat([x2, x1], dim=1))

    class UNet(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            c = channels
            self.inc = DoubleConv(1, c)
            self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(c, 2 * c))
            self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(2 * c, 4 * c))
            self.up1 = Up(4 * c, 2 * c, bilinear=False)
            self.up2 = Up(2 * c, c, bilinear=True)
            self.outc = nn.Conv2d(c, classes, kernel_size=1)

        def forward(self, x: Any) -> Any:
            x1 = self.inc(x)
            x2 = self.down1(x1)
            x3 = self.down2(x2)
            return self.outc(self.up2(self.up1(x3, x2), x1))

    return UNet()


def dcgan(library: Any, latent: int = 6, features: int = 4) -> tuple[Any, Any]:
    """Generator and discriminator of PyTorch's tutorial, for images of 16 by 16."""
    nn = library.nn

    class Generator(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.main = nn.Sequential(
                nn.ConvTranspose2d(latent, features * 2, 4, 1, 0, bias=False),
                nn.BatchNorm2d(features * 2),
                nn.ReLU(True),
                nn.ConvTranspose2d(features * 2, features, 4, 2, 1, bias=False),
                nn.BatchNorm2d(features),
                nn.ReLU(True),
                nn.ConvTranspose2d(features, 1, 4, 2, 1, bias=False),
                nn.Tanh(),
            )

        def forward(self, input: Any) -> Any:
            return self.main(input)

    class Discriminator(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.main = nn.Sequential(
                nn.Conv2d(1, features, 4, 2, 1, bias=False),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(features, features * 2, 4, 2, 1, bias=False),
                nn.BatchNorm2d(features * 2),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(features * 2, 1, 4, 1, 0, bias=False),
                nn.Sigmoid(),
            )

        def forward(self, input: Any) -> Any:
            return self.main(input)

    def weights_init(m: Any) -> None:
        name = m.__class__.__name__
        if "Conv" in name:
            nn.init.normal_(m.weight.data, 0.0, 0.02)
        elif "BatchNorm" in name:
            nn.init.normal_(m.weight.data, 1.0, 0.02)
            nn.init.constant_(m.bias.data, 0)

    return Generator().apply(weights_init), Discriminator().apply(weights_init)
