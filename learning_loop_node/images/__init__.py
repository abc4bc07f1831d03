"""Image bytes and pixel arrays: what counts as a valid image, and how one becomes the other.

`read_header` looks at the first bytes only; `decode` makes pixels that equal those of Pillow's
`ImageOps.exif_transpose(Image.open(…)).convert("RGB")`, and `check` sees whether it could; `to_jpeg` makes the JPEG
that is kept.
"""

from .decoding import Pixels, check, decode
from .encoding import JPEG_QUALITY, ImageInput, encode_jpeg, to_jpeg
from .header import ImageHeader, read_header
from .raw import LARGEST_PIXELS, LARGEST_SIDE, array_from_raw

__all__ = [
    "JPEG_QUALITY",
    "LARGEST_PIXELS",
    "LARGEST_SIDE",
    "ImageHeader",
    "ImageInput",
    "Pixels",
    "array_from_raw",
    "check",
    "decode",
    "encode_jpeg",
    "read_header",
    "to_jpeg",
]
