from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])")

from learning_loop_node.demo.own_pictures import own_pictures
from learning_loop_node.errors import SettingError
from tests.builders import jpeg


def test_bad_files_are_named_and_skipped(tmp_path: Path):
    (tmp_path / "good.jpg").write_bytes(jpeg())
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_bytes(b"no picture")
    for name in ("notes.txt", "moving.GIF", "more.txt", "none"):
        (tmp_path / name).write_text("not looked at")
    found = own_pictures(tmp_path)
    assert [photograph.name for photograph in found.photographs] == ["good.jpg"]
    assert sorted(found.skipped) == ["empty.jpg", "text.png"]
    assert all(found.skipped.values())
    assert found.ignored == {".txt": 2, ".gif": 1, "": 1}


def test_jpegs_stay_as_they_are_and_others_become_jpegs(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(jpeg())
    Image.new("RGB", (40, 30), "red").save(tmp_path / "b.PNG")
    photographs = own_pictures(tmp_path).photographs
    assert photographs[0].jpeg == jpeg()
    assert Image.open(BytesIO(photographs[1].jpeg)).format == "JPEG"
    assert photographs[1].faces is None


def test_cameras(tmp_path: Path):
    (tmp_path / "door").mkdir()
    for name in ("door/1.jpg", "x1.jpg", "x2.jpg", "x3.jpg", "x4.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    cameras = {photograph.name: photograph.camera for photograph in own_pictures(tmp_path).photographs}
    assert cameras["door/1.jpg"] == "door"
    assert [cameras[f"x{number}.jpg"] for number in range(1, 5)] == ["camera-1", "camera-2", "camera-3", "camera-1"]


def test_folders_of_equal_name_are_different_cameras(tmp_path: Path):
    for house in ("north", "south"):
        (tmp_path / house / "door").mkdir(parents=True)
        (tmp_path / house / "door" / "1.jpg").write_bytes(jpeg())
    assert {photograph.camera for photograph in own_pictures(tmp_path).photographs} == {"north/door", "south/door"}


def test_the_first_few(tmp_path: Path):
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg())
    assert [photograph.name for photograph in own_pictures(tmp_path, 2).photographs] == ["0.jpg", "1.jpg"]


@pytest.mark.parametrize(
    ("files", "folder", "message"),
    [
        pytest.param({}, "missing", "no such folder", id="no folder"),
        pytest.param({}, ".", "no usable image", id="empty folder"),
        pytest.param({"a.jpg": b"no picture"}, ".", r"a\.jpg", id="only bad ones"),
    ],
)
def test_without_a_picture_there_is_no_demo(files: dict[str, bytes], folder: str, message: str, tmp_path: Path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingError, match=message):
        own_pictures(tmp_path / folder)
