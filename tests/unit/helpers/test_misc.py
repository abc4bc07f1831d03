"""The small functions that old programs use."""

from __future__ import annotations

import asyncio
import gc

import numpy as np
import pytest

from learning_loop_node.data_classes import Context, SocketResponse
from learning_loop_node.errors import InvalidImageError
from learning_loop_node.helpers import background_tasks, environment_reader, misc
from learning_loop_node.settings import GLOBALS
from tests.builders import jpeg, pixels

HUGE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\0\xff\0" * 2 + b"\x08\x02\0\0\0"
RAW = {"bytes": bytes(range(12)), "dtype": "uint8", "shape": [2, 2, 3]}


def test_images_from_dictionaries():
    picture = jpeg()
    assert misc.image_from_dict({"format": "jpeg", "bytes": picture}) == picture
    assert misc.numpy_image_from_dict({"format": "jpeg", "bytes": picture}).shape == (48, 64, 3)
    for form in ({}, {"format": "raw"}):
        image = misc.image_from_dict(RAW | form)
        assert isinstance(image, np.ndarray)
        assert image.tobytes() == RAW["bytes"]
        assert image.shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (RAW | {"format": "png"}, ValueError),
        (RAW | {"bytes": b"short"}, InvalidImageError),
        (RAW | {"dtype": "object"}, InvalidImageError),
    ],
)
def test_images_from_wrong_dictionaries(data, error):
    with pytest.raises(error):
        misc.image_from_dict(data)


def test_jpeg_there_and_back():
    image = pixels()
    decoded = misc.jpg_bytes_to_numpy_array(misc.numpy_array_to_jpg_bytes(image))
    assert np.abs(decoded.astype(int) - image).max() < 16


@pytest.mark.parametrize(
    ("content", "is_file_with_content", "is_jpeg"),
    [
        (None, False, False),
        (b"", False, False),
        (b"text", True, False),
        (jpeg()[:400], True, False),
        (HUGE, True, False),
        (jpeg(), True, True),
    ],
)
async def test_valid_images(tmp_path, content, is_file_with_content, is_jpeg):
    file = tmp_path / "a.jpg"
    if content is not None:
        file.write_bytes(content)
    assert await misc.is_valid_image(str(file), False) is is_file_with_content
    assert await misc.is_valid_image(str(file), True) is is_jpeg
    await misc.delete_corrupt_images(str(tmp_path), check_jpeg=True)
    assert file.exists() is is_jpeg


def test_images_for_ids(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).touch()
    found = misc.images_for_ids(["a", "c", "missing"], str(tmp_path))
    assert sorted(found) == [str(tmp_path / "a.jpg"), str(tmp_path / "c.jpg")]


def test_folders(tmp_path):
    GLOBALS.data_folder = str(tmp_path)
    project = misc.create_project_folder(Context(organization="o", project="p"))
    assert project == str(tmp_path / "o" / "p")
    assert misc.create_image_folder(project) == f"{project}/images"
    assert misc.create_training_folder(project, "t") == f"{project}/trainings/t"
    misc.delete_all_training_folders(project)
    misc.delete_all_training_folders(project)
    assert sorted(path.name for path in (tmp_path / "o" / "p").iterdir()) == ["images"]


def test_identifiers(tmp_path):
    GLOBALS.data_folder = str(tmp_path)
    made = misc.read_or_create_uuid("My Node")
    assert misc.read_or_create_uuid("my_node") == made
    assert misc.is_valid_uuid4(made)
    assert not misc.is_valid_uuid4(None)
    assert misc.create_resource_paths("o", "p", ["1"]) == (["/o/projects/p/images/1/main"], ["1"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, {"success": True, "error_msg": None, "payload": None}),
        (False, {"success": False, "error_msg": None, "payload": None}),
        ("text", {"success": True, "error_msg": None, "payload": "text"}),
        (SocketResponse.for_success("z"), {"success": True, "error_msg": None, "payload": "z"}),
        (None, None),
        (ValueError("no"), {"success": False, "error_msg": "no", "payload": None}),
        (
            {"a": 1},
            {
                "success": False,
                "error_msg": "a handler must return text, a boolean, SocketResponse or None, not dict",
                "payload": None,
            },
        ),
    ],
)
async def test_socket_response(value, expected):
    @misc.ensure_socket_response
    async def handler(argument):
        if isinstance(argument, Exception):
            raise argument
        return argument

    assert await handler(value) == expected


def test_free_memory():
    assert misc.get_free_memory_mb() > 0


async def test_tasks_live_and_are_heard(caplog):
    released = asyncio.Event()

    async def fail() -> None:
        await released.wait()
        raise RuntimeError("told to fail")

    misc.create_task(fail())
    background_tasks.create(fail(), name="second")
    await asyncio.sleep(0)
    gc.collect()
    released.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records][-1] == "the task second failed"
    assert len(caplog.records) == 2


async def test_of_lazy_tasks_that_wait_only_the_last_one_runs():
    ran: list[int] = []
    released = asyncio.Event()

    async def work(number: int) -> None:
        ran.append(number)
        await released.wait()

    for number in range(4):
        background_tasks.create_lazy(work(number), name="lazy")
    await asyncio.sleep(0)
    assert ran == [0]
    released.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert ran == [0, 3]


async def test_asyncio_warnings():
    loop = asyncio.get_running_loop()
    misc.activate_asyncio_warnings()
    assert loop.get_debug()
    loop.set_debug(False)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, None), ({"A": "x"}, "x"), ({"B": "y"}, "y"), ({"A": "", "B": "y"}, "y"), ({"A": "x", "B": "x"}, "x")],
)
def test_environment_reader(monkeypatch, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert environment_reader.read_from_env(["A", "B"]) == expected


def test_environment_reader_in_trouble(monkeypatch, caplog):
    with pytest.raises(ValueError, match="no environment variable set"):
        environment_reader.read_from_env(["A", "B"], ignore_errors=False)
    monkeypatch.setenv("A", "x")
    monkeypatch.setenv("B", "y")
    assert environment_reader.read_from_env(["A", "B"]) == "x"
    assert "different environment variables set" in caplog.text
    with pytest.raises(ValueError, match="different environment variables set"):
        environment_reader.read_from_env(["A", "B"], ignore_errors=False)
