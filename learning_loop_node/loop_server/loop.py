"""What a running loop consists of."""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from ..errors import NodeError, SettingError
from ..runtime.files import make_folder
from ..runtime.metrics import Metrics
from ..runtime.periodic import Periodic
from ..runtime.services import Service
from ..runtime.threads import io_bound
from ..settings import LoopServerSettings
from .access.auth import Auth
from .changes import Changes
from .connections import Connections
from .deployment_rule import consider
from .dispatch.dispatch import Dispatch
from .notice import Notice, notice_of
from .receiving.arrivals import Arrivals
from .storage import models
from .storage.blobs import BlobStore, FolderBlobs
from .storage.database import Database, sqlite_url
from .thumbnails import Thumbnails
from .tool_inputs import ToolInputs
from .upkeep.cleaning import Cleaning
from .upkeep.folder_lock import alone_in
from .watching.census import Census
from .watching.counted_requests import Requests
from .watching.metrics import loop_metrics

logger = logging.getLogger(__name__)

CLEAN_S = 3600.0
DAILY_S = 86_400.0
USES_S = 60.0
"""So often it is written down at most which tokens were used."""


class Loop:
    """Database, blobs and logins of one data folder. Constructing it touches nothing; only one process may open it."""

    def __init__(self, settings: LoopServerSettings) -> None:
        self.settings = settings
        self.folder = settings.data_folder.absolute()
        self.incoming = self.folder / "incoming"
        self.database = Database(settings.database_url or sqlite_url(self.folder))
        self.blobs: BlobStore = FolderBlobs(self.folder / "blobs")
        self.thumbnails = Thumbnails(self.folder / "thumbnails", self.blobs, max_pixels=settings.max_pixels)
        self.cleaning = Cleaning(
            self.database, self.blobs, self.thumbnails, grace_period_days=settings.grace_period_days
        )
        self.changes = Changes()
        self.arrivals = Arrivals()
        self.requests = Requests()
        self.census = Census(self.database, self.folder, self.folder / "blobs")
        self.auth = Auth(settings, self.database, on_revision=self._look_who_may)
        self.connections = Connections(self.auth)
        self.nodes = self.connections.nodes
        self.dispatch = Dispatch(
            self.database, self.nodes, self.changes, on_model=lambda project, model: consider(self, project, model)
        )
        self.tool_inputs = ToolInputs(self.nodes)
        self.metrics = Metrics()
        self.metrics.add(loop_metrics(self))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Notice]:
        """Open everything; what it gives is to be told to the operator."""
        async with AsyncExitStack() as stack:
            with _folder_errors(self.folder):
                await io_bound(make_folder, self.folder)
                stack.enter_context(alone_in(self.folder))
                await io_bound(_empty, self.incoming)
                await self.blobs.open()
            stack.push_async_callback(self.blobs.aclose)
            stack.push_async_callback(self.database.aclose)
            await self.database.open()
            async with self.database.writing() as session:
                await models.forget_unfinished(session)
            stack.push_async_callback(self._note_last_uses)
            stack.push_async_callback(self.changes.aclose)
            stack.push_async_callback(self.connections.shutdown)
            await self.dispatch.open()
            stack.push_async_callback(self.dispatch.aclose)
            yield notice_of(self.settings, await self.auth.open())

    def services(self) -> Iterable[Service]:
        """What runs in the background while the loop runs."""
        return (
            Periodic("expired sessions", self.auth.forget_expired, interval_s=CLEAN_S, longest_s=CLEAN_S),
            Periodic("expired images", self.cleaning.remove_expired, interval_s=CLEAN_S, longest_s=CLEAN_S),
            Periodic("expired projects", self.cleaning.remove_expired_projects, interval_s=CLEAN_S, longest_s=CLEAN_S),
            Periodic("orphaned contents", self.cleaning.remove_orphans, interval_s=DAILY_S, longest_s=DAILY_S),
            Periodic("unused facets", self.cleaning.remove_unused_facets, interval_s=DAILY_S, longest_s=DAILY_S),
            Periodic("uses of tokens", self.auth.keep_uses, interval_s=USES_S, longest_s=CLEAN_S),
            self.connections,
            self.dispatch,
        )

    async def let_go(self) -> None:
        """End what lasts, so that a stop has not to wait for it: streams of changes, connections of nodes."""
        await self.changes.aclose()
        await self.connections.aclose()

    def _look_who_may(self) -> None:
        self.changes.wake()
        self.connections.wake()

    async def _note_last_uses(self) -> None:
        with suppress(NodeError):
            await self.auth.keep_uses()

    async def missing(self) -> dict[str, str]:
        """What keeps the loop from doing its work, by subject; empty when it is ready."""
        try:
            await self.database.check()
        except Exception as error:
            logger.warning("the database does not answer: %s", error)
            return {"database": type(error).__name__}
        return {}


@contextmanager
def _folder_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingError(f"LOOP_DATA_FOLDER={folder} (--data) cannot be used: {error}") from error


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
