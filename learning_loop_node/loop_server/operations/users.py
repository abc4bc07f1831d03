"""The people who can log in, and what they are in which organization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from ...api.operation import Endpoint
from ...errors import ForbiddenError, InvalidRequestError, NodeError, NotFoundError, RefusedError
from ..access.auth import caller_of, refusal
from ..access.rights import Caller, Right, Role
from ..loop import Loop
from ..names import check_name, check_user_name
from ..storage import users
from ..storage.tables import UserRow
from ..wire.ground import Done
from ..wire.people import LoopRole, MemberRole, NewUser, UserChange, UserRecord, Users

MAX_USERS = 1000


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = UserOperations(loop)
    owners = [Depends(loop.auth.needs(Right.OWN))]
    return [
        Endpoint(
            method="GET",
            path="/api/users",
            run=operations.list,
            access=owners,
            options={"tags": ["users"], "summary": "The users, or those of one's own organizations"},
        ),
        Endpoint(
            method="POST",
            path="/api/users",
            run=operations.add,
            access=owners,
            options={"tags": ["users"], "summary": "Make a user"},
        ),
        Endpoint(
            method="GET",
            path="/api/users/{user}",
            run=operations.get,
            access=owners,
            options={"tags": ["users"], "summary": "One user"},
        ),
        Endpoint(
            method="PATCH",
            path="/api/users/{user}",
            run=operations.change,
            access=owners,
            options={"tags": ["users"], "summary": "Change a user's roles or password, or disable them"},
        ),
        Endpoint(
            method="DELETE",
            path="/api/users/{user}",
            run=operations.remove,
            access=owners,
            options={"tags": ["users"], "summary": "Remove a user"},
        ),
    ]


class UserOperations:
    """Answers requests about users.

    Administrators manage everybody. Owners see who belongs to an organization of theirs, and what they are there. An
    account is theirs to change or to remove if it belongs to organizations of theirs only.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def list(
        self,
        request: Request,
        after: str = Query(default="", max_length=256, description="The `next` of the page before."),
        limit: int = Query(default=MAX_USERS, ge=1, le=MAX_USERS, description="Users per page."),
    ) -> Users:
        """Users by name: all for administrators, for owners those of their organizations."""
        caller = caller_of(request)
        organizations = None if caller.may(Right.OWN, None) else _owned(caller)
        async with self._loop.database.reading() as session:
            found = await users.users_after(session, after, limit, organizations)
            roles = await users.roles_of(session, [user.id for user in found])
        return Users(
            users=[_record(user, _seen(roles[user.id], caller)) for user in found],
            next=found[-1].name if len(found) == limit else None,
        )

    async def get(self, request: Request, user: str) -> UserRecord:
        """One user."""
        async with self._loop.database.reading() as session:
            row, roles = await _user(session, user, caller_of(request))
        return _record(row, _seen(roles, caller_of(request)))

    async def add(self, request: Request, new: NewUser) -> UserRecord:
        """Make a user; 409 if there is one of this name.

        Owners name organizations of theirs, and the user's name then ends with `@` and one of these: so nobody learns
        which names others use.
        """
        caller = caller_of(request)
        check_user_name(new.name)
        _check_organizations(caller, new.organizations)
        if not caller.may(Right.ADMINISTER, None):
            if new.role is LoopRole.ADMIN:
                raise ForbiddenError("only an administrator makes administrators")
            if not new.organizations:
                raise InvalidRequestError("organizations is empty: name the one to which the user shall belong")
            if new.name.rpartition("@")[2] not in new.organizations or "@" not in new.name:
                raise InvalidRequestError(
                    f"name {new.name!r} must end with @{next(iter(new.organizations))}; "
                    "only an administrator makes users with other names"
                )
        password_hash = await self._loop.auth.passwords.hash(new.password)
        roles = _roles(new.organizations)
        async with self._loop.database.writing() as session:
            if await users.user_named(session, new.name) is not None:
                raise RefusedError(f"there is a user {new.name} already")
            row = users.add_user(
                session, name=new.name, password_hash=password_hash, role=new.role.name, now=datetime.now(UTC)
            )
            await session.flush()
            await users.set_roles(session, row.id, roles)
        self._tell(row.name, roles)
        return _record(row, {name: role for name, role in roles.items() if role is not None})

    async def change(self, request: Request, user: str, change: UserChange) -> UserRecord:
        """Change a user; a new password, or being disabled, ends their sessions. The last administrator stays one."""
        caller = caller_of(request)
        _check_organizations(caller, change.organizations)
        password_hash = await self._loop.auth.passwords.hash(change.password) if change.password is not None else None
        changes = _roles(change.organizations)
        async with self._loop.database.writing() as session:
            row, roles = await _user(session, user, caller)
            if change.password is not None or change.disabled is not None or change.role is not None:
                _refuse_foreign_account(caller, row, roles)
            if change.role is LoopRole.ADMIN and not caller.may(Right.ADMINISTER, None):
                raise ForbiddenError("only an administrator makes administrators")
            if change.disabled or change.role is LoopRole.USER:
                await _refuse_last_admin(session, row)
            if change.role is not None:
                row.role = change.role.name
            if change.disabled is not None:
                row.disabled = change.disabled
            if password_hash is not None:
                row.password_hash = password_hash
            if change.disabled or password_hash is not None:
                await users.end_sessions_of(session, row.id)
            await users.set_roles(session, row.id, changes)
            await session.flush()
            present = (await users.roles_of(session, [row.id]))[row.id]
        self._tell(row.name, roles | present)
        return _record(row, _seen(present, caller))

    async def remove(self, request: Request, user: str) -> Done:
        """Remove a user with their sessions and tokens. What they have done stays under their name."""
        caller = caller_of(request)
        async with self._loop.database.writing() as session:
            row, roles = await _user(session, user, caller)
            _refuse_foreign_account(caller, row, roles)
            await _refuse_last_admin(session, row)
            await session.delete(row)
        self._tell(row.name, roles)
        return Done()

    def _tell(self, name: str, organizations: Iterable[str]) -> None:
        self._loop.auth.revise()
        for organization in set(organizations) or {""}:
            self._loop.changes.tell("users", organization, None, [name])


