"""Where COCO data sets keep their JSON files and their images.

- `annotations/instances_train2017.json`, `annotations/person_keypoints_val.json`, … (COCO, CVAT, Datumaro, ours), the
  images in `train2017/`, `images/train/` or `images/`;
- `train/_annotations.coco.json` with the images beside it (Roboflow), `train/labels.json` with them in `train/data/`;
- one or several JSON files beside the folder of images.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import DatasetError
from ..files import inside, relative, set_of

LOOKED_FOR = "annotations/instances_<split>.json, <split>/_annotations.coco.json or a JSON file beside the images"
_NOT_READ = {
    "captions": "texts about images have no place here",
    "stuff": "areas without objects have no place here",
    "panoptic": "its masks are in images of their own",
}
_KINDS = ("instances", "person_keypoints", "keypoints", "labels", "image_info", "annotations", *_NOT_READ)
_STEM = re.compile(rf"_?(?:({'|'.join(_KINDS)})(?:[_.-]|$))?(.*)", re.IGNORECASE)
_OF_NO_SPLIT = {"", "coco", "default", "all", "result", "results"}


@dataclass(slots=True)
class Split:
    """Files that speak about the same images."""

    name: str
    set: str | None
    files: list[Path] = field(default_factory=list)
    image_folders: list[Path] = field(default_factory=list)

    def image_file(self, file_name: str) -> Path | None:
        """The first file of this name, None if it is nowhere; `DatasetError` if the name leads out of the data set."""
        for folder in self.image_folders:
            file = inside(folder, file_name)
            if file is not None:
                return file
        return None


def find_splits(folder: Path) -> tuple[list[Split], list[str]]:
    """The splits of a data set, and what is not read, with the reason."""
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}")
    notes: list[str] = []
    splits: dict[str, Split] = {}
    for file in _json_files(folder):
        kind, name = _parts(file, folder)
        if kind in _NOT_READ:
            notes.append(f"{relative(file, folder)} is not read: {_NOT_READ[kind]}")
            continue
        split = splits.setdefault(name, Split(name, set_of(name)))
        split.files.append(file)
    for split in splits.values():
        split.image_folders = _image_folders(folder, split)
    if not splits:
        raise DatasetError(f"{folder} holds no COCO data set: there is no {LOOKED_FOR}")
    return list(splits.values()), notes


def holds_coco(folder: Path) -> bool:
    return bool(_json_files(folder))


def _json_files(folder: Path) -> list[Path]:
    """The files of the first layout that there is."""
    found = sorted((folder / "annotations").glob("*.json"))
    if not found:
        found = sorted(file for file in folder.glob("*/*.json") if set_of(file.parent.name))
    return found or sorted(folder.glob("*.json"))


def _parts(file: Path, folder: Path) -> tuple[str, str]:
    """What a file holds, and the name of its split, from its own name or that of its folder."""
    match = _STEM.fullmatch(file.stem)
    kind, name = (match[1] or "", match[2]) if match else ("", file.stem)
    if file.parent not in (folder, folder / "annotations"):
        return kind.lower(), file.parent.name
    return kind.lower(), "" if name.lower() in _OF_NO_SPLIT else name


def _image_folders(folder: Path, split: Split) -> list[Path]:
    home = split.files[0].parent
    names = dict.fromkeys(filter(None, (split.name, split.set, "default" if not split.name else None)))
    wanted = [folder / place for name in names for place in (f"images/{name}", name, f"{name}/images", f"{name}/data")]
    wanted += [folder / "images", folder / "data", home, home / "images", home / "data"]
    return [path for path in dict.fromkeys([*wanted, folder]) if path.is_dir()]
