"""Runs the loop as a process of its own: checks the address, says what an operator has to know, ends in order."""

from __future__ import annotations

import logging
import socket
from contextlib import AsyncExitStack, suppress

import uvicorn
from fastapi import FastAPI
from rich.console import Console

from ..errors import SettingError
from ..settings import LoopServerSettings, Settings
from .access.origin import is_loopback
from .app import create_app
from .connections import MAX_MESSAGE_BYTES
from .notice import Notice, log_notice

logger = logging.getLogger(__name__)

STOP_S = 10
"""How long requests in progress may take when the loop is told to stop."""

DEMO_DATA = "The project zauberzeug/demo has test data for programs of nodes."


class Announcement:
    """What is printed, or without a console logged, once the loop answers."""

    def __init__(self, url: str, settings: LoopServerSettings, console: Console | None) -> None:
        self._url = url
        self._settings = settings
        self._console = console
        self._notice: Notice | None = None

    def keep(self, notice: Notice) -> None:
        """Remember what to say until the address answers."""
        self._notice = notice

    def show(self) -> None:
        assert self._notice is not None
        folder = self._settings.data_folder.absolute()
        if self._console is None:
            logger.info("the loop answers at %s and keeps everything in %s", self._url, folder)
            if self._settings.demo_data:
                logger.info(DEMO_DATA)
            log_notice(self._notice)
            return
        notice, say = self._notice, self._console.print
        say(f"\n[bold]The loop answers at {self._url}[/bold]  (what it can be asked: {self._url}/api/docs)")
        say(f"It keeps everything in {folder}", highlight=False, markup=False)
        if notice.password is not None:
            say(f"Log in as {notice.username} with the password {notice.password}", highlight=False, style="bold")
            say("The password is not shown again; LOOP_USERNAME and LOOP_PASSWORD set another one.")
        elif not self._settings.open:
            say(f"Log in as {notice.username}.", highlight=False, markup=False)
        if self._settings.demo_data:
            say(DEMO_DATA, highlight=False)
        if notice.warning is not None:
            say(f"Warning: {notice.warning}", style="yellow", highlight=False)
        say("Ctrl+C stops it.\n")


def serve(
    settings: Settings | LoopServerSettings,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    console: Console | None = None,
    as_log: bool = False,
) -> None:
    """Serve until a signal ends it; a stop while idle takes less than a second and the process then ends with 0.

    Port 0 means any free one. With `as_log` all that is told stands in the log. `SettingError` says what is wrong with
    the address or with a setting.
    """
    group = settings.loop_server if isinstance(settings, Settings) else settings
    if group.open and not is_loopback(host):
        raise SettingError(
            f"--open means that nobody has to log in; it is possible only on a loopback address, not on {host}"
        )
    with _listen(host, port) as listener:
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        announcement = Announcement(url, group, None if as_log else console or Console(soft_wrap=True))
        app = create_app(group, tell=announcement.keep)
        config = uvicorn.Config(  # what the server itself does is in the announcement
            app,
            log_level="warning",
            log_config=None,
            lifespan="off",
            access_log=False,
            timeout_graceful_shutdown=STOP_S,
            ws_max_size=MAX_MESSAGE_BYTES,
        )
        with suppress(KeyboardInterrupt):
            _Server(config, app, announcement).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Runs the application's lifespan itself, so that what goes wrong at the start is raised and not only logged."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, announcement: Announcement) -> None:
        super().__init__(config)
        self._app = app
        self._announcement = announcement
        self._lifespan = AsyncExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._lifespan.enter_async_context(self._app.router.lifespan_context(self._app))
        await super().startup(sockets)
        if self.started:
            self._announcement.show()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().shutdown(sockets)
        finally:
            await self._lifespan.aclose()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        text = str(getattr(error, "strerror", None) or error)
        reason = text.partition(" (while attempting")[0]  # the address, which is named anyway
        raise SettingError(
            f"the loop cannot listen on {host}:{port} ({reason}); choose another --host or --port"
        ) from error