def _owned(caller: Caller) -> Sequence[str]:
    return [organization for organization in caller.roles if caller.may(Right.OWN, organization)]


def _seen(roles: Mapping[str, Role], caller: Caller) -> dict[str, Role]:
    """What the caller may know about somebody's roles."""
    return {name: role for name, role in roles.items() if caller.may(Right.OWN, name)}


async def _user(session: AsyncSession, name: str, caller: Caller) -> tuple[UserRow, dict[str, Role]]:
    """A user and all roles; `NotFoundError` if there is none of whom the caller may know."""
    row = await users.user_named(session, name)
    roles = (await users.roles_of(session, [row.id]))[row.id] if row else {}
    if row is None or not (caller.may(Right.OWN, None) or _seen(roles, caller)):
        raise NotFoundError(f"there is no user {name}")
    return row, roles


def _check_organizations(caller: Caller, organizations: Iterable[str]) -> None:
    for organization in organizations:
        check_name("organizations", organization)
        if not caller.may(Right.OWN, organization):
            raise _refusal(caller, organization)


def _refusal(caller: Caller, organization: str) -> NodeError:
    return refusal(caller, Right.OWN, organization)


def _refuse_foreign_account(caller: Caller, user: UserRow, roles: Mapping[str, Role]) -> None:
    if caller.may(Right.ADMINISTER, None):
        return
    if user.role == Role.ADMIN.name or not all(caller.may(Right.OWN, organization) for organization in roles):
        raise ForbiddenError(
            f"the account of {user.name} is not yours to change or to remove, only their role in your organization; "
            "ask an administrator"
        )


async def _refuse_last_admin(session: AsyncSession, user: UserRow) -> None:
    if user.role == Role.ADMIN.name and not await users.has_other_admin(session, user.id):
        raise RefusedError(f"{user.name} is the last administrator; make another one first")


def _roles(organizations: Mapping[str, MemberRole] | Mapping[str, MemberRole | None]) -> dict[str, Role | None]:
    return {name: Role[role.name] if role is not None else None for name, role in organizations.items()}


def _record(user: UserRow, roles: Mapping[str, Role]) -> UserRecord:
    return UserRecord(
        name=user.name,
        role=LoopRole[user.role],
        disabled=user.disabled,
        created=user.created.isoformat(),
        organizations={name: MemberRole[role.name] for name, role in roles.items()},
    )
