from __future__ import annotations

from typing import Any

import pytest

from learning_loop_node.errors import CriticalError
from learning_loop_node.trainer.validation_set import (
    COMPUTE_VALIDATION_SET,
    assign_validation_set,
    compute_validation_set,
)

WANTED = {COMPUTE_VALIDATION_SET: True}


def images(train: str = "", test: str = "", val: str = "") -> list[dict[str, Any]]:
    """One image per letter."""
    sets = (("train", train), ("test", test), ("val", val))
    return [{"id": image_id, "set": name} for name, ids in sets for image_id in ids]


def ids_of(data: list[dict[str, Any]], name: str) -> str:
    return "".join(image["id"] for image in data if image["set"] == name)


@pytest.mark.parametrize(
    ("data", "hyperparameters", "expected"),
    [
        pytest.param([], {}, "", id="no images"),
        pytest.param(images("abcdefghijkl", "t"), {}, "", id="not asked for"),
        pytest.param(images("abcdefghijkl", "t"), {COMPUTE_VALIDATION_SET: False}, "", id="switched off"),
        pytest.param(images("abcdefghijkl", "t"), WANTED, "dj", id="those below a tenth"),
        pytest.param(images("ab", "t"), WANTED, "b", id="the smallest one if there is none below"),
        pytest.param(images("dj"), WANTED, "j", id="one is left to train with"),
        pytest.param(images("abc", "d", "v"), WANTED, "v", id="the loop has chosen"),
        pytest.param(images("a", "", "v"), {COMPUTE_VALIDATION_SET: "?"}, "v", id="the loop has chosen, not looked at"),
    ],
)
def test_which_images_are_kept_aside(data, hyperparameters, expected):
    test = ids_of(data, "test")
    assign_validation_set(data, hyperparameters)
    assert ids_of(data, "val") == expected
    assert ids_of(data, "test") == test


def test_an_image_stays_where_it_is_when_others_come():
    few, many = [[{"id": str(number), "set": "train"} for number in range(count)] for count in (500, 1000)]
    assign_validation_set(few, WANTED)
    assign_validation_set(many, WANTED)
    assert many[:500] == few
    assert 70 < len([image for image in many if image["set"] == "val"]) < 130


@pytest.mark.parametrize("train", ["", "a"])
def test_too_few_images(train):
    data = images(train, "tuvw")
    with pytest.raises(CriticalError, match=f"two train images at least, and there are {len(train)}; complete more"):
        assign_validation_set(data, WANTED)
    assert data == images(train, "tuvw")


@pytest.mark.parametrize("value", [None, "true", 1, ""])
def test_neither_true_nor_false(value):
    with pytest.raises(CriticalError, match="compute_validation_set must be true or false, not"):
        compute_validation_set({COMPUTE_VALIDATION_SET: value})
