"""Files that carry a training over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from learning_loop_node.client.communicator import LoopCommunicator, LoopResponse
from learning_loop_node.data_classes import Context, Detections
from learning_loop_node.errors import InvalidDataError, LoopRefusedError, StorageFullError
from learning_loop_node.trainer.training_store import ActiveTrainingIO, LastTrainingIO
from tests.trainers import make_trainer

CONTEXT = Context(organization="zauberzeug", project="demo")


class Loop(LoopCommunicator):
    """Takes detections, or not."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[str | None] = []
        self.fails_at: int | None = None
        self.requests: list[int] = []

    async def post(self, path: str, *_: object, json: list[Detections] | None = None, **__: object) -> LoopResponse:
        assert path == "/zauberzeug/projects/demo/detections"
        self.requests.append(len(json or []))
        if len(self.requests) == self.fails_at:
            return LoopResponse(503, b"busy")
        self.taken += [entry.image_id for entry in json or []]
        return LoopResponse(200)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def io(tmp_path: Path, loop: Loop) -> ActiveTrainingIO:
    return ActiveTrainingIO(str(tmp_path), loop, CONTEXT)


def detections(*names: str) -> list[Detections]:
    return [Detections(image_id=name) for name in names]


async def test_no_detections(io: ActiveTrainingIO, loop: Loop):
    await io.upload_detetions()
    io.save_detections([])
    await io.upload_detetions()
    assert loop.requests == []


async def test_large_files_go_in_portions(io: ActiveTrainingIO, loop: Loop):
    io.save_detections(detections(*map(str, range(250))))
    await io.upload_detetions()
    assert loop.requests == [100, 100, 50]
    assert loop.taken == list(map(str, range(250)))


async def test_an_upload_goes_on_where_it_failed(io: ActiveTrainingIO, loop: Loop):
    io.save_detections(detections("a", "b"), 0)
    io.save_detections(detections(*map(str, range(150))), 1)
    io.save_detections(detections("c"), 10)
    loop.fails_at = 3
    with pytest.raises(LoopRefusedError, match="503 busy"):
        await io.upload_detetions()
    assert (io.load_detections_upload_file_index(), io.load_detection_upload_progress()) == (1, 100)
    await ActiveTrainingIO(io.training_folder, loop, CONTEXT).upload_detetions()
    assert loop.taken == ["a", "b", *map(str, range(150)), "c"]
    assert loop.requests == [2, 100, 50, 50, 1]


def test_files_are_read_in_the_order_of_their_numbers(io: ActiveTrainingIO):
    for index in (0, 2, 10):
        io.save_detections(detections(str(index)), index)
    assert [file.name for file in io._get_detection_file_names()] == [f"detections_{n}.json" for n in (0, 2, 10)]


@pytest.mark.parametrize("content", ["", "{}", "[{]", '[{"box_detections": 3}]'])
def test_detections_that_cannot_be_read(content: str, io: ActiveTrainingIO, tmp_path: Path):
    (tmp_path / "detections_0.json").write_text(content)
    with pytest.raises(InvalidDataError):
        io.load_detections()


def test_a_plan_counts_for_its_model_only(io: ActiveTrainingIO):
    assert io.load_detection_plan("m") is None
    io.save_detection_plan("m", [["a", "b"], ["c"]])
    assert io.load_detection_plan("m") == [["a", "b"], ["c"]]
    assert io.load_detection_plan("other") is None
    io.delete_detections()
    assert io.load_detection_plan("m") is None


def test_a_failure_is_remembered(io: ActiveTrainingIO):
    assert io.load_failure() is None
    io.save_failure("prepare", "no images")
    assert io.load_failure() == ("prepare", "no images")


def test_a_folder_that_cannot_be_written(tmp_path: Path, loop: Loop):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFullError, match="cannot be written"):
        ActiveTrainingIO(str(tmp_path / "file"), loop, CONTEXT).save_failure("key", "text")


async def test_a_training_that_cannot_be_read_is_kept_aside(tmp_path: Path):
    node = make_trainer(tmp_path, uuid="some-id")
    file = tmp_path / "last_training__some-id.json"
    file.write_text('{"id": 3}')
    assert not await node.trainer_logic.try_continue_run_if_incomplete()
    assert not file.exists()
    assert (tmp_path / "last_training__some-id.json.broken").read_text() == '{"id": 3}'
    assert not LastTrainingIO("some-id", tmp_path).exists()
