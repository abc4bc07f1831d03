"""Data class ↔ dictionary ↔ JSON, strict, with errors that name the field.

Reading accepts what 0.27 accepts: unknown keys are ignored, an int is a fine float, a float is no int, enums of text
may stay text. In addition, numbers must be finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

import dacite
import orjson

from ..errors import InvalidDataError

T = TypeVar("T")

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_CONFIG = dacite.Config(type_hooks={float: lambda value: float(value) if type(value) is int else value})


def from_dict(cls: type[T], data: Any) -> T:
    """A data class from a dictionary; `InvalidDataError` names the field and what it should be."""
    if not isinstance(data, Mapping):
        raise InvalidDataError(f"{cls.__name__} must be an object, not {_kind(data)}")
    try:
        value = dacite.from_dict(cls, data, _CONFIG)
    except dacite.MissingValueError as error:
        raise InvalidDataError(f"{cls.__name__}.{error.field_path} is missing") from error
    except dacite.WrongTypeError as error:
        wanted = _type_name(error.field_type)
        raise InvalidDataError(
            f"{cls.__name__}.{error.field_path} must be {wanted}, not {_kind(error.value)}"
        ) from error
    except (dacite.DaciteError, TypeError, ValueError, AttributeError) as error:
        raise InvalidDataError(f"{cls.__name__}: {error}") from error
    check_finite(value, cls.__name__)
    return value


def from_json(content: bytes | bytearray | memoryview | str) -> Any:
    """What a JSON text says; `InvalidDataError` where it is none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidDataError(f"not valid JSON: {error}") from error


def to_dict(value: Any) -> dict[str, Any]:
    """A data class as plain dictionaries and lists, enums as their values."""
    return cast(dict[str, Any], orjson.loads(to_json(value)))


def to_json(value: Any) -> bytes:
    """Compact JSON of data classes, containers, NumPy numbers and arrays."""
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def check_finite(value: Any, path: str = "value") -> None:
    """Raise `InvalidDataError` with the path of the first number that is NaN or infinite."""
    match value:
        case float():
            if not math.isfinite(value):
                raise InvalidDataError(f"{path} must be a finite number, not {value}")
        case list() | tuple():
            for index, item in enumerate(value):
                check_finite(item, f"{path}[{index}]")
        case dict():
            for key, item in value.items():
                check_finite(item, f"{path}.{key}")
        case _ if is_dataclass(value):
            for entry in fields(value):
                check_finite(getattr(value, entry.name), f"{path}.{entry.name}")
        case _:
            pass


def _plain(value: Any) -> Any:
    """What orjson does not know by itself."""
    if hasattr(value, "tolist"):  # a NumPy array that is not contiguous, or one without dimensions
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes | bytearray):
        return value.decode(errors="replace")
    return str(value)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", type(None): "null", bool: "a boolean", int: "an integer"}
    return names.get(type(value)) or ("a number" if isinstance(value, float) else type(value).__name__)


def _type_name(wanted: Any) -> str:
    names = {int: "an integer", float: "a number", str: "text", bool: "a boolean", list: "a list", dict: "an object"}
    if wanted in names:
        return names[wanted]
    text = str(wanted) if getattr(wanted, "__args__", None) else getattr(wanted, "__name__", str(wanted))
    return text.replace("learning_loop_node.", "").replace("typing.", "")
