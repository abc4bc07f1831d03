"""Archives: what people and loops pack is unpacked, what is hostile is refused before it can touch anything."""

from __future__ import annotations

import io
import os
import random
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from learning_loop_node.errors import ArchiveRefusedError, InvalidRequestError, RefusedError, StorageFullError
from learning_loop_node.runtime.archive import ArchiveLimits, pack, unpack

# What is unpacked


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["model.json", "weights.pt"], ["model.json", "weights.pt"], id="flat"),
        pytest.param(["model.json", "a/b/weights.pt"], ["model.json", "a/b/weights.pt"], id="nested"),
        pytest.param(["m/", "m/model.json", "m/a/w.pt"], ["model.json", "a/w.pt"], id="one folder with model.json"),
        pytest.param(["m/weights.pt", "m/a.txt"], ["m/weights.pt", "m/a.txt"], id="one folder without"),
        pytest.param(["m/a/model.json"], ["m/a/model.json"], id="model.json deeper"),
        pytest.param(["m/model.json", "x.txt"], ["m/model.json", "x.txt"], id="two at the top"),
        pytest.param(["./model.json", "a//b"], ["model.json", "a/b"], id="dots and double slashes"),
        pytest.param(["m/model.json", "__MACOSX/m/._model.json"], ["model.json"], id="packed by macOS"),
        pytest.param(["A.txt", "a.txt"], ["A.txt", "a.txt"], id="case is kept"),
        pytest.param(["Modell ä 模.pt", "..a", "b.."], ["Modell ä 模.pt", "..a", "b.."], id="unusual names"),
        pytest.param(["empty/", "model.json"], ["model.json"], id="empty folder"),
        pytest.param(["inner.zip"], ["inner.zip"], id="archive in the archive"),
    ],
)
def test_unpacks(names, expected, tmp_path):
    archive = archive_of(tmp_path, {name: b"" if name.endswith("/") else name.encode() for name in names})
    files = unpack(archive, tmp_path / "model")
    assert files == [tmp_path / "model" / name for name in expected]
    contents = [name.encode() for name in names if not name.endswith("/") and not name.startswith("__MACOSX")]
    assert [file.read_bytes() for file in files] == contents
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o644 & ~umask() for file in files)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("prefix", [b"", b"#!/bin/sh\n"])
def test_unpacks_stored_and_deflated(method, prefix, tmp_path):
    content = random.Random(1).randbytes(3_000_000) + b"\0" * 3_000_000
    archive = archive_of(tmp_path, {"model.json": b"{}", "weights.pt": content}, method=method)
    archive.write_bytes(prefix + archive.read_bytes())
    assert unpack(archive, tmp_path / "model")[1].read_bytes() == content


def test_unpacks_what_was_streamed(tmp_path):
    stream = Unseekable()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"a" * 5000)
        archive.writestr("b.txt", b"b")
    (tmp_path / "streamed.zip").write_bytes(stream.getvalue())
    assert [file.name for file in unpack(tmp_path / "streamed.zip", tmp_path / "model")] == ["a.txt", "b.txt"]


def test_unpacks_into_an_empty_folder(tmp_path):
    (tmp_path / "model").mkdir()
    assert unpack(archive_of(tmp_path, {"a": b"a"}), tmp_path / "model") == [tmp_path / "model" / "a"]


def test_small_files_may_shrink_well(tmp_path):
    assert unpack(archive_of(tmp_path, {"zeros": bytes(2_000_000)}), tmp_path / "model")[0].stat().st_size == 2_000_000


# What is refused


