"""Arrays as clients send them: their bytes, type and shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidImageError
from .header import check_pixels

LARGEST_SIDE = 16_384  # of a raw array
LARGEST_PIXELS = LARGEST_SIDE**2  # of any image, whatever the settings say


def array_from_raw(data: Any, dtype: Any, shape: Any, *, max_pixels: int) -> NDArray[Any]:
    """The array that a client sent as its bytes (in C order), type and shape. It shares the bytes and is read-only.

    Everything comes from outside, so that every type is possible; the error names the key.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InvalidImageError(f"bytes: expected bytes, got {type(data).__name__}")
    kind = _RAW_TYPES.get(dtype) if isinstance(dtype, str) else None
    if kind is None:
        raise InvalidImageError(f"dtype: {_shortened(dtype)} is not a numeric type such as 'uint8' or 'float32'")
    if not isinstance(shape, list | tuple) or len(shape) not in (2, 3):
        raise InvalidImageError(
            f"shape: expected (height, width) or (height, width, channels), got {_shortened(shape)}"
        )
    if not all(type(side) is int and 1 <= side <= LARGEST_SIDE for side in shape):
        raise InvalidImageError(f"shape: each side is a number from 1 to {LARGEST_SIDE}, got {_shortened(shape)}")
    check_pixels(shape[1], shape[0], max_pixels)
    expected = math.prod(shape) * kind.itemsize
    length = data.nbytes if isinstance(data, memoryview) else len(data)
    if length != expected:
        raise InvalidImageError(f"bytes: {length} bytes, but shape and dtype need {expected}")
    array = np.frombuffer(data, dtype=kind).reshape(shape)
    array.flags.writeable = False
    return array


def _raw_types() -> dict[str, np.dtype[Any]]:
    """Every spelling that NumPy gives to a numeric type: `uint16`, `u2`, `<u2`, `>u2`, `|u1`."""
    types: dict[str, np.dtype[Any]] = {"bool": np.dtype(bool), "?": np.dtype(bool), "|b1": np.dtype(bool)}
    for code in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"):
        types |= {order + code: np.dtype(order + code) for order in ("", "<", ">", "=", "|" if code[1] == "1" else "")}
        types[np.dtype(code).name] = np.dtype(code)
    return types


_RAW_TYPES = _raw_types()


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
