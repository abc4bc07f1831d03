"""Data class ↔ dictionary ↔ JSON, strict, with errors that name the field.

Reading accepts what 0.27 accepts: unknown keys are ignored, an int is a fine float, a float is no int, enums of text
may stay text. In addition, numbers must be finite and integers fit into 64 bits, in both directions: JSON knows no
NaN, and what cannot be written is refused with its name instead of becoming `null`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import PurePath
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
    except (dacite.DaciteError, TypeError, ValueError, AttributeError, OverflowError) as error:
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
    """Compact JSON of data classes, containers, NumPy numbers and arrays; `InvalidDataError` for what is none."""
    try:
        content = orjson.dumps(value, default=_plain, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        check_finite(value, _name_of(value))
        raise InvalidDataError(f"{_name_of(value)} cannot be written as JSON: {error.__cause__ or error}") from error
    if b"null" in content:  # which orjson writes for None, but for NaN as well
        check_finite(value, _name_of(value))
    return content


def check_finite(value: Any, path: str = "value") -> None:
    """Raise `InvalidDataError` with the path of the first number that is not finite or too large for JSON."""
    try:
        flaw = _flaw(value)
    except RecursionError as error:
        raise InvalidDataError(f"{path} is nested too deeply") from error
    if flaw:
        place, text = flaw
        raise InvalidDataError(f"{path}{place} {text}")


def _flaw(value: Any) -> tuple[str, str] | None:
    """Where the first unfit number is, and what is wrong with it. Builds no paths while all is well."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return None
    if kind is float:
        return None if math.isfinite(value) else ("", f"must be a finite number, not {value}")
    if kind is int:
        return None if _SMALLEST <= value <= _LARGEST else ("", "must be an integer of at most 64 bits")
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if flaw := _flaw(item):
                return _inside(f"[{index}]", flaw)
        return None
    if isinstance(value, Mapping):
        for key, item in value.items():
            if flaw := _flaw(item):
                return _inside(f".{key}", flaw)
        return None
    if is_dataclass(kind):
        for name in _field_names(kind):
            if flaw := _flaw(getattr(value, name)):
                return _inside(f".{name}", flaw)
        return None
    if hasattr(value, "tolist"):
        return _flaw(value.tolist())
    return _flaw(float(value)) if isinstance(value, float) else None


_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def _inside(place: str, flaw: tuple[str, str]) -> tuple[str, str]:
    return place + flaw[0], flaw[1]


@cache
def _field_names(cls: type) -> tuple[str, ...]:
    return tuple(entry.name for entry in fields(cls))


def _name_of(value: Any) -> str:
    return type(value).__name__ if is_dataclass(value) else "value"


def _plain(value: Any) -> Any:
    """What orjson does not know by itself."""
    if hasattr(value, "tolist"):  # a NumPy array that is not contiguous, or one without dimensions
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes | bytearray):
        return value.decode()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, PurePath | BaseException):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not a value of JSON")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", type(None): "null", bool: "a boolean", int: "an integer"}
    return names.get(type(value)) or ("a number" if isinstance(value, float) else type(value).__name__)


def _type_name(wanted: Any) -> str:
    names = {int: "an integer", float: "a number", str: "text", bool: "a boolean", list: "a list", dict: "an object"}
    if wanted in names:
        return names[wanted]
    text = str(wanted) if getattr(wanted, "__args__", None) else getattr(wanted, "__name__", str(wanted))
    return text.replace("learning_loop_node.", "").replace("typing.", "")
