"""A convolutional ONNX model that is right by construction: it finds tiles of pure red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.onnx_graphs import COLOURS, PIXELS

SIDE = 8
"""Tiles in a row, and pixels in the side of a tile."""

SIZE = SIDE * SIDE
FLOAT = onnx.TensorProto.FLOAT
Places = Sequence[tuple[int, int]]


def tile_finder() -> Any:
    """One output in the layout of YOLOv8, a box for each tile; two layers of convolutions, one behind the other."""
    mean = np.zeros((3, 3, SIDE, SIDE), np.float32)
    for channel in range(3):
        mean[channel, channel] = 1 / SIZE
    contrast = np.where(np.eye(3), 10.0, -10.0).astype(np.float32)[:, :, None, None]
    centers = np.arange(SIDE) * SIDE + SIDE / 2
    across, down = np.meshgrid(centers, centers)
    boxes = np.stack([across.ravel(), down.ravel(), *np.full((2, SIZE), SIDE)]).astype(np.float32)[None]
    values: dict[str, np.ndarray] = {
        "mean": mean,
        "contrast": contrast,
        "bias": np.full(3, -5, np.float32),
        "rows": np.array([0, 3, SIZE], np.int64),
        "boxes": boxes,
        "none": np.zeros((1, 1, 1), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "mean"], ["means"], strides=[SIDE, SIDE]),
        helper.make_node("Relu", ["means"], ["positive"]),
        helper.make_node("Conv", ["positive", "contrast", "bias"], ["logits"]),
        helper.make_node("Reshape", ["logits", "rows"], ["flat"]),
        helper.make_node("Sigmoid", ["flat"], ["scores"]),
        helper.make_node("ReduceMax", ["scores"], ["best"], axes=[1, 2], keepdims=1),
        helper.make_node("Mul", ["best", "none"], ["zero"]),
        helper.make_node("Add", ["boxes", "zero"], ["places"]),
        helper.make_node("Concat", ["places", "scores"], ["output0"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiles",
        [helper.make_tensor_value_info("images", FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("output0", FLOAT, ["N", 7, SIZE])],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"names": str(dict(enumerate(COLOURS)))})
    return model


def image_with_tiles(**places: Places) -> np.ndarray:
    """A black image with tiles, each given as column and row, of the colours that are the names."""
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    for colour, tiles in places.items():
        for column, row in tiles:
            image[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = PIXELS[colour]
    return image
