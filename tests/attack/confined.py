"""Runs hostile input in a process of its own, with limits, and tells for each case what came of it and what it cost.

python -m tests.attack.confined archives|images NUMBER_OF_MUTATIONS
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MIB = 2**20
MEMORY_BYTES = 3 * 2**30
LARGEST_FILE_BYTES = 128 * MIB
COMPARED_PIXELS = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a case. `error` is raised but no named refusal; `harm` is what should not have happened."""

    name: str
    refused: str = ""
    error: str = ""
    harm: str = ""
    files: list[str] = field(default_factory=list)
    seconds: float = 0
    grown_mib: float = 0
    peers_refusal: str = ""


def run_confined(corpus: str, mutations: int, *, within_s: float) -> dict[str, Outcome]:
    """The outcome of each case and of so many mutations, by name; fails if the process does not survive."""
    command = [sys.executable, "-W", "error", "-m", "tests.attack.confined", corpus, str(mutations)]
    folder = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=within_s, check=False)
    assert done.returncode == 0, f"the process ended with {done.returncode}: {done.stderr[-2000:]}"
    assert not done.stderr, done.stderr[-2000:]
    outcomes = [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]
    assert len({outcome.name for outcome in outcomes}) == len(outcomes)
    return {outcome.name: outcome for outcome in outcomes}


def _archive_outcome(name: str, data: bytes) -> Outcome:
    from learning_loop_node.errors import ArchiveRefusedError
    from learning_loop_node.runtime.archive import unpack

    with TemporaryDirectory() as top:
        archive, target = Path(top) / "in" / "hostile.zip", Path(top) / "a" / "b" / "model"
        archive.parent.mkdir()
        target.parent.mkdir(parents=True)
        archive.write_bytes(data)
        (target.parent / "outside").write_text("as it was")
        before = _tree(Path(top))
        refused = error = harm = ""
        files: list[Path] = []
        with _Cost() as cost:
            try:
                files = unpack(archive, target)
            except ArchiveRefusedError as refusal:
                refused = str(refusal)
            except BaseException as other:
                error = repr(other)
        found = _tree(Path(top))
        inside = {path for path in found if path.startswith("a/b/model/")}
        if {path: what for path, what in found.items() if path not in inside} != before | {"a/b/model": "folder"}:
            harm = f"something changed outside: {found}"
        elif inside and not files:
            harm = f"something is left: {sorted(inside)[:5]}"
        elif any(what not in ("file", "folder") and not what.startswith("file") for what in found.values()):
            harm = f"something is no regular file: {found}"
        elif any(file.stat().st_mode & 0o7111 for file in files):
            harm = "a file may be run"
        names = [str(file.relative_to(target)) for file in files]
    return Outcome(name=name, refused=refused, error=error, harm=harm, files=names, **cost.figures)


def _tree(folder: Path) -> dict[str, str]:
    def kind(path: Path) -> str:
        if path.is_symlink():
            return "link"
        return "folder" if path.is_dir() else f"file {path.stat().st_size}" if path.is_file() else "special"

    return {str(path.relative_to(folder)): kind(path) for path in folder.rglob("*")}


def _image_outcome(name: str, data: bytes) -> Outcome:
    import numpy as np

    from learning_loop_node.errors import InvalidImageError, TooLargeError
    from learning_loop_node.images import decode, read_header
    from learning_loop_node.settings import DetectorSettings

    refused = error = harm = peers = ""
    pixels = None
    with _Cost() as cost:
        try:
            read_header(data, max_pixels=DetectorSettings().max_pixels)
            pixels = decode(data)
        except (InvalidImageError, TooLargeError) as refusal:
            refused = str(refusal)
        except BaseException as other:
            error = repr(other)
    if pixels is not None and pixels.size < 3 * COMPARED_PIXELS:
        try:
            expected = _pixels_by_pillow(data)
        except Exception as refusal:  # Pillow's readers raise nearly everything
            peers = repr(refusal)
        else:
            harm = "" if np.array_equal(pixels, expected) else "the pixels are not Pillow's"
    return Outcome(name=name, refused=refused, error=error, harm=harm, peers_refusal=peers, **cost.figures)


def _pixels_by_pillow(data: bytes) -> Any:
    import numpy as np
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array(ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB"))


class _Cost:
    """CPU time and growth of memory within a block; the peak is the kernel's, which forgets it at the start."""

    def __enter__(self) -> _Cost:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _peak_mib()
        self._start = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        seconds = time.process_time() - self._start
        self.figures: dict[str, Any] = {"seconds": round(seconds, 4), "grown_mib": round(_peak_mib() - self._before, 1)}


def _peak_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no line VmHWM")


def _cases(corpus: str, mutations: int) -> Iterator[tuple[str, bytes, Callable[[str, bytes], Outcome]]]:
    from . import archives, images

    if corpus == "archives":
        for archive in (*archives.CORPUS, *archives.TRUNCATED):
            yield archive.name, archive.make(), _archive_outcome
        for name, data in archives.mutations(mutations):
            yield name, data, _archive_outcome
    else:
        for image in (*images.CORPUS, *images.truncated()):
            yield image.name, image.make(), _image_outcome
        for name, data in images.mutations(mutations):
            yield name, data, _image_outcome


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE_BYTES, LARGEST_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, data, run in _cases(sys.argv[1], int(sys.argv[2])):
        sys.stdout.write(json.dumps(asdict(run(name, data))) + "\n")


if __name__ == "__main__":
    main()
