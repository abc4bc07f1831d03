"""What writers of all formats share: they take image after image, and tell in the end what they have written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..enums import CategoryType
from ..errors import DatasetError
from .checks import check_categories, check_content, check_image
from .dataset import DatasetCategory, DatasetImage, Properties
from .objects import classes_of


@dataclass(kw_only=True, slots=True)
class Written:
    """What a data set that was written holds, and what was left out, by reason. `notes` are for people who use it."""

    images: int = 0
    annotations: Counter[str] = field(default_factory=Counter)
    categories: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


class Writer(ABC):
    """Writes a data set into a folder that exists: `add` all images, then `finish`.

    What the format cannot hold raises `DatasetError`; with `skip_unfit` it is left out instead, and counted. Of what is
    marked, only these `types` are written, and the others counted, too.
    """

    def __init__(
        self,
        folder: Path,
        categories: Sequence[DatasetCategory],
        properties: Properties | None = None,
        *,
        skip_unfit: bool = False,
        types: Collection[CategoryType] = tuple(CategoryType),
    ) -> None:
        check_categories(categories)
        self._folder = folder
        self._skip_unfit = skip_unfit
        self._all = {category.id: category for category in categories}
        self._categories = [category for category in categories if category.type in types]
        self._classes = classes_of(self._categories)
        self._properties = dict(properties or {})
        self._open = ExitStack()
        self._image_ids: set[str] = set()
        self.written = Written()

    def add(self, image: DatasetImage, content: bytes) -> None:
        """Write an image, byte for byte, and what is marked in it."""
        if image.id in self._image_ids:
            raise DatasetError(f"two images have the id {image.id!r}; ids must be unique")
        self._image_ids.add(image.id)
        check_image(image, self._all)
        header, _, _ = check_content(f"image {image.id!r}", content, image.width, image.height)
        self._add(self._of_types(image), content, header.format)

    def close(self) -> None:
        """Let go of open files, finished or not."""
        self._open.close()

    @abstractmethod
    def _add(self, image: DatasetImage, content: bytes, image_format: str) -> None: ...

    @abstractmethod
    def finish(self) -> Written:
        """Write what belongs to the data set as a whole."""

    def _of_types(self, image: DatasetImage) -> DatasetImage:
        kept = [annotation for annotation in image.annotations if annotation.category_id in self._classes.by_id]
        for annotation in image.annotations:
            if annotation.category_id not in self._classes.by_id:
                self.written.skipped[f"{annotation.type} annotations, which were not asked for"] += 1
        return image if len(kept) == len(image.annotations) else replace(image, annotations=kept)

    def _unfit(self, reason: str, where: str, remedy: str) -> None:
        """Refuse, or count what is left out; `reason` is the same for all of a kind."""
        if not self._skip_unfit:
            raise DatasetError(f"{where}: {reason}; {remedy}, or leave out what does not fit (--skip-unfit)")
        self.written.skipped[reason] += 1
