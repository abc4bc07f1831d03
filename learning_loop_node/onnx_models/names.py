"""What the metadata of an ONNX file say about the model, as those who export it write them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from ..errors import ModelRefusedError

NAMES = "names"
SIZE = "imgsz"


def category_names(metadata: Mapping[str, str]) -> list[str]:
    """The names of the categories, in the order of their numbers; none where there are none.

    They are a dictionary or list in the notation of Python. `ModelRefusedError` if they are something else.

    >>> category_names({"names": "{0: 'cat', 1: 'dog'}"})
    ['cat', 'dog']
    """
    if NAMES not in metadata:
        return []
    value = _literal(metadata[NAMES])
    if isinstance(value, dict):
        if sorted(map(str, value)) != sorted(map(str, range(len(value)))):
            raise ModelRefusedError("the names in the metadata of the model are not numbered from 0 on")
        value = [name for _, name in sorted(value.items(), key=lambda item: int(item[0]))]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name for name in value):
        raise ModelRefusedError(f"the names in the metadata of the model are no list of names: {metadata[NAMES][:80]}")
    if len(set(value)) != len(value):
        raise ModelRefusedError("the names in the metadata of the model are not all different")
    return list(value)


def input_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Width and height of the images that the model was exported for, None where that is not said.

    >>> input_size({"imgsz": "[480, 640]"})
    (640, 480)
    """
    value = _literal(metadata.get(SIZE, "None"))
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(side) is int and side > 0 for side in value):
        return value[1], value[0]
    return None


def _literal(text: str) -> Any:
    """Text in the notation of Python as a value; None for what is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