def test_refuses_a_folder_with_content(tmp_path):
    archive = archive_of(tmp_path, {"a": b"a"})
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "b").touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for folder in (tmp_path / "model", archive, tmp_path / "link"):
        with pytest.raises(RefusedError, match="not an empty folder"):
            unpack(archive, folder)
    assert (tmp_path / "model" / "b").exists()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("../outside", "leads out", id="parent"),
        pytest.param("a/../../outside", "leads out", id="parent inside"),
        pytest.param("a/..", "leads out", id="parent at the end"),
        pytest.param("/outside", "absolute", id="absolute"),
        pytest.param("//host/outside", "absolute", id="network"),
        pytest.param("C:outside", "absolute", id="drive"),
        pytest.param("c:/outside", "absolute", id="drive and slash"),
        pytest.param("..\\outside", "backslash", id="backslashes"),
        pytest.param("a\\b", "backslash", id="backslash"),
        pytest.param("a\0.txt", "control", id="NUL"),
        pytest.param("a\n.txt", "control", id="line break"),
        pytest.param("\x1b[2Ja", "control", id="escape"),
        pytest.param("a\x7f", "control", id="delete"),
        pytest.param("a\x85", "control", id="C1"),
        pytest.param("x" * 256, "too long", id="long name"),
        pytest.param("ä" * 128, "too long", id="long name in bytes"),
        pytest.param("/".join(["x" * 100] * 11), "too long", id="long path"),
        pytest.param("/".join("x" * 33), "deeper", id="deep"),
        pytest.param(".", "empty name", id="dot"),
        pytest.param("", "empty name|broken|no files", id="no name"),
    ],
)
@pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
def test_refuses_names(name, text, is_folder, tmp_path):
    if is_folder:
        name, text = f"{name}/", f"{text}|absolute"
    archive = tmp_path / "hostile.zip"
    archive.write_bytes(raw_zip([Raw(b"good.txt", b"good"), Raw(name.encode())]))
    assert_refused(archive, text, tmp_path)


def link(tmp_path: Path) -> bytes:
    return raw_zip([Raw(b"l", str(tmp_path).encode(), mode=stat.S_IFLNK | 0o777), Raw(b"l/outside", b"x")])


def bomb() -> bytes:
    packed = zlib.compress(bytes(2**20 * 300), 9)[2:-4]
    return raw_zip([Raw(b"zeros", packed, method=8, size=2**20 * 300, crc=zlib.crc32(bytes(2**20 * 300)))])


def overlapping() -> bytes:
    body = zlib.compress(bytes(5000))[2:-4]
    entries = [Raw(b"a", body, method=8, size=5000, crc=zlib.crc32(bytes(5000)))]
    return raw_zip(entries, directory=entries * 5 + [Raw(b"b", body, method=8, size=5000, crc=zlib.crc32(bytes(5000)))])


