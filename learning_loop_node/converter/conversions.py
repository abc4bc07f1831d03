"""Converts the models that lack a format, one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ..client.conversions import LONGEST_ERROR, Converter
from ..client.failures import status_of_refusal
from ..data_classes import ModelInformation
from ..data_classes.model_information import FILE_NAME
from ..errors import (
    ChildFailedError,
    ConversionRefusedError,
    InvalidRequestError,
    LoopUnreachableError,
    NodeError,
    NotPicklableError,
    StorageFullError,
    TooLargeError,
)
from ..runtime.archive import unpack
from ..runtime.clock import Clock, SystemClock
from ..runtime.isolated import Limits, call_isolated
from ..runtime.periodic import Periodic
from ..runtime.threads import io_bound
from ..runtime.trouble import Trouble
from ..settings import ConverterSettings
from .conversion_process import conversion
from .converter_logic import identity_of
from .model_json import complete_model_json, says_categories, source_model
from .models_at_loop import Models
from .wanted import Wanted
from .work_store import Progress, Work, WorkStore, disk_errors

logger = logging.getLogger(__name__)

LONGEST_PAUSE_S = 300.0
CLAIM_EVERY_S = 30.0
"""So often the loop is told that we are still at it; after two minutes of silence, others may take over."""

LASTING = (
    ChildFailedError,
    ConversionRefusedError,
    InvalidRequestError,
    NotPicklableError,
    StorageFullError,
    TooLargeError,
)
"""What comes again with the same model and the same converter, or needs somebody to look at the node."""

ALSO_LATER = ("storage_full",)
"""Codes of what is shown at the loop, and tried again all the same: it has nothing to do with the model."""

PASSING = {401, 403, 404, 408, 409, 425, 429}
"""Refusals of an upload that say nothing about the files."""

Convert = Callable[[Any, ModelInformation, Path, Path, Limits], Awaitable[list[str]]]


async def convert_isolated(
    logic: Any, model: ModelInformation, folder: Path, process_folder: Path, limits: Limits
) -> list[str]:
    """The names of the files that the logic makes in this folder, in a process of its own."""
    answer = await call_isolated(conversion, logic, model, str(folder), folder=process_folder, limits=limits)
    if "refused" in answer:
        raise ConversionRefusedError(answer["refused"])
    return list(answer["files"])


class Conversions:
    """A service: looks for models that lack the target format, every while and when it is woken.

    A conversion that fails is shown at the loop and not tried again until the source or the converter is another one,
    or somebody asks. What merely does not work now, such as a lost connection, is tried again with the next look; a
    result that is complete is then only sent. `problem` says why models cannot be looked for, or sent.
    """

    name = "conversions"

    def __init__(
        self,
        *,
        logic: Any,
        models: Models,
        store: WorkStore,
        settings: ConverterSettings,
        node_id: Callable[[], str],
        node_name: str,
        clock: Clock | None = None,
        convert: Convert = convert_isolated,
        is_muted: Callable[[], bool] = lambda: False,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        clock = clock or SystemClock()
        self.converter = identity_of(logic)
        self.current: Wanted | None = None
        self.problem: str | None = None
        self.failures: dict[str, str] = {}
        self.converted_count = 0
        self.failed_count = 0
        self._logic = logic
        self._models = models
        self._store = store
        self._node_id = node_id
        self._node_name = node_name
        self._convert = convert
        self._is_muted = is_muted
        self._on_change = on_change
        self._limits = Limits(
            time_s=settings.time_limit_s,
            memory_bytes=settings.memory_limit_bytes,
            time_setting="CONVERTER_TIME_LIMIT_S",
            memory_setting="CONVERTER_MEMORY_LIMIT_BYTES",
        )
        self._trouble = Trouble(clock)
        self._reporting = asyncio.Lock()
        self._periodic = Periodic(
            self.name,
            self.look,
            interval_s=settings.interval_s,
            longest_s=max(LONGEST_PAUSE_S, settings.interval_s),
            clock=clock,
        )

    def wake(self) -> None:
        """Look at once, or when the present conversion is done."""
        self._periodic.wake()

    async def run(self) -> None:
        await self._periodic.run()

    async def look(self) -> None:
        """Find the models that lack the format and convert them; raises what keeps it from that."""
        if self._is_muted():
            return
        try:
            wanted, unknown = await self._find()
            await io_bound(self._store.remove_others, wanted, unknown)
        except NodeError as error:
            self.problem = str(error)
            raise
        problem = next(iter(unknown.values()), None)
        names = {str(entry) for entry in wanted}
        self.failures = {name: text for name, text in self.failures.items() if name in names}
        unreachable: LoopUnreachableError | None = None
        for entry in wanted:
            if self._is_muted():
                break
            try:
                await self._attend(entry)
            except NodeError as error:
                problem = f"{entry}: {error}"
                self._warn(f"{entry} is tried again later: {error}")
                if isinstance(error, LoopUnreachableError):
                    unreachable = error
        self.problem = problem
        if unreachable is not None:
            raise unreachable

    async def keep_claim(self) -> None:
        """Let the loop know that the present conversion goes on."""
        async with self._reporting:
            if self.current is not None and self.current.is_recorded:
                await self._models.begin(self.current, self._converter_of(self.current))

    # --- which models

    async def _find(self) -> tuple[list[Wanted], dict[tuple[str, str], str]]:
        """The models that lack the format, and the projects of which we do not know, with the reason."""
        wanted: list[Wanted] = []
        unknown: dict[tuple[str, str], str] = {}
        for context in await self._models.contexts():
            try:
                wanted += await self._models.wanted(context)
            except LoopUnreachableError:
                raise
            except NodeError as error:
                organization, project = context.organization, context.project
                text = f"the models of {organization}/{project} cannot be listed: {error}"
                unknown[organization, project] = text
                self._warn(text)
        return wanted, unknown

    async def _attend(self, wanted: Wanted) -> None:
        """Do what is to be done for this model now, which may be nothing."""
        found = await io_bound(self._store.find, wanted)
        work = found if found is not None and found.is_for(wanted, self.converter) else None
        is_made = work is not None and work.progress is Progress.CONVERTED
        if not is_made and not self._is_due(wanted, work):
            await self._remember_failure(wanted, work)
            return
        if wanted.is_recorded and not await self._models.begin(wanted, self._converter_of(wanted)):
            logger.info("%s: another converter is at it", wanted)
            return
        if not wanted.is_recorded and not await self._is_still_wanted(wanted):
            return
        self.current = wanted
        self._on_change()
        try:
            await self._bring(wanted, work)
        finally:
            self.current = None
            self._on_change()

    async def _remember_failure(self, wanted: Wanted, work: Work | None) -> None:
        """Show what failed before; the loop is told what it does not know, because it could not be reached then."""
        error = work.error if work is not None else wanted.problem.error if wanted.problem is not None else None
        self.failures[str(wanted)] = error or "no reason is known"
        if work is not None:
            await self._tell_failure(wanted, work)

    def _is_due(self, wanted: Wanted, work: Work | None) -> bool:
        """Whether to convert it; `work` is what this converter did with this source before."""
        has_failed = work is not None and work.progress is Progress.FAILED
        if work is not None and work.code in ALSO_LATER:
            return True
        if not wanted.is_recorded:
            return not has_failed
        problem = wanted.problem
        if problem is None:  # never tried, or somebody has asked for it
            return not has_failed or (work is not None and work.is_reported)
        if problem.code in ALSO_LATER:
            return True
        is_same = (problem.source_sha256, problem.converter) == (wanted.source_sha256, self.converter)
        return not is_same and not has_failed

    async def _is_still_wanted(self, wanted: Wanted) -> bool:
        """Whether the model still lacks the format: the list may be old by now."""
        now = await self._models.wanted(wanted.context)
        return any(entry.model_id == wanted.model_id for entry in now)

    # --- one model

    async def _bring(self, wanted: Wanted, work: Work | None) -> None:
        try:
            if work is None or work.progress is not Progress.CONVERTED:
                work = await self._make(wanted)
            await self._send(wanted, work)
        except NodeError as error:
            if status_of_refusal(error) == HTTPStatus.NOT_FOUND:
                logger.info("%s: the loop does not have it any more (%s)", wanted, error)
                await io_bound(self._store.remove, wanted)
            elif _lasts(error):
                await self._fail(wanted, error)
            else:
                raise
            return
        self.converted_count += 1
        self.failures.pop(str(wanted), None)
        logger.info("%s: done", wanted)

    async def _make(self, wanted: Wanted) -> Work:
        """Download and convert a model; the result is on the disk when this returns."""
        work = await io_bound(self._store.begin, wanted, self.converter)
        folder = (await io_bound(self._store.folder_of, wanted)).resolve()
        archive, source, result = folder / "source.zip", folder / "source", folder / "result"
        await self._models.download(wanted, archive)
        with disk_errors(folder):
            model = await self._unpack(wanted, archive, source)
            names = await self._convert(self._logic, model, result, folder / "process", self._limits)
            await io_bound(complete_model_json, result, source, wanted)
        return await io_bound(self._store.keep_result, wanted, work, sorted({*names, FILE_NAME}))

    async def _unpack(self, wanted: Wanted, archive: Path, source: Path) -> ModelInformation:
        try:
            await io_bound(unpack, archive, source)
        finally:
            await io_bound(archive.unlink, missing_ok=True)
        if await io_bound(says_categories, source):
            return await io_bound(source_model, source, wanted)
        return await io_bound(source_model, source, wanted, await self._models.categories(wanted.context))

    async def _send(self, wanted: Wanted, work: Work) -> None:
        files = await io_bound(self._store.files_of, wanted, work)
        if not await self._models.upload(wanted, files) and await self._is_still_wanted(wanted):
            raise ConversionRefusedError("the loop refuses the files, and does not have the format either (409)")
        await io_bound(self._store.remove, wanted)

    async def _fail(self, wanted: Wanted, error: NodeError) -> None:
        logger.error("%s failed: %s", wanted, error)
        self.failed_count += 1
        text = " ".join(str(error).split())  # the first line says all that a list can show
        if isinstance(error, ChildFailedError) and error.log_tail:
            text = f"{text[: LONGEST_ERROR // 2]}\nits log ended with:\n{error.log_tail}"
        if len(text) > LONGEST_ERROR:
            text = f"{text[: LONGEST_ERROR // 2]}…{text[-LONGEST_ERROR // 2 + 1 :]}"
        self.failures[str(wanted)] = text
        failed = replace(Work.of(wanted, self.converter), progress=Progress.FAILED, error=text, code=error.code)
        try:
            await io_bound(self._store.keep_failure, wanted, failed)
        except StorageFullError as full:
            logger.error("a restart would not know that %s failed: %s", wanted, full)
        self.current = None
        await self._tell_failure(wanted, failed)

    async def _tell_failure(self, wanted: Wanted, work: Work) -> None:
        """Let the loop show a failure, unless it does."""
        if not wanted.is_recorded or work.is_reported or work.progress is not Progress.FAILED:
            return
        async with self._reporting:
            converter = self._converter_of(wanted)
            await self._models.fail(wanted, converter, error=work.error or "", code=work.code or "")
        await io_bound(self._store.keep_failure, wanted, replace(work, is_reported=True))

    def _converter_of(self, wanted: Wanted) -> Converter:
        return Converter(
            node_id=self._node_id(),
            node=self._node_name,
            converter=self.converter,
            source_format=wanted.source_format,
            source_sha256=wanted.source_sha256,
        )

    def _warn(self, text: str) -> None:
        if self._trouble.is_news(text):
            logger.warning("%s", text)


def _lasts(error: NodeError) -> bool:
    """Whether it is to be shown with the model, and not only tried again."""
    status = status_of_refusal(error)
    if status is not None:
        return 400 <= status < 500 and status not in PASSING
    return isinstance(error, LASTING)
