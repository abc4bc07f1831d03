"""Which model should run: asks the loop, downloads what is missing, lets it replace the one that serves."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..client.failures import retry_hint_of
from ..client.loop import LoopClient
from ..client.transfer import Progress
from ..data_classes import Context, ModelInformation
from ..enums import VersionMode
from ..errors import (
    ArchiveRefusedError,
    BadModeError,
    HashMismatchError,
    InvalidDataError,
    ModelRefusedError,
    NodeError,
    TooLargeError,
)
from ..runtime.clock import Clock, SystemClock
from ..runtime.periodic import wait_unless
from ..runtime.threads import io_bound
from ..runtime.trouble import Trouble
from ..settings import DetectorSettings
from .model_store import ModelStore, is_version, require_version

logger = logging.getLogger(__name__)

INTERVAL_S = 5.0
LONGEST_PROBE_S = 20.0
LONGEST_PAUSE_S = 300.0
STRIKES = 2
"""So often may a hash be wrong, or a build fail, before a model is refused."""

ERROR_KEY = "update_model"


class ModelHost(Protocol):
    """Who runs the model."""

    @property
    def loaded(self) -> ModelInformation | None: ...

    async def replace(self, information: ModelInformation) -> None:
        """Build this model and let it serve; after `ModelRefusedError` the previous one serves on."""
        ...


class SupersededError(Exception):
    """Another model is wanted meanwhile."""


@dataclass(slots=True)
class Attempt:
    """What has been tried to get one model to serve. A refused one is not tried again until somebody asks."""

    target: ModelInformation
    failures: int = 0
    strikes: int = 0
    not_before: float = 0.0
    distrusts_disk: bool = False
    is_refused: bool = False


class ModelUpdates:
    """A service: every few seconds, while the detector may be interrupted, it looks which model is wanted.

    Trouble on the way is tried again after growing pauses, continuing where a transfer broke off. A model that is
    refused (its archive, twice its hash, twice its build) waits for another target or for `retry`. Meanwhile the model
    that serves goes on, and `errors['update_model']` says why. `target_problem` says why the wanted model is not known.
    """

    name = "model updates"

    def __init__(
        self,
        *,
        store: ModelStore,
        client: LoopClient,
        host: ModelHost,
        model_format: str,
        context: Context,
        settings: DetectorSettings,
        is_idle: Callable[[], bool],
        clock: Clock | None = None,
        on_change: Callable[[], None] | None = None,
        dice: random.Random | None = None,
    ) -> None:
        self.version_control = settings.version_control_default
        self.target_model: ModelInformation | None = None
        self.loop_deployment_target: ModelInformation | None = None
        self.errors: dict[str, str] = {}
        self.target_problem: str | None = None
        self.refused_count = 0
        self._store = store
        self._client = client
        self._host = host
        self._model_format = model_format
        self._context = context
        self._is_idle = is_idle
        self._clock = clock or SystemClock()
        self._on_change = on_change or (lambda: None)
        self._dice = dice or random.Random()
        self._attempt: Attempt | None = None
        self._loop_failures = 0
        self._loop_trouble = Trouble(self._clock)
        self._woken = asyncio.Event()

    async def load_current(self) -> None:
        """At start, without the loop: the last model that served and can be built. Without one, wait for the loop."""
        for information in await io_bound(lambda: list(self._store.candidates())):
            try:
                await self._host.replace(information)
            except ModelRefusedError as error:
                self._set_error(f"model {information.version} on disk cannot be used: {error}")
                continue
            await self._make_current(information)
            return
        logger.info("no model on disk; waiting for one from the loop")

    async def set_version_mode(self, text: str) -> None:
        """`follow_loop`, `pause`, or the version that should run; raises `BadModeError`."""
        text = text.strip()
        if text == VersionMode.FollowLoop:
            self.version_control = VersionMode.FollowLoop
            self.target_model = self.loop_deployment_target
        elif text == VersionMode.Pause:
            self.version_control = VersionMode.Pause
        elif is_version(text):
            self.target_model = await self._find_version(text)
            self.version_control = VersionMode.SpecificVersion
        else:
            raise BadModeError(f"Invalid version number: {text!r}; use follow_loop, pause, or a version such as 1.3")
        self.retry()

    def retry(self) -> None:
        """Look at once, and try again what was refused."""
        self._attempt = None
        self._woken.set()

    async def run(self) -> None:
        while True:
            self._woken.clear()
            pause_s = INTERVAL_S
            if self._is_idle():
                pause_s = await self._ask_loop()
                await self._update()
            await wait_unless(self._woken, pause_s, self._clock)

    async def _ask_loop(self) -> float:
        """Ask for the deployment target; returns after how many seconds to ask again."""
        try:
            target = await self._client.deployment.target()
            wanted = self._information(target.model_uuid, require_version(target.version)) if target else None
        except NodeError as error:
            self._loop_failures += 1
            self.target_problem = str(error)
            if self._loop_trouble.is_news(str(error)):
                logger.warning("the wanted model is not known: %s", error)
            probe_s = min(INTERVAL_S * 2.0 ** min(self._loop_failures - 1, 10), LONGEST_PROBE_S)
            return self._dice.uniform(0.5, 1.0) * probe_s
        self._loop_failures = 0
        if self._loop_trouble.ends() and wanted is not None:
            logger.info("the loop tells the wanted model again")
        self._note_whether_deployed(wanted)
        self.loop_deployment_target = wanted
        if self.version_control is VersionMode.FollowLoop:
            self.target_model = wanted
        return INTERVAL_S

    def _note_whether_deployed(self, wanted: ModelInformation | None) -> None:
        context, known_problem = self._context, self.target_problem
        self.target_problem = None
        if wanted is None:
            self.target_problem = (
                f"{context.organization}/{context.project} has no deployed model yet; "
                "deploy one with `learning-loop models deploy VERSION`"
            )
            if self.target_problem != known_problem:
                logger.info("%s", self.target_problem)

    async def _update(self) -> None:
        """Bring the wanted model into service, if it is time to try."""
        target = self.target_model
        if self.version_control is VersionMode.Pause:
            return
        if target is None:
            if self._attempt is not None:
                self._settle()
            return
        if _is_same(self._host.loaded, target):
            self._settle()
            return
        if self._attempt is None or not _is_same(self._attempt.target, target):
            self._attempt = Attempt(target)
        attempt = self._attempt
        if attempt.is_refused or self._clock.now() < attempt.not_before:
            return
        try:
            await self._bring_in(attempt)
        except SupersededError:
            logger.info("model %s is no longer wanted", target.version)
        except NodeError as error:
            self._fail(attempt, error)

    async def _bring_in(self, attempt: Attempt) -> None:
        information = None if attempt.distrusts_disk else await io_bound(self._store.find, attempt.target)
        is_from_disk = information is not None
        if information is None:
            information = await self._download(attempt)
        self._require_wanted(attempt)
        if not self._is_idle():
            return
        try:
            await self._host.replace(information)
        except ModelRefusedError:
            attempt.strikes += 1
            attempt.distrusts_disk = is_from_disk
            attempt.is_refused = attempt.strikes >= STRIKES
            raise
        await self._make_current(information)
        self._settle()
        self._on_change()

    async def _download(self, attempt: Attempt) -> ModelInformation:
        target = attempt.target

        def check(_progress: Progress) -> None:
            self._require_wanted(attempt)

        logger.info("downloading model %s", target.version)
        archive = await io_bound(self._store.archive_of, target)
        try:
            received = await self._client.models.download(target.id, self._model_format, archive, on_progress=check)
        except HashMismatchError:
            attempt.strikes += 1
            attempt.is_refused = attempt.strikes >= STRIKES
            raise
        except TooLargeError:
            attempt.is_refused = True
            raise
        try:
            information = await io_bound(self._store.install, received.file, target)
        except (ArchiveRefusedError, InvalidDataError, ModelRefusedError, TooLargeError):
            attempt.is_refused = True
            raise
        attempt.distrusts_disk = False
        return information

    def _require_wanted(self, attempt: Attempt) -> None:
        is_paused = self.version_control is VersionMode.Pause
        if is_paused or self._attempt is not attempt or not _is_same(self.target_model, attempt.target):
            raise SupersededError

    def _settle(self) -> None:
        """Nothing is left to do."""
        self._attempt = None
        if self.errors.pop(ERROR_KEY, None):
            self._on_change()

    def _fail(self, attempt: Attempt, error: NodeError) -> None:
        version = attempt.target.version
        if attempt.is_refused:
            self.refused_count += 1
            self._set_error(f"model {version} is refused until another one is wanted or somebody asks again: {error}")
            return
        attempt.failures += 1
        pause_s = min(INTERVAL_S * 2.0 ** min(attempt.failures - 1, 10), LONGEST_PAUSE_S) * self._dice.uniform(0.8, 1.0)
        pause_s = min(max(pause_s, retry_hint_of(error) or 0.0), LONGEST_PAUSE_S)
        attempt.not_before = self._clock.now() + pause_s
        self._set_error(f"model {version} is not there yet, next try in {pause_s:.0f} s: {error}")

    def _set_error(self, text: str) -> None:
        logger.warning("%s", text)
        self.errors[ERROR_KEY] = text
        self._on_change()

    async def _make_current(self, information: ModelInformation) -> None:
        """Remember what serves. A disk that refuses does not end its service."""
        try:
            await io_bound(self._store.set_current, information)
        except NodeError as error:
            logger.error("model %s serves, but a restart would not know: %s", information.version, error)

    async def _find_version(self, version: str) -> ModelInformation:
        try:
            models = [model for model in await self._client.models.list() if model.version == version]
        except NodeError as error:
            on_disk = await io_bound(self._store.find_version, version)
            if on_disk is not None and on_disk.context == self._context:
                logger.info("model %s is taken from disk, the loop does not tell: %s", version, error)
                return on_disk
            self.version_control = VersionMode.Pause
            raise BadModeError(
                f"Failed to load models from learning loop: {error}; "
                f"the node now stays with its model ({self.version_control})"
            ) from error
        if len(models) != 1:
            self.version_control = VersionMode.Pause
            found = "Multiple models" if models else "No Model"
            raise BadModeError(
                f"{found} with version {version}; the node now stays with its model ({self.version_control})"
            )
        return self._information(models[0].id, version, models[0].host)

    def _information(self, model_id: str, version: str, host: str | None = None) -> ModelInformation:
        return ModelInformation(
            id=model_id,
            host=host or self._client.http.settings.host,
            organization=self._context.organization,
            project=self._context.project,
            version=version,
        )


def _is_same(one: ModelInformation | None, other: ModelInformation | None) -> bool:
    return one is not None and other is not None and (one.id, one.version) == (other.id, other.version)