def quoted_overlap() -> bytes:
    """The first entry's data holds the second entry's header and data, too."""
    inner = Raw(b"b", b"inner")
    outer = Raw(b"a", local_header(inner) + inner.data)
    offset = len(local_header(outer))
    return raw_zip([outer], directory=[outer, inner], offsets=[0, offset])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(lambda: b"", "not a zip", id="empty file"),
        pytest.param(lambda: b"hello" * 100, "not a zip", id="text"),
        pytest.param(lambda: raw_zip([]), "no files", id="no entries"),
        pytest.param(lambda: raw_zip([Raw(b"a/")]), "no files", id="only folders"),
        pytest.param(lambda: link(Path("/tmp")), "no regular file", id="symbolic link"),
        pytest.param(lambda: raw_zip([Raw(b"x", mode=stat.S_IFCHR | 0o666)]), "no regular", id="character device"),
        pytest.param(lambda: raw_zip([Raw(b"x", mode=stat.S_IFBLK | 0o666)]), "no regular", id="block device"),
        pytest.param(lambda: raw_zip([Raw(b"x", mode=stat.S_IFIFO | 0o666)]), "no regular", id="pipe"),
        pytest.param(lambda: raw_zip([Raw(b"x", mode=stat.S_IFSOCK | 0o666)]), "no regular", id="socket"),
        pytest.param(lambda: raw_zip([Raw(b"x", mode=stat.S_IFDIR | 0o666)]), "no regular", id="folder as file"),
        pytest.param(lambda: raw_zip([Raw(b"l/", mode=stat.S_IFLNK | 0o777)]), "no regular", id="link as folder"),
        pytest.param(
            lambda: raw_zip([Raw(b"a/", b"content")]), "folder with content|no files", id="folder with content"
        ),
        pytest.param(lambda: raw_zip([Raw(b"x", b"x", flags=0x1)]), "encrypted", id="encrypted"),
        pytest.param(lambda: raw_zip([Raw(b"x", b"x", flags=0x41)]), "encrypted", id="strongly encrypted"),
        pytest.param(lambda: raw_zip([Raw(b"x", b"x", method=12)]), "neither stored nor deflated", id="bzip2"),
        pytest.param(lambda: raw_zip([Raw(b"x", b"x", method=99)]), "neither stored nor deflated", id="unknown method"),
        pytest.param(lambda: raw_zip([Raw(b"x", b"1"), Raw(b"x", b"2")]), "comes twice", id="twice"),
        pytest.param(
            lambda: raw_zip([Raw(b"x", b"1"), Raw(b"./x", b"2")]), "comes twice", id="twice, spelled differently"
        ),
        pytest.param(
            lambda: raw_zip([Raw(b"x", b"1"), Raw(b"x/y", b"2")]), "something that is a file", id="file as folder"
        ),
        pytest.param(
            lambda: raw_zip([Raw(b"x/y/z", b"1"), Raw(b"x", b"2")]),
            "something that is a file",
            id="folder as file later",
        ),
        pytest.param(bomb, "300 MiB|more than 200 times", id="bomb"),
        pytest.param(overlapping, "overlaps", id="overlap"),
        pytest.param(quoted_overlap, "overlaps", id="overlap by quoting"),
        pytest.param(lambda: raw_zip([Raw(b"x", b"x", size=2**31)] * 3), "unpacks to", id="announces 6 GiB"),
        pytest.param(lambda: raw_zip([Raw(b"x", b"xyz", size=2)]), "broken|shorter|longer", id="longer than announced"),
        pytest.param(
            lambda: raw_zip([Raw(b"x", b"xyz", size=9)]), "broken|shorter|longer|reaches", id="shorter than announced"
        ),
        pytest.param(lambda: deflated(1_000_000, announced=10), "broken|longer", id="deflates to more"),
        pytest.param(lambda: deflated(10, announced=1_000_000), "broken|shorter", id="deflates to less"),
        pytest.param(lambda: raw_zip([Raw(b"x", b"xyz", crc=5)]), "broken", id="wrong checksum"),
        pytest.param(lambda: raw_zip([Raw(b"x", b"xyz", method=8)]), "broken", id="no deflate data"),
        pytest.param(lambda: raw_zip([Raw(b"x", b"xyz")], offsets=[5]), "not where", id="wrong offset"),
        pytest.param(
            lambda: raw_zip([Raw(b"x", b"xyz")], offsets=[10**6]),
            "not where|broken|overlaps|directory",
            id="offset outside",
        ),
        pytest.param(lambda: raw_zip([Raw(b"x", b"x")], directory=[Raw(b"y", b"x")]), "broken", id="two names"),
        pytest.param(lambda: raw_zip([Raw(b"%d" % n) for n in range(10_001)]), "10001 entries", id="many entries"),
        pytest.param(lambda: raw_zip([Raw(b"x", b"x")])[:-30], "not a zip", id="cut off"),
        pytest.param(
            lambda: raw_zip([Raw(b"x", b"x")], directory_bytes=2**32 - 1), "directory claims", id="huge directory"
        ),
    ],
)
def test_refuses(make: Callable[[], bytes], text, tmp_path):
    archive = tmp_path / "hostile.zip"
    archive.write_bytes(make())
    assert_refused(archive, text, tmp_path)


def test_mutated_archives_are_unpacked_or_refused(tmp_path):
    random_ = random.Random(7)
    original = archive_of(tmp_path, {"model.json": b"{}" * 50, "a/w.pt": bytes(500), "b": b"b"}).read_bytes()
    for number in range(600):
        data = bytearray(original)
        for _ in range(random_.randint(1, 4)):
            data[random_.randrange(len(data))] = random_.randrange(256)
        if number % 6 == 0:
            del data[random_.randrange(len(data)) :]
        archive = tmp_path / "m" / f"{number}.zip"
        archive.parent.mkdir(exist_ok=True)
        archive.write_bytes(data)
        folder = tmp_path / "m" / "model" / str(number)
        try:
            files = unpack(archive, folder)
        except ArchiveRefusedError:
            assert list(folder.iterdir()) == []
        else:
            assert all(file.resolve().is_relative_to(folder) for file in files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.zip", "m"]


def test_own_limits(tmp_path):
    archive = archive_of(tmp_path, {"a": bytes(100), "b": b""})
    for limits, text in [
        (ArchiveLimits(max_entries=1), "2 entries, the limit is 1"),
        (ArchiveLimits(max_bytes=99), "100 bytes, the limit is 99"),
        (ArchiveLimits(max_ratio=0.1, harmless_bytes=50), "more than 0.1 times"),
    ]:
        with pytest.raises(ArchiveRefusedError, match=text):
            unpack(archive, tmp_path / "model", limits=limits)
    with pytest.raises(StorageFullError, match="are free"):
        unpack(archive, tmp_path / "model", limits=ArchiveLimits(free_bytes_left=2**60))
    assert unpack(archive, tmp_path / "model", limits=ArchiveLimits(max_entries=2, max_bytes=100))


def test_a_missing_archive_is_no_broken_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "missing.zip", tmp_path / "model")


