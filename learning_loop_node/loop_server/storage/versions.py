"""Keeps changes from being lost: whoever changes something names the version that they have seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ...errors import InvalidRequestError, NotFoundError, OutdatedError

TOLD = 5
"""So many conflicts stand in the text of the error; all of them in its list."""


class Versioned(Protocol):
    """A row that counts its changes."""

    id: Any
    version: Any
    user: Any
    changed: Any


class Named(Protocol):
    """A change that somebody asks for."""

    @property
    def id(self) -> str: ...

    @property
    def version(self) -> int: ...


def refuse_twins(kind: str, ids: Sequence[str]) -> None:
    """Raise `InvalidRequestError` if something is to be changed twice at once."""
    seen: set[str] = set()
    for id_ in ids:
        if id_ in seen:
            raise InvalidRequestError(f"the {kind} {id_} occurs twice; put its changes together")
        seen.add(id_)


def refuse_missing(kind: str, ids: Sequence[str], found: Mapping[str, object]) -> None:
    """Raise `NotFoundError` with those that are not there."""
    missing = [id_ for id_ in ids if id_ not in found]
    if missing:
        more = f" and {len(missing) - TOLD} more" if len(missing) > TOLD else ""
        raise NotFoundError(f"there is no {kind} {', '.join(missing[:TOLD])}{more} in this project")


def conflicts_of(kind: str, asked: Sequence[Named], found: Mapping[str, Versioned]) -> list[dict[str, Any]]:
    """Everything that has another version than the one that the change was made from."""
    return [
        {
            "kind": kind,
            "id": entry.id,
            "version": entry.version,
            "present": row.version,
            "changed_by": row.user,
            "changed": row.changed.isoformat(),
        }
        for entry in asked
        if (row := found[entry.id]).version != entry.version
    ]


def refuse_outdated(conflicts: Sequence[Mapping[str, Any]]) -> None:
    """Raise `OutdatedError` if there are any conflicts."""
    if conflicts:
        told = "; ".join(map(_text_of, conflicts[:TOLD]))
        more = f"; and {len(conflicts) - TOLD} more" if len(conflicts) > TOLD else ""
        raise OutdatedError(f"{told}{more}. Nothing is changed; read it again and repeat", conflicts=conflicts)


def _text_of(conflict: Mapping[str, Any]) -> str:
    who = conflict["changed_by"] or "a node"
    return (
        f"{conflict['kind']} {conflict['id']} has version {conflict['present']} since {who} changed it, "
        f"not {conflict['version']}"
    )
