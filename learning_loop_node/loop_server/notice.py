"""What an operator has to know when the loop starts."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from ..settings import LoopServerSettings

logger = logging.getLogger(__name__)

OPEN = "No login is needed: every program on this machine can read and change everything."
NODES_ARE_LET_IN = (
    "Whoever reaches this loop can send images and download models without login, as detectors do. "
    "LOOP_REQUIRE_NODE_TOKEN=true closes it; detectors of 0.18 to 0.27 can then no longer upload."
)


@dataclass(frozen=True, slots=True)
class Notice:
    """Said once per start. `password` is that of the first administrator if it was made just now, else None."""

    username: str
    password: str | None = field(repr=False)
    warning: str | None


def notice_of(settings: LoopServerSettings, password: str | None) -> Notice:
    warning = OPEN if settings.open else None if settings.require_node_token else NODES_ARE_LET_IN
    return Notice(settings.username, password, warning)


def log_notice(notice: Notice) -> None:
    """Says it in the log, where nobody else does."""
    if notice.password is not None:
        logger.warning("log in as %s with %s (not shown again)", notice.username, notice.password)
    if notice.warning is not None:
        logger.warning(notice.warning)
