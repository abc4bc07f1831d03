"""Models of a project: list, push, download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data_classes.codec import from_dict
from ..errors import InvalidRequestError
from .conversions import ConversionEntry
from .forms import form_of
from .place import Place, entries_of, part_of_path
from .transfer import Progress, Received, receive_file

LARGEST_ARCHIVE_BYTES = 4 * 2**30
PUSH_S = 600.0
SLOWEST_BYTES_PER_S = 50_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """The zip with a model in one format."""

    sha256: str | None = None
    size_bytes: int | None = None
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelPlace:
    """A model by id and version."""

    id: str
    version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEntry:
    """A model at the loop; `version` is None until the loop has given it one.

    Our own loop tells more: `archives` by format, and `problems`, which are the formats that converters could not give
    to the model; and of one that came out of a `training` the number of that, the `parent` from which it went on, the
    last counts of its trainer by category, and what the project's rule for deployment made of it. Of others, these are
    None.
    """

    id: str
    version: str | None = None
    formats: list[str] = field(default_factory=list)
    host: str | None = None
    created: str | None = None
    comment: str | None = None
    archives: dict[str, Archive] | None = None
    problems: list[ConversionEntry] | None = None
    parent: ModelPlace | None = None
    training: int | None = None
    confusion_matrix: dict[str, Any] | None = None
    deployment_decision: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PushedModel:
    """What the loop made of the files that we sent."""

    id: str
    version: str | None = None


class Models:
    """The models of a project."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def list(self, model_format: str | None = None) -> Sequence[ModelEntry]:
        """All models, or those that have this format."""
        parameters = {"format": model_format} if model_format else {}
        answer = await self._place.http.json("GET", self._place.path("/models"), params=parameters)
        return [from_dict(ModelEntry, entry) for entry in entries_of(answer, "models")]

    async def get(self, model: str) -> ModelEntry:
        """One model, by its version or its id. Only our own loop has this."""
        return from_dict(
            ModelEntry, await self._place.http.json("GET", self._place.path(f"/models/{part_of_path(model)}"))
        )

    async def push(self, files: Sequence[Path], model_format: str, *, version: str | None = None) -> PushedModel:
        """Send a new model: one zip, or its files; the loop completes `model.json`."""
        path = self._place.path(f"/models/{part_of_path(model_format)}")
        parameters = {"version": version} if version else {}
        with ExitStack() as stack:
            form = _form_with(files, stack)
            return from_dict(PushedModel, await self._place.http.json("POST", path, params=parameters, **form))

    async def add_format(self, model_id: str, files: Sequence[Path], model_format: str) -> None:
        """Send the same model in another format; a status that says yes is enough of an answer."""
        path = self._file_path(model_id, model_format)
        with ExitStack() as stack:
            async with self._place.http.request("PUT", path, **_form_with(files, stack)):
                pass

    async def download(
        self,
        model_id: str,
        model_format: str,
        archive: Path,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        largest_bytes: int = LARGEST_ARCHIVE_BYTES,
    ) -> Received:
        """Download a model's zip to this file; see `receive_file`."""
        path = self._file_path(model_id, model_format)
        return await receive_file(self._place.http, path, archive, largest_bytes=largest_bytes, on_progress=on_progress)

    def _file_path(self, model_id: str, model_format: str) -> str:
        return self._place.path(f"/models/{part_of_path(model_id)}/{part_of_path(model_format)}/file")


def _form_with(files: Sequence[Path], stack: ExitStack) -> dict[str, Any]:
    """How to send these files, and how long that may take; `stack` closes them."""
    if not files:
        raise InvalidRequestError("a model needs at least one file")
    return {"body": lambda: form_of(files, stack), "timeout_s": patience_s(files)}


def patience_s(files: Sequence[Path]) -> float:
    """How long sending these files may take: a while for the loop, and what they need over a slow line."""
    return PUSH_S + sum(file.stat().st_size for file in files if file.is_file()) / SLOWEST_BYTES_PER_S
