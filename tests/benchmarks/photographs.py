"""Real photographs, those that ship with scikit-image, in the sizes of cameras."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

VGA = (640, 480)
HD = (1280, 720)
FULL_HD = (1920, 1080)
NAMES = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")
QUALITY = 95  # the pictures are enlarged, which makes them smaller than a camera's: 340 to 500 KB in Full HD


def jpegs(size: tuple[int, int]) -> list[bytes]:
    """The photographs in this width and height."""
    return [_jpeg(name, size) for name in NAMES]


def jpeg_of(size_bytes: int, size: tuple[int, int] = HD) -> bytes:
    """The first one with the quality that comes closest to so many bytes."""
    candidates = [_jpeg(NAMES[0], size, quality) for quality in range(60, 99)]
    return min(candidates, key=lambda jpeg: abs(len(jpeg) - size_bytes))


def pixels(size: tuple[int, int]) -> np.ndarray:
    """The first one as `(height, width, 3)` uint8."""
    return np.asarray(_picture(NAMES[0], size))


def _jpeg(name: str, size: tuple[int, int], quality: int = QUALITY) -> bytes:
    file = BytesIO()
    _picture(name, size).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _picture(name: str, size: tuple[int, int]) -> Image.Image:
    folder = Path(skimage.__file__).parent / "data"
    with Image.open(folder / name) as picture:
        return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
