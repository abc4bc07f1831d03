"""What formats cannot say in their own words, as JSON objects that we put beside it and take back.

They are called `learning_loop` wherever they stand. Other programs pass over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..data_classes import codec
from ..enums import CategoryType
from ..errors import DatasetError, InvalidDataError
from .dataset import DatasetAnnotation, DatasetCategory, DatasetImage, Properties

OURS = "learning_loop"


def category_record(category: DatasetCategory) -> dict[str, Any]:
    """Everything about a category."""
    return _without_empty(codec.to_dict(category)) | {"id": category.id}


def category_from(record: Any, where: str) -> DatasetCategory:
    values = _object(record, where)
    try:
        return DatasetCategory(
            id=_text(values, "id", where),
            name=_text(values, "name", where),
            type=CategoryType(_text(values, "type", where)),
            description=_text_or_none(values, "description", where),
            hotkey=_text_or_none(values, "hotkey", where),
            color=_text_or_none(values, "color", where),
            point_size=_size(values, where),
            properties=properties_from(values, where),
        )
    except ValueError as error:
        types = ", ".join(CategoryType)
        raise DatasetError(f"{where}.type is {values.get('type')!r}; it must be one of {types}") from error


def image_record(image: DatasetImage) -> dict[str, Any]:
    """Everything about an image but its size, its set and its annotations."""
    values = {
        "id": image.id,
        "name": image.name,
        "state": image.state,
        "tags": image.tags,
        "source": image.source,
        "created": image.created,
        "properties": image.properties,
    }
    return _without_empty(values) | {"id": image.id}


def fill_image(image: DatasetImage, record: Any, where: str) -> None:
    """Let an image have what its record says."""
    values = _object(record, where)
    image.id = _text(values, "id", where)
    image.name = _text_or_none(values, "name", where)
    image.state = _text_or_none(values, "state", where)
    image.source = _text_or_none(values, "source", where)
    image.created = _text_or_none(values, "created", where)
    tags = values.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise DatasetError(f"{where}.tags must be a list of texts")
    image.tags = list(tags)
    image.properties = properties_from(values, where)


def part_records(members: Iterable[DatasetAnnotation]) -> list[dict[str, Any]]:
    """Of every annotation of an object what its geometry does not say."""
    return [
        _without_empty({"id": part.id, "category": part.category_id, "properties": part.properties}) | {"id": part.id}
        for part in members
    ]


def part_from(record: Any, where: str) -> tuple[str, str, Properties]:
    """Id, category and properties of an annotation."""
    values = _object(record, where)
    return _text(values, "id", where), _text(values, "category", where), properties_from(values, where)


def properties_from(values: Mapping[str, Any], where: str) -> Properties:
    return dict(_object(values.get("properties", {}), f"{where}.properties"))


def parse(content: bytes, label: str) -> Any:
    """A JSON text; `DatasetError` names the file, line and column."""
    try:
        return codec.from_json(content)
    except InvalidDataError as error:
        raise DatasetError(f"{label}: {error}") from error


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, [], {})}


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DatasetError(f"{where} must be an object, not {value!r}"[:300])
    return value


def _text(values: Mapping[str, Any], key: str, where: str) -> str:
    value = values.get(key)
    if not isinstance(value, str):
        raise DatasetError(f"{where}.{key} must be a text, not {value!r}"[:300])
    return value


def _text_or_none(values: Mapping[str, Any], key: str, where: str) -> str | None:
    return None if values.get(key) is None else _text(values, key, where)


def _size(values: Mapping[str, Any], where: str) -> int | None:
    size = values.get("point_size")
    if size is not None and type(size) is not int:
        raise DatasetError(f"{where}.point_size must be an integer, not {size!r}"[:300])
    return size
