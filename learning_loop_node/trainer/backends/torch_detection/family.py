"""The seam for kinds of models: what a training asks of one. To add one: a class like `AnchorFree`, and a row below."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from ....errors import CriticalError
from .assignment import assign
from .losses import Losses, losses
from .network import Detector, Size, grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is in a batch of N images, with M things at most in each of them.

    `boxes` are `(N, M, 4)` xyxy in pixels of the input, `classes` `(N, M)`; `is_true` `(N, M)` is False where an image
    has fewer things.
    """

    boxes: Tensor
    classes: Tensor
    is_true: Tensor


class ModelFamily(Protocol):
    """Models that are built, trained and exported in the same way. Images are `(N, 3, H, W)` RGB between 0 and 1."""

    @property
    def variants(self) -> Sequence[str]:
        """The names of the sizes there are."""

    def build(self, variant: str, class_count: int, unlabelled: Sequence[int] = ()) -> nn.Module:
        """A new model, which never finds the `unlabelled` classes."""

    def loss(self, model: nn.Module, images: Tensor, truth: Truth, labelled: Tensor) -> Losses:
        """How wrong it is; only classes count that are True in `labelled` `(C,)`."""

    def predict(self, model: nn.Module, images: Tensor) -> Tensor:
        """`(N, 4 + C, A)`: cx, cy, width, height in pixels of the input, and scores between 0 and 1."""

    def exportable(self, model: nn.Module) -> nn.Module:
        """A copy whose `forward` gives what `predict` gives, as simple as it can be."""

    def class_parameters(self, model: nn.Module) -> Mapping[str, Tensor]:
        """Parameters with a row for each class, by their names in the model's state."""


class AnchorFree:
    """The detector of `network.py`."""

    sizes: Mapping[str, Size] = {
        "nano": Size(widths=(16, 32, 64, 128, 192), depths=(0, 1, 1, 1), neck=64, neck_depth=1, head=48, head_depth=1),
        "small": Size(widths=(24, 48, 96, 192, 320), depths=(1, 2, 2, 1), neck=96, neck_depth=1, head=96, head_depth=2),
        "medium": Size(
            widths=(40, 80, 160, 320, 480), depths=(2, 3, 3, 2), neck=160, neck_depth=2, head=128, head_depth=2
        ),
    }
    variants: Sequence[str] = tuple(sizes)

    def build(self, variant: str, class_count: int, unlabelled: Sequence[int] = ()) -> nn.Module:
        model = Detector(self.sizes[variant], class_count)
        model.silence(unlabelled)
        return model

    def loss(self, model: nn.Module, images: Tensor, truth: Truth, labelled: Tensor) -> Losses:
        logits, boxes = _detector(model).raw(images)
        places, strides = grid(images.shape[-2], images.shape[-1], images.device)
        wanted = assign(logits.sigmoid(), boxes, places.T, strides[0], truth.boxes, truth.classes, truth.is_true)
        return losses(logits, boxes, wanted, labelled)

    def predict(self, model: nn.Module, images: Tensor) -> Tensor:
        return _detector(model)(images)  # type: ignore[no-any-return]

    def exportable(self, model: nn.Module) -> nn.Module:
        simple = copy.deepcopy(_detector(model)).eval().cpu()
        simple.fold()
        return simple

    def class_parameters(self, model: nn.Module) -> Mapping[str, Tensor]:
        return {name: parameter for name, parameter in model.state_dict().items() if name.startswith("head.classes.")}


FAMILIES: Mapping[str, ModelFamily] = {"anchor_free": AnchorFree()}
DEFAULT_FAMILY = "anchor_free"


def family_named(name: str) -> ModelFamily:
    """`CriticalError` if there is none of this name."""
    if name not in FAMILIES:
        raise CriticalError(f"there are no models of the kind {name!r}; known are {', '.join(FAMILIES)}")
    return FAMILIES[name]


def _detector(model: nn.Module) -> Detector:
    assert isinstance(model, Detector)
    return model
