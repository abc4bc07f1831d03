"""The models at the loop, as a converter sees them."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from ..client.conversions import Converter
from ..client.failures import status_of_refusal
from ..client.http import LoopHttp
from ..client.loop import LoopClient
from ..client.models import ModelEntry
from ..data_classes import Category, Context
from ..errors import NodeError
from .wanted import Wanted


class Models(Protocol):
    """What a converter asks the loop for."""

    async def contexts(self) -> Sequence[Context]:
        """The projects whose models are converted."""
        ...

    async def wanted(self, context: Context) -> Sequence[Wanted]:
        """The models of a project that lack the target format."""
        ...

    async def begin(self, wanted: Wanted, converter: Converter) -> bool:
        """Say that we convert it; False if somebody else does, or if the format is there."""
        ...

    async def fail(self, wanted: Wanted, converter: Converter, *, error: str, code: str) -> None: ...

    async def download(self, wanted: Wanted, archive: Path) -> None: ...

    async def upload(self, wanted: Wanted, files: Sequence[Path]) -> bool:
        """Send the model in its new format; False if the loop has it already (409)."""
        ...

    async def categories(self, context: Context) -> Sequence[Category]:
        """What the project marks in images, for models that do not say it themselves."""
        ...


class ModelsAtLoop:
    """The same over HTTP. Without organization and project in the settings, all projects that the login may see count.

    A loop that keeps no conversions is asked for nothing that it does not know.
    """

    def __init__(self, http: LoopHttp, source_format: str, target_format: str) -> None:
        self._http = http
        self._source, self._target = source_format, target_format

    async def contexts(self) -> Sequence[Context]:
        organization, project = self._http.settings.organization, self._http.settings.project
        if organization and project:
            return [Context(organization=organization, project=project)]
        entries = await LoopClient(self._http).projects.list()
        found = [Context(organization=entry.organization_id, project=entry.project_id) for entry in entries]
        return [
            context
            for context in found
            if organization in ("", context.organization) and project in ("", context.project)
        ]

    async def wanted(self, context: Context) -> Sequence[Wanted]:
        entries = await self._client(context).models.list(self._source)
        return [self._wanted(context, entry) for entry in entries if self._is_wanted(entry)]

    async def begin(self, wanted: Wanted, converter: Converter) -> bool:
        try:
            await self._client(wanted.context).conversions.begin(wanted.model_id, wanted.target_format, converter)
        except NodeError as error:
            if status_of_refusal(error) != HTTPStatus.CONFLICT:
                raise
            return False
        return True

    async def fail(self, wanted: Wanted, converter: Converter, *, error: str, code: str) -> None:
        conversions = self._client(wanted.context).conversions
        await conversions.fail(wanted.model_id, wanted.target_format, converter, error=error, code=code)

    async def download(self, wanted: Wanted, archive: Path) -> None:
        await self._client(wanted.context).models.download(wanted.model_id, wanted.source_format, archive)

    async def upload(self, wanted: Wanted, files: Sequence[Path]) -> bool:
        try:
            await self._client(wanted.context).models.add_format(wanted.model_id, files, wanted.target_format)
        except NodeError as error:
            if status_of_refusal(error) != HTTPStatus.CONFLICT:
                raise
            return False
        return True

    async def categories(self, context: Context) -> Sequence[Category]:
        return (await self._client(context).projects.get(context)).categories

    def _client(self, context: Context) -> LoopClient:
        return LoopClient(self._http, context)

    def _is_wanted(self, entry: ModelEntry) -> bool:
        return bool(entry.version) and self._source in entry.formats and self._target not in entry.formats

    def _wanted(self, context: Context, entry: ModelEntry) -> Wanted:
        archive = (entry.archives or {}).get(self._source)
        problem = next((problem for problem in entry.problems or () if problem.format == self._target), None)
        return Wanted(
            context=context,
            model_id=entry.id,
            version=entry.version or "",
            host=entry.host or self._http.settings.host,
            source_format=self._source,
            target_format=self._target,
            source_sha256=archive.sha256 if archive else None,
            is_recorded=entry.problems is not None,
            problem=problem,
        )
