"""A user's own pictures as the demo's photographs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import NodeError, SettingError
from ..images import read_header, to_jpeg
from ..settings import DetectorSettings
from .photographs import Photograph

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
CAMERAS = ("camera-1", "camera-2", "camera-3")


@dataclass(frozen=True, slots=True)
class OwnPictures:
    """What was found in a folder.

    `skipped` says of each picture that cannot be used why; `ignored` counts the files that are none, by ending.
    """

    photographs: list[Photograph] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)


def own_pictures(folder: Path, count: int | None = None) -> OwnPictures:
    """The pictures in a folder and its sub-folders, the first `count` by name.

    A sub-folder is a camera, named by its path; pictures that lie in the folder itself are shared out among three.
    `SettingError` if there is no usable picture.
    """
    if not folder.is_dir():
        raise SettingError(f"--images {folder}: there is no such folder")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    endings = {file: _printable(file.suffix.lower()) for file in files}
    found = OwnPictures(ignored=Counter(ending for ending in endings.values() if ending not in ENDINGS))
    loose_count = 0
    for file in files:
        if count is not None and len(found.photographs) >= count:
            break
        if endings[file] not in ENDINGS:
            continue
        name = _printable(str(file.relative_to(folder)))
        is_loose = file.parent == folder
        camera = CAMERAS[loose_count % len(CAMERAS)] if is_loose else _printable(str(file.parent.relative_to(folder)))
        try:
            found.photographs.append(Photograph(name, camera, _read(file), faces=None))
        except (NodeError, OSError) as error:
            found.skipped[name] = str(error)
        else:
            loose_count += is_loose
    if not found.photographs:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(found.skipped.items())[:3])
        raise SettingError(
            f"--images {folder}: no usable image ({reasons or 'none with the ending ' + ', '.join(sorted(ENDINGS))})"
        )
    return found


def _printable(name: str) -> str:
    """Also for names that are no text, which Linux allows."""
    return name.encode(errors="replace").decode()


def _read(file: Path) -> bytes:
    """The picture as JPEG; byte for byte if it is one."""
    content = file.read_bytes()
    read_header(content, max_pixels=DetectorSettings().max_pixels)
    return to_jpeg(content)
