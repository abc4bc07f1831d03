"""What the node is told: which trainings fit, how far one is, what it has made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.data_classes import Category, Context, Training
from learning_loop_node.errors import CriticalError, MissingExtraError, UnfitTrainingError
from learning_loop_node.trainer.backends.torch_detection.family import AnchorFree
from learning_loop_node.trainer.backends.torch_detection.logic import VARIANTS, TorchDetectionLogic
from learning_loop_node.trainer.backends.torch_detection.plan import ResultFolder

from .pictures import BLUE, DOT, RED

MASK = Category(id="m", name="mask", type="segmentation")
BEST = {
    "epoch": 7, "map50": 0.8, "map50_95": 0.5, "f1": 0.7, "conf_threshold": 0.35, "loss": 1.0,
    "counts": {"id-red": {"tp": 1, "fp": 2, "fn": 3}}, "size": {"width": 320, "height": 256},
}  # fmt: skip


def logic_for(folder: Path, **changes: Any) -> TorchDetectionLogic:
    """With a training in this folder."""
    details = {"categories": [], "hyperparameters": {}, "training_number": 1, "model_variant": "nano"}
    training = Training.generate_training(str(folder), Context(organization="o", project="p"), details | changes)
    training.training_folder_path.mkdir(parents=True)
    logic = TorchDetectionLogic()
    logic._training = training
    return logic


def with_result(logic: TorchDetectionLogic) -> ResultFolder:
    result = ResultFolder(logic.training.training_folder_path)
    result.path.mkdir()
    result.metrics.write_text(json.dumps({"epochs": [], "best": BEST}))
    return result


def test_offers_all_sizes():
    assert [variant.name for variant in VARIANTS] == list(AnchorFree().variants)


@pytest.mark.parametrize(
    ("categories", "changes", "text"),
    [
        pytest.param([RED], {"model_variant": "huge"}, "no model variant 'huge'; there are nano, small", id="variant"),
        pytest.param([MASK], {}, "learns categories of the types box and point, and the project has none", id="types"),
        pytest.param([RED], {"hyperparameters": {"epochs": -1}}, "epochs must be", id="hyperparameter"),
    ],
)
def test_unfit_trainings(tmp_path: Path, categories, changes, text):
    logic = logic_for(tmp_path, **changes)
    logic.training.categories = categories
    with pytest.raises(UnfitTrainingError, match=text):
        logic._check_training(logic.training)


def test_a_fit_training(tmp_path: Path):
    logic = logic_for(tmp_path)
    logic.training.categories = [MASK, BLUE]
    logic._check_training(logic.training)


@pytest.mark.parametrize("library", ["torch", "onnxscript", "faster_coco_eval"])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, library: str):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"needs {library}: pip install 'learning-loop-node\[torch\]'"):
        TorchDetectionLogic()


async def test_before_the_first_epoch(tmp_path: Path):
    logic = logic_for(tmp_path)
    assert logic.training_progress == 0
    assert logic._get_new_best_training_state() is None
    assert await logic._get_latest_model_files() == {}
    assert logic._get_model_metadata() == {}
    assert not logic._can_resume()


async def test_a_better_model_is_told_once(tmp_path: Path):
    logic = logic_for(tmp_path)
    with_result(logic)
    state = logic._get_new_best_training_state()
    assert state is not None
    assert (state.epoch, state.confusion_matrix) == (7, BEST["counts"])
    assert state.meta_information["map50"] == 0.8
    logic._on_metrics_published(state)
    assert logic._get_new_best_training_state() is None


async def test_files_of_a_finished_training(tmp_path: Path):
    logic = logic_for(tmp_path)
    result = with_result(logic)
    result.best.write_bytes(b"weights")
    result.onnx.write_bytes(b"graph")
    assert await logic._get_latest_model_files() == {
        "onnx": [str(result.onnx)],
        "torch_detection": [str(result.best), str(result.onnx)],
    }


def test_what_model_json_says(tmp_path: Path):
    logic = logic_for(tmp_path)
    logic.training.categories = [RED, MASK, DOT]
    with_result(logic)
    assert logic._get_model_metadata() == {
        "categories": [RED, DOT],
        "conf_threshold": 0.35,
        "resolution": 320,
        "model_size": "nano",
        "onnx": {"layout": "yolov8", "iou_threshold": 0.6},
        "validation": {"epoch": 7, "map50": 0.8, "map50_95": 0.5, "f1": 0.7},
    }


async def test_a_base_model_of_another_trainer(tmp_path: Path):
    with pytest.raises(CriticalError, match=r"has no checkpoint\.pt"):
        await logic_for(tmp_path)._start_training_from_base_model()


async def test_clearing_leaves_nothing_large(tmp_path: Path):
    logic = logic_for(tmp_path)
    result = with_result(logic)
    await logic._clear_training_data(str(logic.training.training_folder_path))
    assert not result.path.exists()
