"""A user's own pictures as the demo's photographs."""

from __future__ import annotations

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
    """What was found in a folder; `skipped` says of each file that cannot be used why."""

    photographs: list[Photograph] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def own_pictures(folder: Path, count: int | None = None) -> OwnPictures:
    """The pictures in a folder and its sub-folders, the first `count` by name.

    A sub-folder is a camera; pictures that lie in the folder itself are shared out among three. `SettingError` if there
    is no usable picture.
    """
    if not folder.is_dir():
        raise SettingError(f"--images {folder}: there is no such folder")
    found = OwnPictures()
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
    for file in files:
        if count is not None and len(found.photographs) >= count:
            break
        name = str(file.relative_to(folder)).encode(errors="replace").decode()
        camera = file.parent.name if file.parent != folder else CAMERAS[len(found.photographs) % len(CAMERAS)]
        try:
            found.photographs.append(Photograph(name, camera, _read(file), faces=None))
        except (NodeError, OSError) as error:
            found.skipped[name] = str(error)
    if not found.photographs:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(found.skipped.items())[:3])
        raise SettingError(
            f"--images {folder}: no usable picture ({reasons or 'none with the ending ' + ', '.join(sorted(ENDINGS))})"
        )
    return found


def _read(file: Path) -> bytes:
    """The picture as JPEG; byte for byte if it is one."""
    content = file.read_bytes()
    read_header(content, max_pixels=DetectorSettings().max_pixels)
    return to_jpeg(content)
