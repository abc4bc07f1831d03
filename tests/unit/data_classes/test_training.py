"""A training from what the loop sends with `begin_training`."""

from __future__ import annotations

from typing import Any

import pytest

from learning_loop_node.data_classes import Context, Training, TrainingStatus
from learning_loop_node.errors import InvalidDataError

CONTEXT = Context(organization="o", project="p")
DATA: dict[str, Any] = {
    "hyperparameters": {"epochs": 3},
    "categories": [{"id": "1", "name": "face"}],
    "training_number": 7,
    "model_variant": "small",
}


def test_generated_from_the_command_of_the_loop():
    training = Training.generate_training("/data/o/p", CONTEXT, DATA | {"base_model_uuid": "b", "other": 1})
    assert (training.training_number, training.model_variant, training.base_model_uuid) == (7, "small", "b")
    assert training.training_state == "initialized"
    assert training.images_folder == "/data/o/p/images"
    assert training.training_folder == f"/data/o/p/trainings/{training.id}"
    assert str(training.training_folder_path) == training.training_folder
    assert [category.name for category in training.categories] == ["face"]


@pytest.mark.parametrize("key", DATA)
@pytest.mark.parametrize("how", ["missing", "wrong"])
def test_names_what_is_missing_or_wrong(key, how):
    data = {name: value for name, value in DATA.items() if name != key}
    with pytest.raises(ValueError, match=f"{key} missing or not a"):
        Training.generate_training("/data", CONTEXT, data if how == "missing" else data | {key: None})


def test_broken_category_is_named():
    with pytest.raises(InvalidDataError, match=r"Category\.name is missing"):
        Training.generate_training("/data", CONTEXT, DATA | {"categories": [{"id": "1"}]})


@pytest.mark.parametrize(
    ("sets", "train", "val", "test"),
    [
        ([], 0, 0, 0),
        (["train", "train", "test"], 2, 1, 1),
        (["train", "val", "test", "test"], 1, 1, 2),
    ],
)
def test_images_by_set(sets, train, val, test):
    training = Training.generate_training("/data", CONTEXT, DATA)
    training.image_data = [{"id": str(index), "set": name} for index, name in enumerate(sets)]
    assert training.image_ids() == [str(index) for index in range(len(sets))]
    assert (len(training.train_images()), len(training.val_images()), len(training.test_images())) == (train, val, test)
    assert (training.train_image_count(), training.test_image_count()) == (train, test)


def test_without_images_it_says_so():
    with pytest.raises(ValueError, match="image_data is not set"):
        Training.generate_training("/data", CONTEXT, DATA).train_images()


def test_status_in_short():
    status = TrainingStatus(id="1", name="t", state="running", uptime=1.0, errors={}, progress=0.5)
    assert status.short_str() == "running 50% errors: none"
