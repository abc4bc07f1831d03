"""Conversions of models to other formats, as our own loop keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..data_classes.codec import from_dict
from .place import Place, entries_of, part_of_path

LONGEST_ERROR = 4000
"""Characters of an error that the loop keeps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConversionEntry:
    """What a converter did with a format of a model; `state` is waiting, running, failed or done."""

    format: str
    state: str
    error: str | None = None
    code: str | None = None
    node: str | None = None
    node_id: str | None = None
    converter: str | None = None
    source_format: str | None = None
    source_sha256: str | None = None
    attempts: int = 0
    changed: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Converter:
    """Who converts, from what; `converter` is the name and version of the logic."""

    node_id: str
    node: str
    converter: str
    source_format: str
    source_sha256: str | None = None


class Conversions:
    """The conversions of the models of a project. A loop that does not keep them answers all with 404."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def list(self, model_id: str) -> Sequence[ConversionEntry]:
        """All formats on which converters worked."""
        answer = await self._place.http.json("GET", self._path(model_id))
        return [from_dict(ConversionEntry, entry) for entry in entries_of(answer, "conversions")]

    async def begin(self, model_id: str, model_format: str, converter: Converter) -> ConversionEntry:
        """Begin, or say that one is still at it, at least every minute.

        A 409 says that another converter works on it, or that the model has the format.
        """
        return await self._report(model_id, model_format, asdict(converter) | {"state": "running"})

    async def fail(
        self, model_id: str, model_format: str, converter: Converter, *, error: str, code: str
    ) -> ConversionEntry:
        """Say why it could not be done; it is shown with the model."""
        body = {"state": "failed", "error": error[:LONGEST_ERROR], "code": code}
        return await self._report(model_id, model_format, asdict(converter) | body)

    async def retry(self, model_id: str, model_format: str) -> ConversionEntry:
        """Let converters try again what has failed."""
        path = self._path(model_id, f"/{part_of_path(model_format)}/retry")
        return from_dict(ConversionEntry, await self._place.http.json("POST", path))

    async def _report(self, model_id: str, model_format: str, body: dict[str, object]) -> ConversionEntry:
        path = self._path(model_id, f"/{part_of_path(model_format)}")
        return from_dict(ConversionEntry, await self._place.http.json("PUT", path, json=body))

    def _path(self, model_id: str, rest: str = "") -> str:
        return self._place.path(f"/models/{part_of_path(model_id)}/conversions{rest}")
