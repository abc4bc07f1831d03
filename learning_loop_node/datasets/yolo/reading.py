"""Reads YOLO data sets, ours and those of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...enums import CategoryType
from ...errors import DatasetError
from ..checks import check_categories, check_content, check_image
from ..dataset import SETS, Dataset, DatasetAnnotation, DatasetCategory, DatasetImage, Whole
from ..files import ENDINGS, read, relative, set_of, text_lines
from ..objects import KEYPOINT, KEYPOINT_OF, KEYPOINTS, Classes, classes_of
from ..records import fill_image, part_from
from .labels import BOX_NUMBERS, LabelReader
from .layout import ImagePlace, YoloLayout, check_orphans, find_yaml, read_layout
from .sidecar import NAME, ImageNotes, Sidecar, read_sidecar
from .task import Task, task_for
from .writing import YOLO


def read_yolo(folder: Path) -> Dataset:
    """A data set; the lists of its images are read now, images and labels as one goes through it.

    With `data.yaml` it is one for detection, segmentation or pose, else one for classification with a folder per class.
    `DatasetError` names file and line of what is wrong.
    """
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}")
    sidecar = read_sidecar(folder)
    file = find_yaml(folder)
    if file is None:
        return _read_classes(folder, sidecar)
    layout = read_layout(folder, file)
    check_orphans(folder, layout)
    task = _task_of(folder, layout, sidecar)
    categories = sidecar.categories if sidecar else _categories(layout, task)
    check_categories(categories)
    classes = classes_of(categories)
    if sidecar and [category.name for category in classes.categories] != layout.names:
        raise DatasetError(
            f"the names in {file.name} are not those of the categories in {NAME}; "
            f"correct the one or the other, or take {NAME} away to go without our ids"
        )
    reader = LabelReader(task, classes, layout.keypoints, layout.dimensions)
    images = YoloImages(folder, layout.images, classes, sidecar, reader)
    properties = sidecar.properties if sidecar else {}
    return Dataset(categories=categories, images=images, properties=properties, notes=layout.notes)


def holds_yolo(folder: Path) -> bool:
    return (folder / NAME).is_file() or find_yaml(folder) is not None or bool(_class_folders(folder))


@dataclass(slots=True)
class YoloImages:
    """The images of all splits; going through them reads and checks one after the other.

    Without `reader`, the folder that an image lies in says its class (`class_ids`, by path).
    """

    folder: Path
    places: Sequence[ImagePlace]
    classes: Classes
    sidecar: Sidecar | None
    reader: LabelReader | None = None
    class_ids: dict[str, str] | None = None

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[DatasetImage]:
        seen: set[str] = set()
        for place in self.places:
            notes = self.sidecar.of(place.path) if self.sidecar else None
            image = self._image(place, notes)
            if image.id in seen:
                raise DatasetError(f"{place.path}: another image has the id {image.id!r}, too")
            seen.add(image.id)
            if self.reader is not None:
                label = self.folder / place.label
                lines = text_lines(label, place.label) if label.is_file() else []
                self.reader.read(lines, place.label, image, notes)
            elif self.class_ids is not None:
                image.annotations.append(self._statement(place, image, notes))
            check_image(image, self.classes.by_id)
            yield image

    def _image(self, place: ImagePlace, notes: ImageNotes | None) -> DatasetImage:
        file = self.folder / place.path
        if not file.resolve().is_relative_to(self.folder.resolve()):
            raise DatasetError(f"{place.path} is a link that leads out of {self.folder}; put the file itself there")
        _, width, height = check_content(place.path, read(file, place.path), None, None)
        image = DatasetImage(id=place.path, name=place.name, width=width, height=height, set=place.set, file=file)
        if notes is not None:
            fill_image(image, notes.record, f"{notes.where}: image")
            image.set = place.set if notes.set in SETS else None
        return image

    def _statement(self, place: ImagePlace, image: DatasetImage, notes: ImageNotes | None) -> DatasetAnnotation:
        assert self.class_ids is not None
        class_id = self.class_ids[str(Path(place.path).parent)]
        annotation = DatasetAnnotation(id=f"{image.id}#1", category_id=class_id, geometry=Whole())
        records = notes.take("") if notes is not None else None
        if notes is not None and records:
            id_, category_id, properties = part_from(records[0], f"{notes.where}: objects")
            if category_id == class_id:
                annotation.id, annotation.properties = id_, properties
        return annotation


def _task_of(folder: Path, layout: YoloLayout, sidecar: Sidecar | None) -> Task:
    if sidecar is not None:
        return task_for(category.type for category in sidecar.categories)
    if layout.keypoints:
        return Task.Pose
    for place in layout.images:
        if (folder / place.label).is_file():
            for line in text_lines(folder / place.label, place.label):
                if line.strip():
                    return Task.Segment if len(line.split()) > 2 + BOX_NUMBERS else Task.Detect
    return Task.Detect


def _categories(layout: YoloLayout, task: Task) -> list[DatasetCategory]:
    """The classes in their order, each followed by its keypoints."""
    type_ = CategoryType.Segmentation if task == Task.Segment else CategoryType.Box
    categories: list[DatasetCategory] = []
    for index, name in enumerate(layout.names):
        category = DatasetCategory(id=str(index), name=name, type=type_)
        categories.append(category)
        if task != Task.Pose:
            continue
        names = layout.keypoint_names[index]
        category.properties = {KEYPOINTS: names}
        said = ({"flip_idx": layout.flip} if layout.flip is not None else {}) | (
            {"kpt_dims": 2} if layout.dimensions == 2 else {}
        )
        if said:
            category.properties[YOLO] = said
        categories += [
            DatasetCategory(
                id=f"{index}/{number}",
                name=f"{name}/{keypoint}",
                type=CategoryType.Point,
                properties={KEYPOINT_OF: str(index), KEYPOINT: number},
            )
            for number, keypoint in enumerate(names)
        ]
    return categories


# Classification


def _read_classes(folder: Path, sidecar: Sidecar | None) -> Dataset:
    found = _class_folders(folder)
    if not found:
        raise DatasetError(f"{folder} holds no YOLO data set: there is no data.yaml, and no <set>/<class>/ with images")
    if sidecar:
        categories, by_name = sidecar.categories, {name: id_ for id_, name in sidecar.folders.items()}
    else:
        names = sorted({class_folder.name for _, class_folder in found})
        types = CategoryType.Classification
        categories = [DatasetCategory(id=str(index), name=name, type=types) for index, name in enumerate(names)]
        by_name = {category.name: category.id for category in categories}
    check_categories(categories)
    places: list[ImagePlace] = []
    class_ids: dict[str, str] = {}
    for set_, class_folder in found:
        path = relative(class_folder, folder)
        if class_folder.name not in by_name:
            raise DatasetError(f"{path} is no class of {NAME}; take {NAME} away to go without our ids")
        class_ids[path] = by_name[class_folder.name]
        for file in sorted(class_folder.iterdir()):
            if file.is_dir():
                raise DatasetError(f"{relative(file, folder)} is a folder within a class; put its images beside it")
            if file.suffix.lower() in ENDINGS:
                places.append(ImagePlace(relative(file, folder), file.name, set_))
    images = YoloImages(folder, places, classes_of(categories), sidecar, class_ids=class_ids)
    return Dataset(categories=categories, images=images, properties=sidecar.properties if sidecar else {})


def _class_folders(folder: Path) -> list[tuple[str, Path]]:
    """Of every set the folders of its classes."""
    return [
        (set_, inner)
        for outer in sorted(folder.iterdir())
        if outer.is_dir() and (set_ := set_of(outer.name))
        for inner in sorted(outer.iterdir())
        if inner.is_dir() and inner.name not in ("images", "labels")
    ]
