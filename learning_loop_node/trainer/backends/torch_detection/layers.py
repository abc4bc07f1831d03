"""What the network is made of: convolutions with normalisation, and blocks of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ConvUnit(nn.Module):
    """Convolution, batch normalisation, SiLU. Sides are halved with a stride of 2, otherwise kept."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(features)))  # type: ignore[no-any-return]

    def fold(self) -> None:
        """Take the normalisation into the convolution; the results stay the same. Only for a network that is done."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class Block(nn.Module):
    """Half of the channels goes through pairs of convolutions, each added to its input; all stages are merged."""

    def __init__(self, inputs: int, outputs: int, depth: int, *, residual: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.residual = residual
        self.divide = ConvUnit(inputs, 2 * half, 1)
        self.stages = nn.ModuleList(nn.Sequential(ConvUnit(half, half), ConvUnit(half, half)) for _ in range(depth))
        self.merge = ConvUnit((2 + depth) * half, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        parts = list(self.divide(features).chunk(2, dim=1))
        for stage in self.stages:
            grown = stage(parts[-1])
            parts.append(parts[-1] + grown if self.residual else grown)
        return self.merge(torch.cat(parts, dim=1))  # type: ignore[no-any-return]


class WideView(nn.Module):
    """Lets each place see a large surrounding: the largest values within 5, 9 and 13 places join it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = ConvUnit(channels, channels // 2, 1)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.merge = ConvUnit(channels // 2 * 4, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        views = [self.narrow(features)]
        for _ in range(3):
            views.append(self.pool(views[-1]))
        return self.merge(torch.cat(views, dim=1))  # type: ignore[no-any-return]
