"""Where a YOLO data set keeps its images: `data.yaml` says it, in the ways that are usual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from ...errors import DatasetError
from ..files import ENDINGS, inside, read, relative, text_lines

_SPLITS = {"train": "train", "val": "val", "valid": "val", "test": "test"}
_NOT_LABELS = {"classes", "notes", "train", "val", "valid", "test", "requirements"}
"""Texts that lie beside labels and are none."""


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """An image of a data set; `path` is relative to the data set, `name` to the folder of its split."""

    path: str
    name: str
    set: str

    @property
    def label(self) -> str:
        """The path of its labels: `images` becomes `labels`, as late as possible in the path."""
        parts = list(PurePosixPath(self.path).with_suffix(".txt").parts)
        for index in range(len(parts) - 2, -1, -1):
            if parts[index] == "images":
                parts[index] = "labels"
                break
        return str(PurePosixPath(*parts))


@dataclass(slots=True)
class YoloLayout:
    """What `data.yaml` says. `keypoint_names` are by class."""

    names: list[str]
    images: list[ImagePlace] = field(default_factory=list)
    keypoints: int = 0
    dimensions: int = 3
    flip: list[int] | None = None
    keypoint_names: dict[int, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_yaml(folder: Path) -> Path | None:
    """`data.yaml`, or the only other YAML file with `names`; `DatasetError` if there are several."""
    for name in ("data.yaml", "data.yml", "dataset.yaml"):
        if (folder / name).is_file():
            return folder / name
    found = sorted(
        file for ending in ("*.yaml", "*.yml") for file in folder.glob(ending) if b"names" in file.read_bytes()
    )
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise DatasetError(f"{folder} has several YAML files ({names}); name the right one data.yaml")
    return found[0] if found else None


def read_layout(folder: Path, file: Path) -> YoloLayout:
    label = relative(file, folder)
    values = _parse(file, label)
    layout = YoloLayout(_names(values, label))
    _read_keypoints(values, layout, label)
    known: dict[str, str] = {}
    for key, set_ in _SPLITS.items():
        entries = values.get(key)
        for entry in entries if isinstance(entries, list) else [entries] if entries else []:
            if not isinstance(entry, str):
                raise DatasetError(f"{label}: {key} is {entry!r}; it must be a path, or a list of paths")
            twice = 0
            for place in _images(folder, values.get("path"), entry, set_, f"{label}: {key}"):
                if place.path not in known:
                    layout.images.append(place)
                twice += known.setdefault(place.path, set_) != set_
            if twice:
                layout.notes.append(f"{twice} images of {key} ({entry}) are in another set already, and stay there")
    if not any(key in values for key in _SPLITS):
        raise DatasetError(f"{label} names no images: it needs train, val or test")
    return layout


def _parse(file: Path, label: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(read(file, label))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DatasetError(f"{label} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise DatasetError(f"{label} must hold keys such as train, val and names")
    return values


def _names(values: dict[str, Any], label: str) -> list[str]:
    names = values.get("names")
    if isinstance(names, dict):
        for index in range(len(names)):
            if index not in names:
                raise DatasetError(f"{label}: names has {len(names)} classes but none with the index {index}")
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str | int | float) and str(name) for name in names):
        raise DatasetError(f"{label}: names is {names!r}; it must list the names of the classes"[:300])
    count = values.get("nc", len(names))
    if count != len(names):
        raise DatasetError(
            f"{label}: nc is {count!r}, but names has {len(names)} classes; correct the one or the other"
        )
    return [str(name) for name in names]


def _read_keypoints(values: dict[str, Any], layout: YoloLayout, label: str) -> None:
    shape = values.get("kpt_shape")
    if shape is None:
        return
    match shape:
        case [int(count), 2 | 3 as dimensions] if count > 0:
            layout.keypoints, layout.dimensions = count, dimensions
        case _:
            raise DatasetError(f"{label}: kpt_shape is {shape!r}; it must be [number of keypoints, 2 or 3]")
    if values.get("flip_idx") is not None:
        layout.flip = values["flip_idx"]
    names = values.get("kpt_names")
    for index in range(len(layout.names)):
        of_class = names.get(index) if isinstance(names, dict) else None
        usual = [str(number) for number in range(count)]
        is_fine = isinstance(of_class, list) and len(of_class) == count
        layout.keypoint_names[index] = [str(name) for name in of_class] if is_fine and of_class else usual


def _images(folder: Path, root: Any, entry: str, set_: str, where: str) -> Iterator[ImagePlace]:
    """The images of a split: of a folder with all that is below, or those that a text file lists."""
    place = _find(folder, root, entry, where)
    if place.is_dir():
        for file in sorted(place.rglob("*")):
            if file.suffix.lower() in ENDINGS and file.is_file():
                yield ImagePlace(relative(file, folder), relative(file, place), set_)
        return
    label = relative(place, folder)
    for number, line in enumerate(text_lines(place, label), 1):
        if line.strip():
            yield _listed(folder, root, line.strip(), set_, f"{label}, line {number}")


def _listed(folder: Path, root: Any, line: str, set_: str, where: str) -> ImagePlace:
    file = _find(folder, root, line, where)
    path = PurePosixPath(relative(file, folder))
    parts = path.parts
    begin = next((index + 1 for index in range(len(parts) - 2, -1, -1) if parts[index] == "images"), 0)
    begin += len(parts) - begin > 1 and parts[begin] in _SPLITS
    return ImagePlace(str(path), "/".join(parts[begin:]), set_)


def _find(folder: Path, root: Any, entry: str, where: str) -> Path:
    """A path of `data.yaml` in our folder: below `path`, below the folder, or else as much of its end as there is.

    The path may be that of another machine. At least two steps of it must be there, and nothing outside is looked at.
    """
    steps = [step for step in entry.replace("\\", "/").split("/") if step not in ("", ".")]
    while steps and steps[0] == "..":
        steps.pop(0)
    roots = [step for step in str(root or "").replace("\\", "/").split("/") if step not in ("", ".", "..")]
    for tail in [[*roots, *steps], steps, *(steps[start:] for start in range(1, len(steps) - 1))]:
        if ".." in tail:
            continue
        path = folder.joinpath(*tail)
        if path.is_dir() and path.resolve().is_relative_to(folder.resolve()):
            return path
        if tail and (file := inside(folder, "/".join(tail))) is not None:
            return file
    raise DatasetError(f"{where}: there is no {entry!r} in {folder}; paths must lead to something inside of it")


def check_orphans(folder: Path, layout: YoloLayout) -> None:
    """Raise `DatasetError` for labels whose image is missing."""
    expected = {place.label for place in layout.images}
    for parent in {str(PurePosixPath(label).parent) for label in expected}:
        for file in sorted((folder / parent).glob("*.txt")):
            path = relative(file, folder)
            if path not in expected and file.stem not in _NOT_LABELS:
                raise DatasetError(f"{path} has no image; put it beside the others, or take the labels out")
    if expected and not any((folder / label).is_file() for label in expected):
        example = layout.images[0]
        raise DatasetError(f"no image has labels; those of {example.path} would be in {example.label}")
