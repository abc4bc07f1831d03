"""ONNX files: they say what the model says, and our own reader reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from learning_loop_node.data_classes import Category
from learning_loop_node.errors import CriticalError
from learning_loop_node.onnx_models.model import OnnxModel
from learning_loop_node.onnx_models.session import open_session
from learning_loop_node.trainer.backends.torch_detection import export
from learning_loop_node.trainer.backends.torch_detection.checkpoints import Checkpoint
from learning_loop_node.trainer.backends.torch_detection.family import AnchorFree
from learning_loop_node.trainer.backends.torch_detection.samples import InputSize

NAMES = ["crate", 'it\'s a "drum"']


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(3)
    model = AnchorFree().build("nano", len(NAMES), [1])
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return Checkpoint(
        family="anchor_free",
        variant="nano",
        class_names=NAMES,
        unlabelled=[1],
        size=InputSize(width=96, height=64),
        epoch=1,
        confidence=0.4,
        weights=model.state_dict(),
    )


@pytest.fixture(scope="module")
def file(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export.export_onnx(checkpoint, path)
    return path


@pytest.mark.timeout(180)
def test_input_output_and_names(file: Path):
    graph = onnx.load(file, load_external_data=False)
    [given], [told] = graph.graph.input, graph.graph.output
    assert (given.name, shape_of(given)) == ("images", ["batch", 3, 64, 96])
    assert (told.name, shape_of(told)) == ("output0", ["batch", 6, 8 * 12 + 4 * 6 + 2 * 3])
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    assert metadata["names"] == str(dict(enumerate(NAMES)))
    assert [path.name for path in file.parent.iterdir()] == ["model.onnx"], "there is no file beside it"


def test_normalisations_are_part_of_the_convolutions(file: Path):
    kinds = {node.op_type for node in onnx.load(file).graph.node}
    assert "BatchNormalization" not in kinds
    assert kinds <= {
        "Conv", "Sigmoid", "Mul", "Add", "Sub", "Div", "Max", "Concat", "Split", "Reshape", "MaxPool", "Resize", "Elu",
    }  # fmt: skip


@pytest.mark.parametrize("count", [1, 3])
def test_the_same_numbers_as_in_pytorch(checkpoint: Checkpoint, file: Path, count: int):
    session = open_session(file, threads=1)
    images = np.random.default_rng(count).random((count, 3, 64, 96), np.float32)
    [found] = session.run(None, {"images": images})
    with torch.no_grad():
        expected = AnchorFree().predict(checkpoint.build(), torch.from_numpy(images)).numpy()
    assert np.abs(found[:, :4] - expected[:, :4]).max() < 1
    assert np.abs(found[:, 4:] - expected[:, 4:]).max() < 0.001


def test_our_reader_reads_it(file: Path):
    categories = [Category(id=name, name=name, type="box") for name in NAMES]
    model = OnnxModel.open(file, categories, conf_threshold=0.001)
    assert model.input_size == (96, 64)
    assert model.layout == "yolov8"
    [found] = model.run([np.zeros((48, 48, 3), np.uint8)])
    assert {box.category_name for box in found.box_detections} <= {"crate"}


def test_a_file_that_differs_is_refused(checkpoint: Checkpoint, file: Path):
    model = AnchorFree().exportable(checkpoint.build())
    with torch.no_grad():
        dict(model.named_parameters())["head.boxes.0.bias"].add_(1)
    with pytest.raises(CriticalError, match="differs from PyTorch: boxes by"):
        export._compare(model, file, torch.Size([3, 64, 96]))


def shape_of(value: onnx.ValueInfoProto) -> list[str | int]:
    return [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
