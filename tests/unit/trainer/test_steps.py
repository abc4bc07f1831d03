"""Single steps: what is checked, and what is taken for wrong."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from learning_loop_node.data_classes import Category, Detections
from learning_loop_node.errors import CriticalError, UnfitTrainingError
from learning_loop_node.trainer.hyperparameters import check_hyperparameters
from learning_loop_node.trainer.steps import prepare, upload_model
from learning_loop_node.trainer.steps.detect import _with_empty_ones
from learning_loop_node.trainer.steps.download_model import has_base_model
from learning_loop_node.trainer.steps.upload_model import has_model

FACE, EYE = Category(id="f", name="face"), Category(id="e", name="eye")


def image(set_name: str = "train", *category_ids: str) -> dict[str, Any]:
    return {"id": "x", "set": set_name, "box_annotations": [{"category_id": name} for name in category_ids]}


@pytest.mark.parametrize(
    ("images", "skipped", "text"),
    [
        pytest.param([], 0, "there is no image", id="no images"),
        pytest.param([], 3, "none of the 3 images can be used", id="all corrupt"),
        pytest.param([image("test"), image("test")], 0, "none of the 2 images is in the set train", id="only tests"),
    ],
)
def test_nothing_to_learn_from(images: list[dict[str, Any]], skipped: int, text: str):
    with pytest.raises(CriticalError, match=text):
        prepare._check(images, skipped)


@pytest.mark.parametrize("images", [[image()], [image("train"), image("test")], [{"id": "x"}]])
def test_something_to_learn_from(images: list[dict[str, Any]]):
    prepare._check(images, 2)


@pytest.mark.parametrize(
    ("images", "missing"),
    [
        pytest.param([], [], id="no images"),
        pytest.param([image("train")], [], id="nothing annotated at all"),
        pytest.param([image("train", "f", "e")], [], id="both"),
        pytest.param([image("train", "f"), image("val", "e")], [], id="in the validation set"),
        pytest.param([image("train", "f"), image("test", "e")], ["eye"], id="in the test set only"),
        pytest.param(
            [{"id": "x", "set": "train", "classification_annotation": {"category_id": "f"}}], ["eye"], id="a class"
        ),
    ],
)
def test_categories_without_annotation(images: list[dict[str, Any]], missing: list[str]):
    assert prepare._without_annotation([FACE, EYE], images) == missing


@pytest.mark.parametrize(
    ("given", "left"),
    [
        pytest.param({"box_annotations": []}, {"box_annotations": []}, id="none"),
        pytest.param({}, {}, id="no keys"),
        pytest.param(
            {
                "box_annotations": [{"category_id": "f"}, {"category_id": "x"}],
                "point_annotations": [{"category_id": "x"}],
            },
            {"box_annotations": [{"category_id": "f"}], "point_annotations": []},
            id="boxes and points",
        ),
        pytest.param(
            {"segmentation_annotations": [{"category_id": "x"}, {"category_id": "e"}]},
            {"segmentation_annotations": [{"category_id": "e"}]},
            id="segmentations",
        ),
        pytest.param(
            {"classification_annotation": {"category_id": "x"}}, {"classification_annotation": None}, id="another class"
        ),
        pytest.param(
            {"classification_annotation": {"category_id": "f"}},
            {"classification_annotation": {"category_id": "f"}},
            id="a class",
        ),
        pytest.param({"classification_annotation": None}, {"classification_annotation": None}, id="no class"),
        pytest.param({"box_annotations": [{"x": 1}]}, {"box_annotations": [{"x": 1}]}, id="without a category"),
    ],
)
def test_annotations_of_categories_that_were_not_chosen_are_left_out(given: dict[str, Any], left: dict[str, Any]):
    images = [{"id": "x", "set": "train"} | given]
    prepare._leave_out_other_categories([FACE, EYE], images)
    assert images == [{"id": "x", "set": "train"} | left]


def test_without_any_category_all_annotations_stay():
    images = [image("train", "f", "x")]
    prepare._leave_out_other_categories([], images)
    assert images == [image("train", "f", "x")]


@pytest.mark.parametrize(
    ("hyperparameters", "text"),
    [
        ({"resolution": 0}, "resolution must be a number above 0, not 0"),
        ({"resolution": "big"}, "resolution must be a number above 0"),
        ({"epochs": True}, "epochs must be a number above 0, not True"),
        ({"rate": float("nan")}, "hyperparameters.rate must be a finite number"),
        ({"min_scale": 2, "max_scale": 1.5}, "min_scale 2 is above max_scale 1.5"),
        ({"compute_validation_set": 1}, "compute_validation_set must be true or false"),
    ],
)
def test_hyperparameters_that_cannot_be_followed(hyperparameters: dict[str, Any], text: str):
    with pytest.raises(UnfitTrainingError, match=text):
        check_hyperparameters(hyperparameters)


@pytest.mark.parametrize(
    "hyperparameters",
    [{}, {"resolution": "800", "epochs": 1, "batch_size": None}, {"min_scale": 1, "max_scale": 1}, {"min_x": 3}],
)
def test_hyperparameters_that_can(hyperparameters: dict[str, Any]):
    check_hyperparameters(hyperparameters)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(["a"], {"own": ["a"]}), ({"x": [Path("a")], "y": ("b",)}, {"x": ["a"], "y": ["b"]})],
)
def test_files_of_a_model(given: Any, expected: dict[str, list[str]]):
    assert upload_model.files_by_format(given, "own") == expected


@pytest.mark.parametrize("given", [None, {}, [], {"x": []}, "a"])
def test_no_model(given: Any):
    with pytest.raises(CriticalError, match="made no model"):
        upload_model.files_by_format(given, "own")


def test_files_that_are_no_model(tmp_path: Path):
    (tmp_path / "empty").touch()
    (tmp_path / "model.json").write_text("{}")
    for name, text in (("gone", "is missing after"), ("empty", "is empty"), ("model.json", "_get_model_metadata")):
        with pytest.raises(CriticalError, match=text):
            upload_model._check({"mocked": [str(tmp_path / name)]})


@pytest.mark.parametrize(
    ("base", "expected"),
    [(None, False), ("", False), ("None", False), ("7", False), ("12345678-1234-1234-1234-123456789abc", True)],
)
def test_what_names_a_base_model(base: str | None, expected: bool):
    assert has_base_model(base) is expected


def test_an_image_in_which_nothing_was_found_is_told_too():
    found = [Detections(image_id="a"), Detections(image_id="c")]
    told = _with_empty_ones(found, ["/x/a.jpg", "/x/b.jpg", "/x/c.jpg"])
    assert [entry.image_id for entry in told] == ["a", "c", "b"]
    assert _with_empty_ones([], []) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(None, False, id="named without having looked"),
        pytest.param(b"", False, id="empty"),
        pytest.param(b"weights", True, id="there"),
    ],
)
async def test_a_model_is_one_whose_files_are_there(tmp_path: Path, content: bytes | None, expected: bool):
    if content is not None:
        (tmp_path / "weights.bin").write_bytes(content)
    assert await has_model(Naming(tmp_path)) is expected  # type: ignore[arg-type]


async def test_files_of_the_base_model_are_no_new_model(tmp_path: Path):
    weights, base_model = tmp_path / "weights.bin", tmp_path / "base_model.json"
    weights.write_bytes(b"of before")
    base_model.write_text("{}")
    os.utime(weights, ns=(1, 1))
    assert await has_model(Naming(tmp_path)) is False  # type: ignore[arg-type]
    os.utime(base_model, ns=(0, 0))
    assert await has_model(Naming(tmp_path)) is True  # type: ignore[arg-type]


class Naming:
    """Says that its model is `weights.bin`, without having looked."""

    model_format = "mocked"

    def __init__(self, folder: Path) -> None:
        self.training = SimpleNamespace(training_folder_path=folder)
        self._file = folder / "weights.bin"

    async def _get_latest_model_files(self) -> dict[str, list[str]]:
        return {"mocked": [str(self._file)]}
