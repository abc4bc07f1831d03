"""The corpus of hostile archives: each has a name, its bytes, and the words with which it must be refused.

python -m tests.attack.archives FOLDER      # writes them as files, to look at or to try elsewhere
"""

from __future__ import annotations

import random
import stat
import struct
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .zips import END, FULL, UTF8, End, Entry, archive, deflate, extra, extra_64, record_64, zeros

MIB = 2**20
GOOD = Entry(name=b"good.txt", content=b"good")
MODEL = Entry(name=b"model.json", content=b'{"categories": []}')
WEIGHTS = Entry(name=b"weights/part 1.pt", content=bytes(range(256)) * 20, method=8)


@dataclass(frozen=True, slots=True)
class Hostile:
    """`refused` is a pattern that the reason must match; without it the archive is fine and `files` come out of it."""

    name: str
    make: Callable[[], bytes]
    refused: str = ""
    files: tuple[str, ...] = ()


def named(name: bytes, *, flags: int = UTF8) -> Callable[[], bytes]:
    return lambda: archive([GOOD, Entry(name=name, content=b"x", flags=flags)])


def of(*entries: Entry, **options: Any) -> Callable[[], bytes]:
    return lambda: archive(entries, **options)


LEADING_OUT = [
    ("../outside", "leads out"),
    ("a/../../outside", "leads out"),
    ("a/..", "leads out"),
    ("..", "leads out"),
    ("./../outside", "leads out"),
    ("a/./../../../../../../../../tmp/outside", "leads out"),
    ("/outside", "absolute"),
    ("//host/share/outside", "absolute"),
    ("///outside", "absolute"),
    ("/proc/self/environ", "absolute"),
    ("C:outside", "absolute"),
    ("c:/outside", "absolute"),
    ("C:\\outside", "absolute|backslash"),
    ("..\\outside", "backslash"),
    ("a\\..\\..\\outside", "backslash"),
    ("\\\\host\\share", "backslash"),
    ("\\\\?\\C:\\outside", "backslash"),
    ("a\0.txt", "control"),
    ("../outside\0.txt", "control|leads out"),
    ("a\n.txt", "control"),
    ("\x1b[2Jcleared", "control"),
    ("a\x7f", "control"),
    ("a\x85", "control"),
    ("x" * 256, "too long"),
    ("ä" * 128, "too long"),
    ("/".join(["x" * 100] * 11), "too long"),
    ("/".join("x" * 40), "deeper"),
    ("x" * 60_000, "too long"),
    (".", "empty name"),
    ("", "empty name|no files|good.txt"),
    ("/", "absolute"),
    ("./", "empty name"),
]

HARMLESS = [
    "CON",
    "nul.txt",
    "COM1",
    "ab:stream",
    "trailing.",
    "trailing ",
    "...",
    "..a",
    "-rf",
    "~",
    "$(reboot)",
    "%2e%2e%2foutside",
    "\u202etxt.exe",
    "\uff0e\uff0e\uff0foutside",  # full-width dots and slash
    "\u2025\u2215outside",
]


def link(target: bytes = b"/etc", *, behind: bytes = b"link/passwd") -> bytes:
    return archive(
        [Entry(name=b"link", content=target, mode=stat.S_IFLNK | 0o777), Entry(name=behind, content=b"root::0:0")]
    )


def bomb(size: int) -> bytes:
    packed, crc = zeros(size)
    return archive([MODEL, Entry(name=b"zeros", packed=packed, method=8, size=size, crc=crc)])


def many_bombs(count: int, size: int) -> bytes:
    """Many files that are each below every limit."""
    packed, crc = zeros(size)
    return archive(
        [Entry(name=b"zeros %d" % number, packed=packed, method=8, size=size, crc=crc) for number in range(count)]
    )


def lying_bomb(size: int, *, announced: int) -> bytes:
    packed, _ = zeros(size)
    return archive([Entry(name=b"zeros", packed=packed, method=8, size=announced, crc=0)])


