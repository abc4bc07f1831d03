"""A model with bytes finds what the one with floats finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from learning_loop_node.converter.backends.onnx_int8.quantize import float_nodes, quantize
from learning_loop_node.errors import ConversionRefusedError
from learning_loop_node.onnx_models.model import OnnxModel
from tests.onnx_graphs import categories
from tests.tile_finder import SIDE, image_with_tiles, tile_finder

FLOAT = onnx.TensorProto.FLOAT


class TestQuantize:
    def test_finds_the_same(self, tmp_path: Path):
        floats, bytes_ = both(tmp_path)
        image = image_with_tiles(red=[(1, 2)], green=[(5, 0)], blue=[(7, 7)])
        [wanted], [found] = floats.predict([image], 0.5), bytes_.predict([image], 0.5)
        assert sorted(found.classes.tolist()) == [0, 1, 2]
        order = [one.classes.argsort() for one in (wanted, found)]
        assert found.boxes_xyxy[order[1]].tolist() == wanted.boxes_xyxy[order[0]].tolist()
        assert found.scores[order[1]] == pytest.approx(wanted.scores[order[0]], abs=0.05)

    def test_weights_and_activations_are_bytes(self, tmp_path: Path):
        both(tmp_path)
        graph = onnx.load(str(tmp_path / "int8" / "model.onnx")).graph
        kinds = {weights.data_type for weights in graph.initializer if len(weights.dims) == 4}
        assert onnx.TensorProto.INT8 in kinds
        assert any(node.op_type == "QuantizeLinear" for node in graph.node)

    def test_names_of_the_categories_stay(self, tmp_path: Path):
        both(tmp_path)
        found = onnx.load(str(tmp_path / "int8" / "model.onnx")).metadata_props
        assert [entry.key for entry in found if entry.key == "names"] == ["names"]

    def test_a_model_without_layers_is_refused(self, tmp_path: Path):
        content = graph_of(helper.make_node("Relu", ["images"], ["out"]))
        onnx.save(content, str(tmp_path / "model.onnx"))
        with pytest.raises(ConversionRefusedError, match="no convolutions"):
            quantize(tmp_path / "model.onnx", tmp_path / "int8.onnx", [], work_folder=tmp_path)


class TestFloatNodes:
    def test_the_last_convolutions_and_what_follows_them(self):
        names = [
            ("Conv", ["images", "w"], "a"),
            ("Relu", ["a"], "b"),
            ("Conv", ["b", "w"], "c"),
            ("Conv", ["b", "w"], "d"),
            ("Sigmoid", ["c"], "e"),
            ("Concat", ["e", "d"], "out"),
        ]
        nodes = [helper.make_node(kind, inputs, [name], name=name) for kind, inputs, name in names]
        assert float_nodes(graph_of(*nodes).graph) == {"c", "d", "e", "out"}

    def test_one_layer_alone_is_refused(self):
        node = helper.make_node("Conv", ["images", "w"], ["out"], name="only")
        with pytest.raises(ConversionRefusedError, match="one layer"):
            float_nodes(graph_of(node).graph)


def both(folder: Path) -> tuple[OnnxModel, OnnxModel]:
    """The model with floats, and the one with bytes."""
    (folder / "int8").mkdir()
    (folder / "model.onnx").write_bytes(tile_finder().SerializeToString())
    floats = OnnxModel.open(folder / "model.onnx", categories())
    rng = np.random.default_rng(1)
    places = [(int(x), int(y)) for x, y in rng.integers(0, SIDE, (9, 2))]
    images = [image_with_tiles(red=places[:3], green=places[3:6], blue=places[6:]) for _ in range(3)]
    feeds = (floats.feeds_of([image]) for image in images)
    quantize(folder / "model.onnx", folder / "int8" / "model.onnx", feeds, work_folder=folder)
    return floats, OnnxModel.open(folder / "int8" / "model.onnx", categories())


def graph_of(*nodes: Any) -> Any:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("out", FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
