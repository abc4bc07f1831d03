"""Files are all or nothing: a failure in between leaves the old content and no rubbish."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from learning_loop_node.runtime.files import (
    make_folder,
    point_to,
    replace_file,
    sync_filesystem,
    sync_folder,
    write_synced,
)


@pytest.mark.parametrize("content", [b"", b"abc", os.urandom(3_000_000)], ids=["empty", "short", "long"])
def test_write(tmp_path, content):
    write_synced(tmp_path / "a", content)
    assert (tmp_path / "a").read_bytes() == content
    write_synced(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_file_system_is_synced(tmp_path):
    """Whether it is on the disk then cannot be seen from here."""
    (tmp_path / "a").write_bytes(b"abc")
    sync_filesystem(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"abc"
    with pytest.raises(FileNotFoundError):
        sync_filesystem(tmp_path / "missing")


def test_replace_makes_the_file_or_changes_it(tmp_path):
    for content in (b"first", b"second"):
        replace_file(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == content
    assert names(tmp_path) == ["a"]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) & 0o600 == 0o600


def test_failure_while_writing_keeps_the_old_content(tmp_path):
    replace_file(tmp_path / "a", b"old")
    with pytest.raises(TypeError):
        replace_file(tmp_path / "a", "no bytes")  # type: ignore[arg-type]
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_failure_while_renaming_keeps_what_is_there(tmp_path):
    (tmp_path / "a" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]
    with pytest.raises(OSError, match="directory"):
        point_to(tmp_path / "a", "elsewhere")
    assert names(tmp_path) == ["a"]


def test_no_folder_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "missing" / "a", b"new")
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "missing")


def test_make_folder(tmp_path):
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"exists|directory"):
        make_folder(tmp_path / "file" / "below")


def test_point_to_moves_without_a_gap(tmp_path):
    for target in ("models/1", "models/2"):
        point_to(tmp_path / "current", target)
        assert (tmp_path / "current").readlink() == Path(target)
    assert names(tmp_path) == ["current"]


def test_left_over_files_do_not_disturb(tmp_path):
    (tmp_path / ".a.0123.tmp").write_bytes(b"of a process that was killed")
    replace_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
