"""Networks with random weights that cost what real ones do."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

STRIDES = (8, 16, 32)
THINGS = 12
FLOAT = onnx.TensorProto.FLOAT


def nano_yolo(side: int, categories: int, *, seed: int = 0) -> Any:
    """A network of about the size and outputs of a nano YOLOv8 (2 million weights), for images of this side.

    It finds the same dozen things in every image, each with several boxes that differ a little, as trained ones do.
    """
    net = _Net(seed)
    things = np.random.default_rng(seed).uniform([0.1, 0.1, 0.05, 0.05], [0.9, 0.9, 0.4, 0.4], (THINGS, 4)) * side
    x = net.conv("images", 3, 16, 3, 2)
    x = net.block(net.conv(x, 16, 32, 3, 2), 32, 1)
    p3 = net.block(net.conv(x, 32, 64, 3, 2), 64, 2)
    p4 = net.block(net.conv(p3, 64, 128, 3, 2), 128, 2)
    p5 = net.block(net.conv(p4, 128, 256, 3, 2), 256, 1)
    up = net.add("Concat", net.upsampled(p5), p4, axis=1)
    n4 = net.block(net.conv(up, 384, 128, 1), 128, 1)
    up = net.add("Concat", net.upsampled(n4), p3, axis=1)
    n3 = net.block(net.conv(up, 192, 64, 1), 64, 1)
    rows = []
    for stride, feature, channels in zip(STRIDES, (n3, n4, p5), (64, 128, 256), strict=True):
        cells = (side // stride) ** 2
        boxes = net.conv(net.conv(net.conv(feature, channels, 64, 3), 64, 64, 3), 64, 4, 1, is_last=True)
        scores = net.conv(net.conv(net.conv(feature, channels, 80, 3), 80, 80, 3), 80, categories, 1, is_last=True)
        places, levels = _found(things, side, stride, categories)
        flat = net.add("Reshape", boxes, net.integers([0, 4, cells]))
        moved = net.add("Add", net.add("Tanh", flat), net.numbers(places[None]))
        flat = net.add("Tanh", net.add("Reshape", scores, net.integers([0, categories, cells])))
        rows.append(
            net.add("Concat", moved, net.add("Sigmoid", net.add("Add", flat, net.numbers(levels[None]))), axis=1)
        )
    net.add("Concat", *rows, axis=2, output="output0")
    cells = sum((side // stride) ** 2 for stride in STRIDES)
    graph = helper.make_graph(
        net.nodes,
        "nano",
        [helper.make_tensor_value_info("images", FLOAT, ["batch", 3, side, side])],
        [helper.make_tensor_value_info("output0", FLOAT, ["batch", 4 + categories, cells])],
        net.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def _found(things: np.ndarray, side: int, stride: int, categories: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes `(4, cells)` and the levels of scores `(categories, cells)`: things are seen from the cells around them."""
    count = side // stride
    centers = (np.stack(np.meshgrid(np.arange(count), np.arange(count)), axis=-1).reshape(-1, 2) + 0.5) * stride
    places = np.hstack([centers, np.full((len(centers), 2), 4.0 * stride)])
    levels = np.full((len(centers), categories), -8.0)
    for number, thing in enumerate(things):
        near = np.abs(centers - thing[:2]).max(axis=1) < 1.5 * stride
        places[near] = thing
        levels[near, number % categories] = 1.0
    return places.T, levels.T


class _Net:
    def __init__(self, seed: int) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._rng = np.random.default_rng(seed)

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def numbers(self, values: Any) -> str:
        return self._constant(np.asarray(values, np.float32))

    def integers(self, values: Any) -> str:
        return self._constant(np.asarray(values, np.int64))

    def conv(self, x: str, channels: int, result: int, side: int, stride: int = 1, *, is_last: bool = False) -> str:
        """A convolution and, unless it is the last one, SiLU."""
        spread = np.sqrt(2 / (channels * side * side))
        weights = self.numbers(self._rng.normal(0, spread, (result, channels, side, side)))
        y = self.add("Conv", x, weights, strides=[stride] * 2, pads=[side // 2] * 4)
        return y if is_last else self.add("Mul", y, self.add("Sigmoid", y))

    def block(self, x: str, channels: int, depth: int) -> str:
        """A part that is added to itself, `depth` times."""
        half = channels // 2
        y = self.conv(x, channels, half, 1)
        for _ in range(depth):
            y = self.add("Add", y, self.conv(self.conv(y, half, half, 3), half, half, 3))
        return self.conv(self.add("Concat", y, self.conv(x, channels, half, 1), axis=1), channels, channels, 1)

    def upsampled(self, x: str) -> str:
        return self.add("Resize", x, "", self.numbers([1, 1, 2, 2]), mode="nearest")

    def _constant(self, values: np.ndarray) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(onnx.numpy_helper.from_array(values, name))
        return name
