"""How the detectors of a project are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..data_classes import DetectorStatus
from ..data_classes.codec import from_dict
from ..enums import NodeState
from ..errors import InvalidDataError
from .place import Place


@dataclass(kw_only=True, slots=True)
class DetectorEntry(DetectorStatus):
    """The last status of a detector, and what our own loop knows beyond it.

    `received` and `first_seen` are moments, `age_s` is the time since the last status. It `is_late` if nothing came for
    three of its intervals although it did not say that it ends; `runs_deployed` is None while no model is deployed.
    """

    received: str | None = None
    age_s: float | None = None
    first_seen: str | None = None
    interval_s: float | None = None
    is_late: bool = False
    deployed_model: str | None = None
    runs_deployed: bool | None = None


class Detectors:
    """The detectors of a project."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def list(self) -> Sequence[DetectorEntry]:
        """The last status of each detector, by their ids. Only our own loop tells."""
        found: list[DetectorEntry] = []
        after: str | None = ""
        while after is not None:
            parameters = {"after": after} if after else {}
            answer = await self._place.http.json("GET", self._place.path("/detectors"), params=parameters)
            entries = answer.get("detectors", []) if isinstance(answer, dict) else answer
            found += [_entry(entry) for entry in entries or []]
            after = answer.get("next") if isinstance(answer, dict) else None
        return found

    async def report(self, status: DetectorStatus) -> None:
        """Tell the loop how a detector is."""
        async with self._place.http.request("POST", self._place.path("/detectors"), json=status):
            pass

    async def forget(self, uuid: str) -> None:
        """Remove a detector from the list; one that still runs is there again with its next report."""
        await self._place.http.json("DELETE", self._place.path(f"/detectors/{quote(uuid)}"))


def _entry(entry: Any) -> DetectorEntry:
    try:
        return from_dict(DetectorEntry, entry | {"state": NodeState(entry["state"])})
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidDataError(f"DetectorStatus.state is missing or unknown: {error}") from error