def nested(depth: int) -> bytes:
    """An archive in an archive …; only the outermost is ever opened."""
    inner = archive([Entry(name=b"zeros", content=bytes(MIB), method=8)])
    for level in range(depth):
        inner = archive([Entry(name=b"%d.zip" % (level + copy * 100), content=inner, method=8) for copy in range(3)])
    return inner


def one_kernel(count: int) -> bytes:
    """Many entries that share the data of one (CVE-2024-0450)."""
    body = Entry(name=b"a", content=bytes(100_000), method=8)
    names = [Entry(name=b"file %d" % number, content=bytes(100_000), method=8, offset=0) for number in range(count)]
    return archive([body], directory=[body, *names])


def quoting(count: int) -> bytes:
    """Each entry's data begins with the headers of all that follow, in stored blocks of a deflate stream."""
    kernel = Entry(name=b"%d" % count, content=bytes(50_000), method=8)
    body = kernel.local_header() + kernel.data
    listed: list[tuple[Entry, int]] = [(kernel, 0)]
    packed = kernel.data
    for number in range(count - 1, -1, -1):
        following = listed[0][0].local_header()
        block = b"\0" + struct.pack("<HH", len(following), len(following) ^ 0xFFFF)
        packed = block + following + packed
        entry = Entry(name=b"%d" % number, packed=packed, method=8, size=50_000 + 40 * (count - number), crc=0)
        head = entry.local_header() + block
        body = head + body
        listed = [(entry, 0), *((other, place + len(head)) for other, place in listed)]
    central = b"".join(entry.central_header(place) for entry, place in listed)
    end = struct.pack("<HHHHIIH", 0, 0, len(listed), len(listed), len(central), len(body), 0)
    return body + central + END + end


def many_entries(count: int, *, name_bytes: int = 5) -> bytes:
    return archive([Entry(name=b"%0*d" % (name_bytes, number)) for number in range(count)])


def crowd(count: int, *, said: int | None = None) -> bytes:
    """A directory with so many lines, all of them for one and the same entry."""
    one = Entry(name=b"a")
    whole = archive([one])
    line = one.central_header(0)
    start = len(one.local_header())
    number = min(count, 0xFFFF) if said is None else said
    tail = struct.pack("<HHHHIIH", 0, 0, number, number, len(line) * count, start, 0)
    return whole[:start] + line * count + END + tail


def placed(offset: int) -> bytes:
    """An entry whose place only the 64-bit field can say."""
    return archive([Entry(name=b"far", content=b"x", offset=FULL, extra=extra_64(offset))])