# Packing


def test_packs_flat_and_always_the_same(tmp_path):
    for folder, name in (("a", "model.json"), ("b", "weights.pt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(name.encode() * 1000)
    files = [tmp_path / "a" / "model.json", tmp_path / "b" / "weights.pt"]
    pack(files, tmp_path / "1.zip")
    os.utime(files[0], (1, 1))
    pack(files, tmp_path / "2.zip")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    unpacked = unpack(tmp_path / "1.zip", tmp_path / "model")
    assert [(file.name, file.read_bytes()) for file in unpacked] == [(file.name, file.read_bytes()) for file in files]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.zip", "2.zip", "a", "b", "model"]


def test_packing_refuses_a_name_that_comes_twice(tmp_path):
    with pytest.raises(InvalidRequestError, match=r"twice: a\.txt"):
        pack([tmp_path / "a.txt", tmp_path / "b" / "a.txt"], tmp_path / "x.zip")


def test_packing_leaves_nothing_behind_when_a_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        pack([tmp_path / "missing"], tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


# Helpers


class Raw:
    """An entry as it should stand in the archive, true or not."""

    def __init__(self, name: bytes, data: bytes = b"", *, mode=0, method=0, flags=0, size=None, crc=None) -> None:
        self.name, self.data, self.mode, self.method, self.flags = name, data, mode, method, flags | 0x800
        self.size = len(data) if size is None else size
        self.crc = zlib.crc32(data) if crc is None else crc


def local_header(raw: Raw) -> bytes:
    fields = (20, raw.flags, raw.method, 0, 33, raw.crc, len(raw.data), raw.size, len(raw.name), 0)
    return b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", *fields) + raw.name


def raw_zip(
    entries: list[Raw],
    *,
    directory: list[Raw] | None = None,
    offsets: list[int] | None = None,
    directory_bytes: int | None = None,
) -> bytes:
    """An archive byte by byte; the directory may say something else than the entries."""
    body, places = b"", []
    for raw in entries:
        places.append(len(body))
        body += local_header(raw) + raw.data
    listed = directory or entries
    places = offsets or (places + [0] * len(listed))
    central = b""
    for raw, offset in zip(listed, places, strict=False):
        fields = (0x314, 20, raw.flags, raw.method, 0, 33, raw.crc, len(raw.data), raw.size, len(raw.name), 0, 0, 0, 0)
        central += b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHH", *fields)
        central += struct.pack("<II", raw.mode << 16, offset) + raw.name
    count = min(len(listed), 65_535)
    size = len(central) if directory_bytes is None else directory_bytes
    return body + central + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, size, len(body), 0)


def deflated(real: int, *, announced: int) -> bytes:
    return raw_zip([Raw(b"x", zlib.compress(bytes(real))[2:-4], method=8, size=announced)])


def archive_of(folder: Path, files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    archive = folder / "good.zip"
    with zipfile.ZipFile(archive, "w", method) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return archive


class Unseekable(io.BytesIO):
    """Written without going back, as servers stream archives."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_args) -> int:
        raise io.UnsupportedOperation


def umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def assert_refused(archive: Path, text: str, folder: Path) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(ArchiveRefusedError, match=text) as caught:
        unpack(archive, folder / "deep" / "model")
    assert len(str(caught.value)) < 300
    assert list((folder / "deep" / "model").iterdir()) == []
    assert sorted(folder.iterdir()) == sorted([*before, folder / "deep"])
