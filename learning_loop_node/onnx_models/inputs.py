"""What a model takes, as its file declares it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ModelRefusedError
from .names import input_size
from .parameters import CHANNELS
from .session import DTYPES, SIZE_DTYPES

LARGEST_SIDE = 8192
LARGEST_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInputs:
    """The images, `width` and `height` pixels large, and maybe a second input for their original sizes.

    `batch` is the number of images that the model always takes, None if it takes any number.
    """

    name: str
    dtype: Any
    batch: int | None
    width: int
    height: int
    channels_last: bool
    sizes_name: str | None = None
    sizes_dtype: Any = None

    @staticmethod
    def of(declared: Sequence[Any], metadata: Mapping[str, str], resolution: int | None) -> ModelInputs:
        """From what ONNX Runtime tells of the inputs.

        Where images may have any size, it is the `resolution` of `model.json`, else the one in the metadata.
        """
        told = ", ".join(f"{one.name} {one.type} {_text(one.shape)}" for one in declared)
        images = [one for one in declared if len(one.shape) == 4]
        sizes = [one for one in declared if len(one.shape) == 2 and "size" in one.name.lower()]
        if len(images) != 1 or len(sizes) > 1 or len(images) + len(sizes) != len(declared):
            raise ModelRefusedError(
                f"the inputs of the model are {told}; it should have one for images with 4 axes, and besides at most "
                "orig_target_sizes"
            )
        [image] = images
        if image.type not in DTYPES:
            raise ModelRefusedError(f"the input {told} is none of {', '.join(DTYPES)}")
        batch, *shape = (side if isinstance(side, int) else None for side in image.shape)
        channels_last = shape[0] != CHANNELS and shape[2] == CHANNELS
        if not channels_last and shape[0] not in (CHANNELS, None):
            raise ModelRefusedError(f"the input {told} is not for images of {CHANNELS} channels")
        width, height = _size(shape[:2] if channels_last else shape[1:], metadata, resolution, told)
        if not 0 < width <= LARGEST_SIDE or not 0 < height <= LARGEST_SIDE:
            raise ModelRefusedError(f"the model takes images of {width}×{height} pixels; up to {LARGEST_SIDE} are fine")
        if batch is not None and not 0 < batch <= LARGEST_BATCH:
            raise ModelRefusedError(f"the model takes {batch} images at once; 1 to {LARGEST_BATCH} are fine")
        if sizes and sizes[0].type not in SIZE_DTYPES:
            raise ModelRefusedError(f"the input for sizes is none of {', '.join(SIZE_DTYPES)}: {told}")
        return ModelInputs(
            name=image.name,
            dtype=DTYPES[image.type],
            batch=batch,
            width=width,
            height=height,
            channels_last=channels_last,
            sizes_name=sizes[0].name if sizes else None,
            sizes_dtype=SIZE_DTYPES[sizes[0].type] if sizes else None,
        )


def _size(
    declared: Sequence[int | None], metadata: Mapping[str, str], resolution: int | None, told: str
) -> tuple[int, int]:
    height, width = declared
    usual = (resolution, resolution) if resolution else input_size(metadata)
    if width is not None and height is not None:
        return width, height
    if usual is None:
        raise ModelRefusedError(
            f"the model takes images of any size ({told}); say in model.json for which one it was made: "
            '"resolution": 640'
        )
    return width or usual[0], height or usual[1]


def _text(shape: Sequence[Any]) -> str:
    return f"({', '.join(map(str, shape))})"
