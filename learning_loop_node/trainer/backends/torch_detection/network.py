"""The detector: a convolutional backbone, a neck that joins its levels, and a head that says what is where.

Each place of three grids (a place per 8, 16 and 32 pixels) predicts one box by the distances of its four sides, and a
score for each class. There are no anchor boxes, and no non-maximum suppression in the graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import Block, ConvUnit, WideView

STRIDES = (8, 16, 32)
"""Pixels of the input per place of a grid."""

FIRST_PROBABILITY = 0.01
"""What a new network thinks of everything, so that the many places with nothing do not drown the few with something."""

FIRST_REACH = 1.0
"""How far the sides of a new network's boxes are from their place, in strides."""

OVERREACH = 0.5
"""A side may lie this many strides on the other side of the place, so that things smaller than a grid's cell can be
found."""

SILENT = -15.0
"""The logit of a class that must never be found: a probability of 3e-7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Channels after each halving of the image's sides, pairs of convolutions at 1/4 to 1/32, channels of neck, head.

    `head_depth` is the number of convolutions of a branch of the head.
    """

    widths: tuple[int, int, int, int, int]
    depths: tuple[int, int, int, int]
    neck: int
    neck_depth: int
    head: int
    head_depth: int


class Backbone(nn.Module):
    """`(N, 3, H, W)` gives features at 1/8, 1/16 and 1/32 of the sides."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.stem = ConvUnit(3, size.widths[0], 3, 2)
        stages = []
        for inputs, outputs, depth in zip(size.widths, size.widths[1:], size.depths, strict=False):
            halving: list[nn.Module] = [ConvUnit(inputs, outputs, 3, 2)]
            stages.append(nn.Sequential(*halving, *([Block(outputs, outputs, depth)] if depth else [])))
        stages[-1].append(WideView(size.widths[-1]))
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        features, levels = self.stem(images), []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        return levels[1:]


class Neck(nn.Module):
    """Lets coarse levels tell fine ones what is there, and then fine ones tell coarse ones where."""

    def __init__(self, inputs: Sequence[int], channels: int, depth: int) -> None:
        super().__init__()
        self.narrow = nn.ModuleList(ConvUnit(count, channels, 1) for count in inputs)
        steps = range(len(inputs) - 1)
        self.down = nn.ModuleList(Block(2 * channels, channels, depth, residual=False) for _ in steps)
        self.halve = nn.ModuleList(ConvUnit(channels, channels, 3, 2) for _ in steps)
        self.up = nn.ModuleList(Block(2 * channels, channels, depth, residual=False) for _ in steps)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        narrowed = [narrow(level) for narrow, level in zip(self.narrow, levels, strict=True)]
        fine_first = [narrowed[-1]]
        for level, block in zip(reversed(narrowed[:-1]), self.down, strict=True):
            coarse = functional.interpolate(fine_first[0], scale_factor=2.0, mode="nearest")
            fine_first.insert(0, block(torch.cat([coarse, level], dim=1)))
        joined = [fine_first[0]]
        for level, halve, block in zip(fine_first[1:], self.halve, self.up, strict=True):
            joined.append(block(torch.cat([halve(joined[-1]), level], dim=1)))
        return joined


class Head(nn.Module):
    """Two branches for each level: one for the classes, one for the box."""

    def __init__(self, inputs: int, channels: int, depth: int, class_count: int) -> None:
        super().__init__()
        self.class_branches = nn.ModuleList(_branch(inputs, channels, depth) for _ in STRIDES)
        self.box_branches = nn.ModuleList(_branch(inputs, channels, depth) for _ in STRIDES)
        self.classes = nn.ModuleList(nn.Conv2d(channels, class_count, 1) for _ in STRIDES)
        self.boxes = nn.ModuleList(nn.Conv2d(channels, 4, 1) for _ in STRIDES)
        for classes, boxes in zip(self.class_layers, self.box_layers, strict=True):
            nn.init.normal_(classes.weight, std=0.01)
            nn.init.constant_(_bias(classes), math.log(FIRST_PROBABILITY / (1 - FIRST_PROBABILITY)))
            nn.init.normal_(boxes.weight, std=0.01)
            nn.init.constant_(_bias(boxes), FIRST_REACH + OVERREACH - 1)

    @property
    def class_layers(self) -> list[nn.Conv2d]:
        return [layer for layer in self.classes if isinstance(layer, nn.Conv2d)]

    @property
    def box_layers(self) -> list[nn.Conv2d]:
        return [layer for layer in self.boxes if isinstance(layer, nn.Conv2d)]

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits `(N, C, A)` and distances `(N, 4, A)` in strides, over all places of all levels."""
        logits, distances = [], []
        for index, level in enumerate(levels):
            logits.append(self.classes[index](self.class_branches[index](level)).flatten(2))
            distances.append(self.boxes[index](self.box_branches[index](level)).flatten(2))
        # The distances in full precision: with 16 bits of which 8 are digits, boxes would be off by pixels.
        return torch.cat(logits, dim=2), functional.elu(torch.cat(distances, dim=2).float()) + (1 - OVERREACH)


