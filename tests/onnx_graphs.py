"""Small ONNX models that find something, in every layout: the area of pure red, of pure green, and of pure blue.

They compute with the pixels that they get, so that a wrong order of channels, scale or place shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from learning_loop_node.data_classes import Category
from tests.builders import make_category

COLOURS = ("red", "green", "blue")
PIXELS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
SCORES = (0.9, 0.8, 0.7)
"""Of an area that is there."""

DOUBLE_SCORE = 0.6
"""Of a second box for red, one pixel smaller, which has to go where the model does not do that itself."""

SINGLE = {"yolov5", "yolov8", "end_to_end", "rt_detr", "classifier"}
TYPES = {np.float32: onnx.TensorProto.FLOAT, np.float16: onnx.TensorProto.FLOAT16, np.uint8: onnx.TensorProto.UINT8}


def categories(*names: str, **changes: Any) -> list[Category]:
    return [make_category(name, **changes) for name in names or COLOURS]


def picture(width: int, height: int, **areas: tuple[int, int, int, int]) -> np.ndarray:
    """A black image with areas, each given as x, y, width and height, of the colour that is its name."""
    image = np.zeros((height, width, 3), np.uint8)
    for colour, (x, y, area_width, area_height) in areas.items():
        image[y : y + area_height, x : x + area_width] = PIXELS[colour]
    return image


def colour_finder(
    layout: str,
    width: int = 128,
    height: int = 96,
    *,
    batch: int | str = "N",
    dtype: Any = np.float32,
    channels_last: bool = False,
    names: Sequence[str] | None = None,
    logits: bool = False,
    background: str = "",
    free_size: bool = False,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
    factor: float = 1.0,
) -> Any:
    """A model of a layout. `mean` and `std` are undone in it, and `factor` divides the outcome of all that.

    `names` are those of its outputs; with `logits`, scores have no activation yet, and with `background` there is one
    score more, that of nothing, `first` or `last`.
    """
    graph = _Graph()
    image = "images"
    if np.dtype(dtype) != np.float32:
        image = graph.add("Cast", image, to=onnx.TensorProto.FLOAT)
    if channels_last:
        image = graph.add("Transpose", image, perm=[0, 3, 1, 2])
    if np.dtype(dtype) == np.uint8:
        image = graph.add("Div", image, graph.numbers([255.0]))
    image = graph.add("Mul", image, graph.numbers(np.reshape(std, (1, 3, 1, 1))))
    image = graph.add("Add", image, graph.numbers(np.reshape(mean, (1, 3, 1, 1))))
    image = graph.add("Mul", image, graph.numbers([factor]))
    # 1 where one channel is bright and the two others are dark: (N, 3, H, W)
    bright = graph.add("Cast", graph.add("Greater", image, graph.numbers([0.5])), to=onnx.TensorProto.FLOAT)
    all_bright = graph.add("ReduceSum", bright, graph.integers([1]), keepdims=1)
    lone = graph.add("Mul", bright, graph.add("Cast", graph.add("Less", all_bright, graph.numbers([1.5])), to=1))
    found = graph.add("ReduceMax", lone, axes=[2, 3], keepdims=0)
    sides = []
    for axis, length in ((3, width), (2, height)):
        line = graph.add("ReduceMax", lone, axes=[5 - axis], keepdims=0)
        places = np.arange(length)
        last = graph.add("ReduceMax", graph.add("Mul", line, graph.numbers(places + 1)), axes=[2], keepdims=0)
        first = graph.add("ReduceMax", graph.add("Mul", line, graph.numbers(length - places)), axes=[2], keepdims=0)
        sides += [graph.add("Sub", graph.numbers([length]), first), last]
    left, right, top, bottom = sides
    values = _Found(graph, found, (left, top, right, bottom), (width, height), logits, background)
    outputs = getattr(values, layout)()
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    names = names or _usual_names(layout)
    shape: list[Any] = [height, width] if not free_size else ["height", "width"]
    inputs = [
        helper.make_tensor_value_info(
            "images", TYPES[dtype], [batch, *shape, 3] if channels_last else [batch, 3, *shape]
        )
    ]
    if layout == "rt_detr_sized":
        inputs.append(helper.make_tensor_value_info("orig_target_sizes", onnx.TensorProto.INT64, [batch, 2]))
    return graph.model(inputs, outputs, names)


class _Graph:
    """Nodes one after the other, each with a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def numbers(self, values: Any) -> str:
        return self._constant(np.asarray(values, np.float32))

    def integers(self, values: Any) -> str:
        return self._constant(np.asarray(values, np.int64))

    def stack(self, parts: Sequence[str], axis: int) -> str:
        return self.add("Concat", *(self.add("Unsqueeze", part, self.integers([axis])) for part in parts), axis=axis)

    def model(self, inputs: Sequence[Any], outputs: Sequence[str], names: Sequence[str]) -> Any:
        for output, name in zip(outputs, names, strict=True):
            self.nodes.append(helper.make_node("Identity", [output], [name]))
        shown = [onnx.ValueInfoProto(name=name) for name in names]
        inferred = onnx.TensorProto.FLOAT
        for one, output in zip(shown, outputs, strict=True):
            kind = onnx.TensorProto.INT32 if output.startswith("count_") else inferred
            one.type.tensor_type.elem_type = kind
        graph = helper.make_graph(self.nodes, "colours", list(inputs), shown, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        return model

    def _constant(self, values: np.ndarray) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(onnx.numpy_helper.from_array(values, name))
        return name


class _Found:
    """What the models found, put into the shapes of the layouts. Boxes 0 to 2 are those of the colours."""

    def __init__(
        self,
        graph: _Graph,
        found: str,
        sides: Sequence[str],
        size: tuple[int, int],
        logits: bool,
        background: str,
    ) -> None:
        self._graph = graph
        self._size = size
        self._logits = logits
        self._background = background
        self._found = found
        # (N, 4, 4): the fourth box is the second one for red
        self._corners = graph.add(
            "Concat",
            *(
                graph.add("Concat", side, graph.add("Add", self._first(side), graph.numbers([inwards])), axis=1)
                for side, inwards in zip(sides, (1, 1, -1, -1), strict=True)
            ),
            axis=1,
        )
        self._corners = graph.add("Reshape", self._corners, graph.integers([0, 4, 4]))
        self._corners = graph.add("Transpose", self._corners, perm=[0, 2, 1])
        presence = graph.add("Concat", found, self._first(found), axis=1)
        self._scores = graph.add("Mul", presence, graph.numbers([[*SCORES, DOUBLE_SCORE]]))

    def yolov8(self) -> str:
        rows = self._graph.add("Concat", self._centers(), self._per_class(), axis=2)
        return self._graph.add("Transpose", rows, perm=[0, 2, 1])

    def yolov5(self) -> str:
        """The score is the product of two, here of a half and of the rest."""
        ones = self._graph.add("Sub", self._column(self._scores), self._column(self._scores))
        half = self._graph.add("Add", ones, self._graph.numbers([0.95]))
        rest = self._graph.add("Div", self._per_class(), self._graph.numbers([0.95]))
        return self._graph.add("Concat", self._centers(), half, rest, axis=2)

    def rt_detr(self) -> str:
        return self._three(self._graph.add("Concat", self._shares(self._centers()), self._per_class(), axis=2))

    def end_to_end(self) -> str:
        rows = self._graph.add(
            "Concat", self._corners, self._column(self._scores), self._column(self._labels()), axis=2
        )
        return self._three(rows)

    def rt_detr_end_to_end(self) -> str:
        boxes = self._shares(self._centers())
        rows = self._graph.add("Concat", boxes, self._column(self._scores), self._column(self._labels()), axis=2)
        return self._three(rows)

    def nms(self) -> tuple[str, ...]:
        """The boxes that were found come first, so that only those count."""
        graph = self._graph
        count = graph.add("ReduceSum", self._found, graph.integers([1]), keepdims=1)
        order = graph.add("TopK", self._three(self._scores), graph.integers([3]), axis=1)
        indices = f"{order}_places"
        graph.nodes[-1].output.append(indices)
        per_box = graph.add("Tile", graph.add("Unsqueeze", indices, graph.integers([2])), graph.integers([1, 1, 4]))
        boxes = graph.add("GatherElements", self._three(self._corners), per_box, axis=1)
        labels = graph.add("GatherElements", self._three(self._labels()), indices, axis=1)
        graph.nodes.append(helper.make_node("Cast", [count], [f"count_{count}"], to=onnx.TensorProto.INT32))
        return f"count_{count}", boxes, order, labels

    def rt_detr_sized(self) -> tuple[str, ...]:
        """Boxes in pixels of the image whose size is given."""
        graph = self._graph
        sizes = graph.add("Cast", "orig_target_sizes", to=onnx.TensorProto.FLOAT)
        twice = graph.add("Unsqueeze", graph.add("Concat", sizes, sizes, axis=1), graph.integers([1]))
        boxes = graph.add("Mul", self._shares(self._corners), twice)
        return self._three(self._labels()), self._three(boxes), self._three(self._scores)

    def detr(self) -> tuple[str, ...]:
        return self._three(self._shares(self._centers())), self._three(self._per_class())

    def classifier(self) -> str:
        """A probability for each colour; without one, all are alike."""
        graph = self._graph
        numbers = graph.add("Mul", self._found, graph.numbers([4.0, 3.0, 2.0]))
        return numbers if self._logits else graph.add("Softmax", numbers, axis=1)

    def _centers(self) -> str:
        matrix = np.array([[0.5, 0, -1, 0], [0, 0.5, 0, -1], [0.5, 0, 1, 0], [0, 0.5, 0, 1]])
        return self._graph.add("MatMul", self._corners, self._graph.numbers(matrix))

    def _shares(self, boxes: str) -> str:
        return self._graph.add("Div", boxes, self._graph.numbers([*self._size, *self._size]))

    def _per_class(self) -> str:
        """(N, 4, C): each box has a score for its own category only."""
        graph = self._graph
        own = np.vstack([np.eye(3), [1, 0, 0]])
        scores = graph.add("Mul", self._column(self._scores), graph.numbers(own[None]))
        if self._background:
            nothing = graph.add("Sub", graph.numbers([1.0]), self._column(self._scores))
            parts = (nothing, scores) if self._background == "first" else (scores, nothing)
            scores = graph.add("Concat", *parts, axis=2)
            if self._logits:  # as a softmax undoes it
                return graph.add("Log", graph.add("Max", scores, graph.numbers([1e-6])))
        if self._logits:  # as a sigmoid undoes it
            scores = graph.add("Clip", scores, graph.numbers(1e-6), graph.numbers(1 - 1e-6))
            return graph.add("Log", graph.add("Div", scores, graph.add("Sub", graph.numbers([1.0]), scores)))
        return scores

    def _labels(self) -> str:
        zeros = self._graph.add("Sub", self._scores, self._scores)
        return self._graph.add("Add", zeros, self._graph.numbers([[0, 1, 2, 0]]))

    def _column(self, values: str) -> str:
        return self._graph.add("Unsqueeze", values, self._graph.integers([2]))

    def _first(self, values: str) -> str:
        graph = self._graph
        return graph.add("Slice", values, *map(graph.integers, ([0], [1], [1])))

    def _three(self, values: str) -> str:
        """Without the second box for red."""
        graph = self._graph
        return graph.add("Slice", values, *map(graph.integers, ([0], [3], [1])))


def _usual_names(layout: str) -> Sequence[str]:
    return {
        "nms": ("num_dets", "boxes", "scores", "labels"),
        "rt_detr_sized": ("labels", "boxes", "scores"),
        "detr": ("pred_boxes", "logits"),
    }.get(layout, ("output0",))
