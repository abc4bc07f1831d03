"""Reads images from requests: from the files of a multipart form, and from the dictionaries of Socket.IO events."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from ..errors import InvalidImageError, InvalidRequestError, TooLargeError
from ..images import ImageInput, array_from_raw, read_header
from .forms import read_form, remedy, shortened, text_of


async def read_images(request: Request, *, part: str, max_bytes: int, max_parts: int) -> list[bytes]:
    """The files that a form has under the name `part`, in their order; at least one."""
    files = await read_form(request, max_bytes=max_bytes, max_parts=max_parts, example=part)
    images = [file.data for file in files if file.name == part]
    if not images:
        others = sorted({file.name for file in files})
        seen = f"has only {', '.join(map(repr, others))}" if others else "has no file"
        raise InvalidRequestError(f"part '{part}' is missing, the form {shortened(seen)}; {remedy(part)}")
    return images


def option(request: Request, name: str, *, also_query: bool = False) -> str | None:
    """An option of a request: a header, with hyphens or underscores, or where asked for a query parameter.

    Hyphens count first. Texts that are UTF-8 are read as such.
    """
    hyphens, underscores = name.replace("_", "-").encode(), name.replace("-", "_").encode()
    found = None
    for key, value in request.scope["headers"]:
        if key == hyphens:
            found = value
            break
        if key == underscores and found is None:
            found = value
    if found is not None:
        return text_of(found)
    if also_query:
        query = request.query_params
        return query.get(name.replace("-", "_"), query.get(name.replace("_", "-")))
    return None


def image_from_event(data: Any, *, key: str = "image", max_pixels: int) -> ImageInput:
    """The image of an event: `{bytes, dtype, shape}` as an array, `{format: 'jpeg', bytes}` as its bytes."""
    try:
        return _image_from(_value(data, key), key, max_pixels)
    except (InvalidRequestError, TooLargeError) as error:
        raise type(error)(f"could not parse image from data: {error}") from error


def images_from_event(data: Any, *, max_pixels: int) -> list[ImageInput]:
    """The images of an event under the key `images`, which may be an empty list."""
    try:
        images = _value(data, "images")
        if not isinstance(images, list | tuple):
            raise InvalidRequestError(f"images: expected a list, got {type(images).__name__}")
        return [_image_from(image, f"images[{index}]", max_pixels) for index, image in enumerate(images)]
    except (InvalidRequestError, TooLargeError) as error:
        raise type(error)(f"could not parse images from data: {error}") from error


# Events


def _value(data: Any, key: str) -> Any:
    if not isinstance(data, dict):
        raise InvalidRequestError(f"expected an object with the key '{key}', got {type(data).__name__}")
    if key not in data:
        raise InvalidRequestError(f"the key '{key}' is missing")
    return data[key]


def _image_from(image: Any, place: str, max_pixels: int) -> ImageInput:
    if not isinstance(image, dict):
        raise InvalidImageError(
            f"{place}: expected an object with bytes, dtype and shape, or with format 'jpeg' and bytes; "
            f"got {type(image).__name__}"
        )
    form = image.get("format", "raw")
    if form not in ("raw", "jpeg"):
        raise InvalidImageError(f"{place}.format: {shortened(repr(form))} is neither 'raw' nor 'jpeg'")
    missing = [name for name in (("bytes",) if form == "jpeg" else ("bytes", "dtype", "shape")) if name not in image]
    if missing:
        keys = f"key {missing[0]!r} is" if len(missing) == 1 else f"keys {' and '.join(map(repr, missing))} are"
        raise InvalidImageError(f"{place}: the {keys} missing")
    try:
        if form == "raw":
            return array_from_raw(image["bytes"], image["dtype"], image["shape"], max_pixels=max_pixels)
        encoded = image["bytes"]
        if not isinstance(encoded, bytes | bytearray | memoryview):
            raise InvalidImageError(f"bytes: expected bytes, got {type(encoded).__name__}")
        encoded = bytes(encoded)
        read_header(encoded, max_pixels=max_pixels)
        return encoded
    except (InvalidImageError, TooLargeError) as error:
        raise type(error)(f"{place}: {error}") from error