class Detector(nn.Module):
    """`(N, 3, H, W)` RGB between 0 and 1, sides multiples of 32, gives what `forward` says."""

    def __init__(self, size: Size, class_count: int) -> None:
        super().__init__()
        self.backbone = Backbone(size)
        self.neck = Neck(size.widths[2:], size.neck, size.neck_depth)
        self.head = Head(size.neck, size.head, size.head_depth, class_count)

    def forward(self, images: Tensor) -> Tensor:
        """`(N, 4 + C, A)`: cx, cy, width and height in pixels of the input, then the scores of the classes."""
        logits, left_top, right_bottom = self._predict(images)
        center, sides = (left_top + right_bottom) / 2, (right_bottom - left_top).clamp(min=0)
        return torch.cat([center, sides, logits.sigmoid()], dim=1)

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """For the loss: logits `(N, A, C)` and boxes `(N, A, 4)` in xyxy."""
        logits, left_top, right_bottom = self._predict(images)
        return logits.transpose(1, 2).float(), torch.cat([left_top, right_bottom], dim=1).transpose(1, 2).float()

    def _predict(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, distances = self.head(self.neck(self.backbone(images)))
        places, strides = grid(images.shape[-2], images.shape[-1], images.device)
        distances = distances * strides
        before, after = distances.chunk(2, dim=1)
        return logits, places - before, places + after

    def silence(self, classes: Sequence[int]) -> None:
        """Never find these classes. Without gradients for them it stays like this."""
        with torch.no_grad():
            for layer in self.head.class_layers:
                for number in classes:
                    layer.weight[number] = 0
                    _bias(layer)[number] = SILENT

    def fold(self) -> None:
        """Take all normalisations into the convolutions before them. Only for a network that is done."""
        for module in list(self.modules()):
            if isinstance(module, ConvUnit):
                module.fold()


def grid(height: int, width: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """The places of all levels for this input: their x and y in pixels `(2, A)`, and their strides `(1, A)`.

    >>> [part.tolist() for part in grid(32, 32)[0][:, -5:]]
    [[8.0, 24.0, 8.0, 24.0, 16.0], [8.0, 8.0, 24.0, 24.0, 16.0]]
    """
    places, strides = [], []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        down = (torch.arange(rows, device=device) + 0.5) * stride
        across = (torch.arange(columns, device=device) + 0.5) * stride
        places.append(torch.stack([across.repeat(rows), down.repeat_interleave(columns)]))
        strides.append(torch.full((1, rows * columns), float(stride), device=device))
    return torch.cat(places, dim=1), torch.cat(strides, dim=1)


def _branch(inputs: int, channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(ConvUnit(inputs if not index else channels, channels) for index in range(depth)))


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
