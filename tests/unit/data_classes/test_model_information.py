"""`model.json`: written by the loop or by us, read in any state of the disk."""

from __future__ import annotations

import json

import pytest

from learning_loop_node.data_classes import Context, ModelInformation
from learning_loop_node.errors import InvalidDataError
from tests.builders import make_model_information

AS_THE_LOOP_WRITES_IT = {
    "id": "1", "host": "learning-loop.ai", "organization": "o", "project": "p", "version": "1.3",
    "categories": [{"id": "c", "name": "face", "type": "box", "color": "#ff0000", "hotkey": None}],
    "resolution": 640, "model_size": "s", "something_new": [1, 2],
}  # fmt: skip


def test_no_file_is_none(tmp_path):
    assert ModelInformation.load_from_disk(str(tmp_path)) is None
    assert ModelInformation.load_from_disk(str(tmp_path / "missing")) is None


def test_reads_what_the_loop_writes(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps(AS_THE_LOOP_WRITES_IT))
    information = ModelInformation.load_from_disk(str(tmp_path))
    assert information is not None
    assert (information.version, information.resolution) == ("1.3", 640)
    assert information.model_root_path == str(tmp_path)
    assert information.categories[0].name == "face"
    assert information.context == Context(organization="o", project="p")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"{\x00", "not valid JSON"),
        (b"[]", "must be an object"),
        (b'{"id": "1", "organization": "o", "project": "p"}', r"ModelInformation\.version is missing"),
        (
            b'{"id": 1, "organization": "o", "project": "p", "version": "1"}',
            r"ModelInformation\.id must be text, not an integer",
        ),
    ],
)
def test_unusable_file_is_named(tmp_path, content, message):
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(InvalidDataError, match=message) as refusal:
        ModelInformation.load_from_disk(str(tmp_path))
    assert str(tmp_path / "model.json") in str(refusal.value)


def test_there_and_back(tmp_path):
    information = make_model_information(model_root_path=str(tmp_path), conf_threshold=0.25)
    information.save()
    assert "model_root_path" not in json.loads((tmp_path / "model.json").read_text())
    assert ModelInformation.load_from_disk(str(tmp_path)) == information


def test_without_a_folder_it_cannot_be_saved():
    with pytest.raises(ValueError, match="model_root_path is not set"):
        make_model_information().save()
