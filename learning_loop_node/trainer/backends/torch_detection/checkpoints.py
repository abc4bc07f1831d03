"""Models in our own format: weights, and what is needed to build the network that they belong to."""

from __future__ import annotations

import io
import logging
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ....errors import CriticalError
from ....runtime.files import replace_file
from .family import ModelFamily, family_named
from .samples import InputSize

logger = logging.getLogger(__name__)

FORMAT = "torch_detection 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """`class_names` are in the order of the model's classes; `confidence` is from where on it should be believed."""

    family: str
    variant: str
    class_names: list[str]
    unlabelled: list[int]
    size: InputSize
    epoch: int
    confidence: float
    weights: Mapping[str, torch.Tensor]

    def save(self, file: Path) -> None:
        """All or nothing."""
        save_state(file, {"format": FORMAT, **asdict(self), "weights": dict(self.weights)})

    @staticmethod
    def load(file: Path) -> Checkpoint:
        """`CriticalError` if this is no such model. Nothing in the file is executed."""
        state = load_state(file)
        if state.pop("format", None) != FORMAT:
            raise CriticalError(f"{file.name} is no model of this trainer, or one of another version")
        try:
            return Checkpoint(**{**state, "size": InputSize(**state["size"])})
        except (TypeError, KeyError) as error:
            raise CriticalError(f"{file.name} is damaged: {error}") from error

    def build(self) -> nn.Module:
        """The network with its weights, ready to predict."""
        model = family_named(self.family).build(self.variant, len(self.class_names), self.unlabelled)
        model.load_state_dict(dict(self.weights))
        return model.eval()


def begin_with(
    model: nn.Module, base: Checkpoint, family: ModelFamily, class_names: Sequence[str], unlabelled: Sequence[int]
) -> None:
    """Take over what the base model has learnt; of classes, those that it knows by their names,
    but not the `unlabelled` ones, which are not to be found."""
    state = model.state_dict()
    by_class = set(family.class_parameters(model))
    fitting = {
        name: value
        for name, value in base.weights.items()
        if name in state and name not in by_class and value.shape == state[name].shape
    }
    rows = [
        (new, base.class_names.index(name))
        for new, name in enumerate(class_names)
        if name in base.class_names and new not in unlabelled
    ]
    for name in by_class & set(base.weights):
        if base.weights[name].shape[1:] == state[name].shape[1:]:
            for new, old in rows:
                state[name][new] = base.weights[name][old]
    model.load_state_dict(state | fitting)
    known = [class_names[new] for new, _ in rows]
    logger.info(
        "the base model gives %d of %d weights; it knows %s",
        len(fitting),
        len(state) - len(by_class),
        ", ".join(known) or "none of the categories",
    )


def save_state(file: Path, state: Mapping[str, Any]) -> None:
    """All or nothing."""
    content = io.BytesIO()
    torch.save(dict(state), content)
    replace_file(file, content.getvalue())


def load_state(file: Path) -> dict[str, Any]:
    """Tensors and plain data only; `CriticalError` if there is something else in it, or nothing that can be read."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise CriticalError(f"{file.name} cannot be read as a model: {error}") from error
    if not isinstance(state, dict):
        raise CriticalError(f"{file.name} cannot be read as a model: it holds a {type(state).__name__}")
    return state