def cut(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """The archive, cut off in and between all its structures."""
    marks = {0, 1, 4, 29, 30, len(whole) - 1, len(whole) - 21, len(whole) - 22, len(whole) - 23}
    for signature in (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"):
        position = whole.find(signature)
        while position >= 0:
            marks |= {position, position + 2, position + 4, position + 20}
            position = whole.find(signature, position + 1)
    for mark in sorted(marks):
        if 0 <= mark < len(whole):
            yield f"cut off after {mark} of {len(whole)} bytes", whole[:mark]


def with_64(**changes: Any) -> Callable[[], bytes]:
    end = End(with_64=record_64(**changes), count=0xFFFF, directory_offset=FULL)
    return lambda: archive([MODEL, GOOD], end=end)


TWINS = (unicodedata.normalize("NFC", "Kü.txt"), unicodedata.normalize("NFD", "Kü.txt"))
BROKEN = "broken|shorter|longer"

CORPUS: list[Hostile] = [
    # --- names
    *(
        Hostile(f"name {number}: {name[:40]!r}", named(name.encode()), words)
        for number, (name, words) in enumerate(LEADING_OUT)
    ),
    *(
        Hostile(f"folder {number}: {name[:40]!r}", named(name.encode() + b"/"), f"{words}|absolute")
        for number, (name, words) in enumerate(LEADING_OUT)
    ),
    *(Hostile(f"harmless {name!r}", named(name.encode()), files=("good.txt", name)) for name in HARMLESS),
    Hostile("name that is no UTF-8 and says so", named(b"\xff\xfe.txt"), "broken|UTF-8"),
    Hostile("name that is no UTF-8", named(b"\xff\xfe.txt", flags=0), files=("good.txt", "\xa0\u25a0.txt")),
    Hostile("lone surrogate in a name", named(b"\xed\xa0\x80.txt"), "broken|UTF-8"),
    Hostile(
        "another name in the Unicode path field",
        of(Entry(name=b"a.txt", content=b"x", extra=extra(0x7075, b"\1" + bytes(4) + b"../outside"))),
        files=("a.txt",),
    ),
    # --- one place for two
    Hostile("twice the same", of(Entry(name=b"x", content=b"1"), Entry(name=b"x", content=b"2")), "'x' comes twice"),
    Hostile("twice, spelled differently", of(Entry(name=b"a/x"), Entry(name=b"./a//x")), "comes twice"),
    Hostile("folders that differ by a slash", of(Entry(name=b"a//x"), Entry(name=b"a/./x")), "comes twice"),
    Hostile("names that differ in case", of(Entry(name=b"A.txt"), Entry(name=b"a.TXT")), files=("A.txt", "a.TXT")),
    Hostile("twins in Unicode", of(*(Entry(name=name.encode()) for name in TWINS)), files=TWINS),
    Hostile("a file that is also a folder", of(Entry(name=b"x"), Entry(name=b"x/y")), "something that is a file"),
    Hostile("a folder that is also a file", of(Entry(name=b"x/y/z"), Entry(name=b"x")), "something that is a file"),
    Hostile("a file and a folder of one name", of(Entry(name=b"x", content=b"1"), Entry(name=b"x/")), files=("x",)),
    Hostile("a folder and a file of one name", of(Entry(name=b"x/"), Entry(name=b"x", content=b"1")), files=("x",)),
    Hostile("model.json is a folder", of(Entry(name=b"model.json/"), GOOD), files=("good.txt",)),
    Hostile("model.json is a folder of files", of(Entry(name=b"model.json/x")), files=("model.json/x",)),
    Hostile("model.json leads out", of(Entry(name=b"../model.json", content=b"{}")), "leads out"),
    # --- what is no regular file
    Hostile("symbolic link", link, "'link' is no regular file"),
    Hostile("symbolic link to the parent", lambda: link(b"..", behind=b"link/outside"), "'link' is no regular file"),
    Hostile("symbolic link to itself", lambda: link(b"link", behind=b"x"), "'link' is no regular file"),
    Hostile("link named as a folder", of(Entry(name=b"l/", mode=stat.S_IFLNK | 0o777)), "'l/' is no regular file"),
    Hostile(
        "symbolic link by another system's attributes",
        of(Entry(name=b"l", content=b"/etc", mode=stat.S_IFLNK | 0o777, made_by=0x0014)),
        "'l' is no regular file",
    ),
    Hostile(
        "hard link, as tar-like tools write it",
        of(Entry(name=b"l", mode=stat.S_IFREG | 0o644, extra=extra(0x756E, bytes(8) + b"\5\0\0\0/etc/passwd"))),
        files=("l",),
    ),
    Hostile("character device", of(Entry(name=b"d", mode=stat.S_IFCHR | 0o666)), "'d' is no regular file"),
    Hostile("block device", of(Entry(name=b"d", mode=stat.S_IFBLK | 0o666)), "'d' is no regular file"),
    Hostile("pipe", of(Entry(name=b"d", mode=stat.S_IFIFO | 0o666)), "'d' is no regular file"),
    Hostile("socket", of(Entry(name=b"d", mode=stat.S_IFSOCK | 0o666)), "'d' is no regular file"),
    Hostile("a kind that does not exist", of(Entry(name=b"d", mode=0o170000)), "'d' is no regular file"),
    Hostile("a file that says it is a folder", of(Entry(name=b"d", mode=stat.S_IFDIR | 0o777)), "'d' is no regular"),
    Hostile("set-user-id", of(Entry(name=b"s", content=b"#!/bin/sh", mode=stat.S_IFREG | 0o6777)), files=("s",)),
    Hostile("a folder with content", of(GOOD, Entry(name=b"a/", content=b"x")), "'a/' is a folder with content"),
    # --- bombs
    Hostile("bomb by ratio", lambda: bomb(300 * MIB), "more than 200 times"),
    Hostile("bomb by total", of(*(Entry(name=b"%d" % n, size=2**31) for n in range(3))), "unpacks to 6442450944"),
    Hostile("bomb of many small files", lambda: many_bombs(60, 5 * MIB), "more than 200 times"),
    Hostile("bomb that says it is small", lambda: lying_bomb(300 * MIB, announced=5), f"'zeros' is ({BROKEN})"),
    Hostile("bomb that says it is 9 MiB", lambda: lying_bomb(90 * MIB, announced=9 * MIB), f"'zeros' is ({BROKEN})"),
    Hostile("archives in archives", lambda: nested(4), files=("3.zip", "103.zip", "203.zip")),
    Hostile("entries that share their data", lambda: one_kernel(50), "overlaps"),
    Hostile("entries that quote each other", lambda: quoting(50), "overlaps"),
    Hostile("10 001 entries", lambda: many_entries(10_001), "10001 entries|more than 10000 entries"),
    Hostile("10 001 entries that say they are 1", lambda: crowd(10_001, said=1), "entries"),
    Hostile("200 000 entries", lambda: crowd(200_000), "entries"),
    Hostile("a directory of 30 MB", lambda: crowd(640_000), "directory claims"),
    Hostile("names of 60 000 bytes", lambda: many_entries(500, name_bytes=60_000), "directory claims"),
    # --- lies
    Hostile("shorter than announced", of(Entry(name=b"x", content=b"xyz", size=9)), f"'x' is ({BROKEN})"),
    Hostile("longer than announced", of(Entry(name=b"x", content=b"xyz", size=2)), f"'x' is ({BROKEN})"),
    Hostile("deflates to more", of(Entry(name=b"x", packed=deflate(bytes(10**6)), method=8, size=9)), "'x' is"),
    Hostile("deflates to less", of(Entry(name=b"x", packed=deflate(bytes(9)), method=8, size=10**6)), "'x' is"),
    Hostile("wrong checksum", of(GOOD, Entry(name=b"x", content=b"xyz", crc=5)), "'x' is broken.*CRC"),
    Hostile("no deflate data", of(GOOD, Entry(name=b"x", content=b"xyz", packed=b"xyz", method=8)), "'x' is broken"),
    Hostile(
        "deflate data that ends early",
        of(Entry(name=b"x", content=bytes(range(256)) * 9, packed=deflate(bytes(range(256)) * 9)[:99], method=8)),
        f"'x' is ({BROKEN})",
    ),
    Hostile("packed size 0", of(Entry(name=b"x", content=b"x" * 99, method=8, packed_size=0)), f"'x' is ({BROKEN})"),
    Hostile("packed size over everything", of(Entry(name=b"x", content=b"x", packed_size=10**6)), "'x' reaches into"),
    Hostile("another name in the local header", of(Entry(name=b"x", local={"name": b"../y"})), "'x' is broken.*differ"),
    Hostile(
        "other sizes in the local header", of(Entry(name=b"x", content=b"x", local={"size": 9, "crc": 1})), files=("x",)
    ),
    Hostile(
        "another method in the local header", of(Entry(name=b"x", content=b"x", local={"method": 99})), files=("x",)
    ),
    Hostile(
        "encrypted by the local header only",
        of(Entry(name=b"x", content=b"x", local={"flags": UTF8 | 1})),
        files=("x",),
    ),
    Hostile("no local header", of(Entry(name=b"x", content=b"x", offset=5)), "'x' is not where"),
    Hostile("place outside", of(Entry(name=b"x", content=b"x", offset=10**6)), "'x' is not where"),
    Hostile("place in the directory", of(GOOD, Entry(name=b"x", content=b"x", offset=100)), "'x' is not where"),
    Hostile(
        "endless local name",
        of(Entry(name=b"x", content=b"x", local={"name": b"y" * 60_000})),
        "'x' is broken: File name",
    ),
    Hostile("encrypted", of(Entry(name=b"x", content=b"x", flags=UTF8 | 1)), "'x' is encrypted"),
    Hostile("strongly encrypted", of(Entry(name=b"x", content=b"x", flags=UTF8 | 0x41)), "'x' is encrypted"),
    Hostile("encrypted directory", of(Entry(name=b"x", content=b"x", flags=UTF8 | 0x2001)), "'x' is encrypted"),
    Hostile("patched", of(Entry(name=b"x", content=b"x", flags=UTF8 | 0x20)), "'x' is neither stored nor deflated"),
    *(
        Hostile(
            f"compression method {method}",
            of(Entry(name=b"x", content=b"x", packed=b"x" * 40, method=method)),
            "'x' is neither stored nor deflated",
        )
        for method in (1, 6, 9, 12, 14, 93, 95, 97, 98, 99, 0xFFFF)
    ),
    Hostile("needs a program of the future", of(Entry(name=b"x", content=b"x", needed=90)), "broken.*version"),
    # --- zip64
    Hostile("zip64", with_64(), files=("model.json", "good.txt")),
    Hostile("zip64: huge directory", with_64(directory_bytes=2**63), "directory claims"),
    Hostile("zip64: negative directory", with_64(directory_bytes=2**64 - 1), "directory claims"),
    Hostile("zip64: directory far away", with_64(offset=2**63), "broken|directory|not where|overlaps|reaches"),
    Hostile("zip64: directory elsewhere", with_64(offset=3), "broken|directory|not where|overlaps|reaches"),
    Hostile("zip64: huge count", with_64(count=2**63), files=("model.json", "good.txt")),
    Hostile("zip64: something in between", with_64(extensible=b"x" * 100), "zip64|broken|directory"),
    Hostile("zip64: place 2^62", lambda: placed(2**62), "'far' is not where"),
    Hostile("zip64: place 2^63", lambda: placed(2**63), "'far' is not where"),
    Hostile("zip64: place 2^64 - 1", lambda: placed(2**64 - 1), "'far' is not where"),
    Hostile("zip64: huge size", of(Entry(name=b"x", size=FULL, extra=extra_64(2**63))), "unpacks to"),
    Hostile(
        "zip64: huge packed size", of(Entry(name=b"x", packed_size=FULL, extra=extra_64(2**63))), "'x' reaches into"
    ),
    Hostile("zip64: field cut off", of(Entry(name=b"x", size=FULL, extra=extra(1, b"123"))), "broken|unpacks"),
    Hostile("extra field longer than said", of(Entry(name=b"x", extra=b"\x01\0\xff\xff")), "broken"),
    # --- the end
    Hostile("empty file", bytes, "not a zip"),
    Hostile("text", lambda: b"hello, world\n" * 100, "not a zip"),
    Hostile("zeros", lambda: bytes(100_000), "not a zip"),
    Hostile("a tar", lambda: b"weights.pt".ljust(257, b"\0") + b"ustar" + bytes(2000), "not a zip"),
    Hostile("a gzip", lambda: b"\x1f\x8b\x08" + bytes(200), "not a zip"),
    Hostile("a RAR", lambda: b"Rar!\x1a\x07\x01\x00" + bytes(200), "not a zip"),
    Hostile("nothing but the end", of(), "no files"),
    Hostile("only folders", of(Entry(name=b"a/"), Entry(name=b"b/c/")), "no files"),
    Hostile("only what macOS adds", of(Entry(name=b"__MACOSX/._x", content=b"x")), "no files"),
    Hostile("leading bytes", of(MODEL, GOOD, end=End(before=b"#!/bin/sh\nexit\n")), files=("model.json", "good.txt")),
    Hostile("trailing bytes", of(MODEL, end=End(behind=b"x" * 1000)), files=("model.json",)),
    Hostile("trailing 100 kB", of(MODEL, end=End(behind=b"x" * 100_000)), "not a zip"),
    Hostile("bytes between entries", of(MODEL, GOOD, gap=b"PK\x03\x04" * 9), files=("model.json", "good.txt")),
    Hostile("comment", of(MODEL, end=End(comment=b"c" * 65_535)), files=("model.json",)),
    Hostile("an end in the comment", of(MODEL, end=End(comment=archive([Entry(name=b"../x")]))), "broken|leads|where"),
    Hostile("comment longer than said", of(MODEL, end=End(comment=b"c" * 99, comment_bytes=5)), files=("model.json",)),
    Hostile("comment shorter than said", of(MODEL, end=End(comment_bytes=500)), files=("model.json",)),
    Hostile("directory larger than everything", of(MODEL, end=End(directory_bytes=FULL)), "directory claims"),
    Hostile("directory a little too large", of(MODEL, end=End(directory_bytes=112)), "broken|directory"),
    Hostile("directory of 0 bytes", of(MODEL, end=End(directory_bytes=0)), "no files|broken"),
    Hostile("directory that begins later", of(MODEL, end=End(directory_offset=5000)), "broken|overlaps|where"),
    Hostile(
        "directory at the start", of(MODEL, end=End(directory_offset=0)), "'model.json' is not where|broken|reaches"
    ),
    Hostile("count too high", of(MODEL, end=End(count=9)), files=("model.json",)),
    Hostile("two archives in a row", lambda: archive([GOOD]) + archive([MODEL]), files=("model.json",)),
]

TRUNCATED = [
    Hostile(f"{kind}, {name}", partial(bytes, data), "not a zip|broken|directory|where|reaches")
    for kind, whole in (("zip", archive([MODEL, WEIGHTS, GOOD])), ("zip64", with_64()()))
    for name, data in cut(whole)
]


def mutations(count: int, *, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """Good archives with a few bytes changed, blocks moved, or their end missing."""
    random_ = random.Random(seed)
    originals = [
        archive([MODEL, WEIGHTS, GOOD]),
        archive([Entry(name=b"m/model.json", content=b"{}" * 50), Entry(name=b"m/w", content=b"w" * 900, method=8)]),
        with_64()(),
        archive([Entry(name=b"%d" % number, content=b"x" * number) for number in range(20)]),
    ]
    for number in range(count):
        data = bytearray(originals[number % len(originals)])
        for _ in range(random_.randint(1, 5)):
            position = random_.randrange(len(data))
            match random_.randrange(5):
                case 0:
                    data[position] ^= 1 << random_.randrange(8)
                case 1:
                    data[position] = random_.choice((0, 1, 0x7F, 0x80, 0xFF))
                case 2:
                    data[position : position + 4] = random_.choice((b"\xff" * 4, bytes(4), b"PK\5\6", b"PK\1\2"))
                case 3:
                    data[position:position] = data[: random_.randrange(1, 200)]
                case _:
                    del data[position : position + random_.randint(1, 30)]
            if not data:
                data = bytearray(b"P")
        if number % 9 == 0:
            del data[random_.randrange(len(data)) :]
        yield f"mutation {number}", bytes(data)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, hostile in enumerate((*CORPUS, *TRUNCATED)):
        safe = "".join(letter if letter.isalnum() else "-" for letter in hostile.name)[:60]
        (folder / f"{number:03} {safe}.zip").write_bytes(hostile.make())


if __name__ == "__main__":
    main()
