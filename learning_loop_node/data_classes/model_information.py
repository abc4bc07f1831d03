"""What `model.json` says about a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InvalidDataError
from .categories import Category
from .codec import from_dict, from_json, to_dict, to_json
from .context import Context

FILE_NAME = "model.json"


@dataclass(kw_only=True, slots=True)
class ModelInformation:
    """Which model this is and what it can find.

    `version` is digits and dots (`1.3`), `resolution` the side length in pixels that the model was made for,
    `model_root_path` the folder with the model's files on this machine (not written to the file), `conf_threshold` the
    confidence below which the model's own detections should be ignored.
    """

    id: str
    host: str | None
    organization: str
    project: str
    version: str
    categories: list[Category] = field(default_factory=list)
    resolution: int | None = None
    model_root_path: str | None = None
    model_size: str | None = None
    conf_threshold: float | None = None

    @property
    def context(self) -> Context:
        return Context(organization=self.organization, project=self.project)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> ModelInformation:
        """Raises `InvalidDataError` that names the wrong field."""
        return from_dict(ModelInformation, {"host": None, **data} if isinstance(data, dict) else data)

    @staticmethod
    def load_from_disk(model_root_path: str) -> ModelInformation | None:
        """The information in this folder's `model.json`, None if there is no such file.

        Raises `InvalidDataError` if the file cannot be used.
        """
        file = Path(model_root_path) / FILE_NAME
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            information = ModelInformation.from_dict(from_json(content))
        except InvalidDataError as error:
            raise InvalidDataError(f"{file}: {error}") from error
        information.model_root_path = model_root_path
        return information

    def save(self) -> None:
        """Write `model.json` into the model's folder."""
        if not self.model_root_path:
            raise ValueError("model_root_path is not set, so there is no folder to save model.json in")
        data = to_dict(self)
        del data["model_root_path"]
        (Path(self.model_root_path) / FILE_NAME).write_bytes(to_json(data))
