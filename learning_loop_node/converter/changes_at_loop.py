"""Hears of changes at the loop that may be work for a converter."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing

from ..client.events import Events
from ..client.http import LoopHttp
from ..errors import NodeError
from ..runtime.clock import Clock
from ..runtime.trouble import Trouble

logger = logging.getLogger(__name__)

SUBJECTS = ("models", "conversions", "projects")
MUTED_CHECK_S = 1.0
RETRY_S = 300.0
"""After this time, a loop that did not want to tell is asked again."""


class ChangesAtLoop:
    """A service that calls `on_change` for each change of models; a loop that does not tell is asked now and then.

    While the node is muted, it does not listen.
    """

    name = "changes at the loop"

    def __init__(
        self,
        http: LoopHttp,
        on_change: Callable[[], None],
        is_muted: Callable[[], bool] = lambda: False,
        clock: Clock | None = None,
    ) -> None:
        self._http = http
        self._on_change = on_change
        self._is_muted = is_muted
        self._clock = clock or http.clock
        self._trouble = Trouble(self._clock)

    async def run(self) -> None:
        settings = self._http.settings
        place = {"organization": settings.organization or None, "project": settings.project or None}
        if settings.organization == "":
            place["project"] = None  # a project is known by its organization only
        while True:
            if self._is_muted():
                await self._clock.sleep(MUTED_CHECK_S)
                continue
            try:
                async with aclosing(Events(self._http).listen(**place, subjects=SUBJECTS)) as changes:
                    async for _ in changes:
                        if self._is_muted():
                            break
                        self._on_change()
            except NodeError as error:
                if self._trouble.is_news(str(error)):
                    logger.info(
                        "the loop does not tell of changes, so models are only looked for now and then: %s", error
                    )
                await self._clock.sleep(RETRY_S)
