"""The people who can log in at the loop. Only our own loop has these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data_classes.codec import from_dict
from .http import LoopHttp
from .place import entries_of, part_of_path


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Somebody who can log in.

    `role` is `admin` or `user`; `organizations` says by organization whether they are `viewer`, `annotator`,
    `maintainer` or `owner`, as far as we may know.
    """

    name: str
    role: str
    disabled: bool
    created: str
    organizations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Me:
    """Who we are at the loop; `role` may also be `node`, whose token may be for one `project` only."""

    name: str
    role: str
    organizations: dict[str, str] = field(default_factory=dict)
    project: str | None = None
    limit: str | None = None


class Users:
    """The users whom we may manage."""

    def __init__(self, http: LoopHttp) -> None:
        self._http = http

    async def list(self) -> Sequence[User]:
        """All of them, by name: everybody for administrators, for owners those of their organizations."""
        found: list[User] = []
        after: str | None = ""
        while after is not None:
            answer = await self._http.json("GET", "/users", params={"after": after})
            found += [from_dict(User, entry) for entry in entries_of(answer, "users")]
            after = answer.get("next")
        return found

    async def get(self, name: str) -> User:
        """Raises `NotFoundError` if there is none of whom we may know."""
        return from_dict(User, await self._http.json("GET", _path(name)))

    async def add(
        self, name: str, password: str, *, role: str = "user", organizations: Mapping[str, str] | None = None
    ) -> User:
        """Make a user. Raises `RefusedError` if there is one of this name."""
        body = {"name": name, "password": password, "role": role, "organizations": dict(organizations or {})}
        return from_dict(User, await self._http.json("POST", "/users", json=body))

    async def change(
        self,
        name: str,
        *,
        password: str | None = None,
        role: str | None = None,
        disabled: bool | None = None,
        organizations: Mapping[str, str | None] | None = None,
    ) -> User:
        """Change what is given; in `organizations`, None ends a membership, and those not named stay."""
        given: dict[str, Any] = {"password": password, "role": role, "disabled": disabled}
        body = {key: value for key, value in given.items() if value is not None}
        body["organizations"] = dict(organizations or {})
        return from_dict(User, await self._http.json("PATCH", _path(name), json=body))

    async def remove(self, name: str) -> None:
        """Remove a user with their sessions and tokens. The last administrator stays (`RefusedError`)."""
        await self._http.json("DELETE", _path(name))

    async def me(self) -> Me:
        """Who we are."""
        return from_dict(Me, await self._http.json("GET", "/me"))

    async def change_my_password(self, old: str, new: str) -> None:
        """Change our own password; all our other sessions end."""
        await self._http.json("PUT", "/me/password", json={"old_password": old, "new_password": new})


def _path(name: str) -> str:
    return f"/users/{part_of_path(name)}"
