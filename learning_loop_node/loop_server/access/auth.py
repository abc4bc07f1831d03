"""Login, sessions, tokens, and who makes a request.

What callers may do stands in `rights.py`. A session is known by a secret in a cookie; a session or a token may come as
bearer token, too.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection, Request

from ...errors import ForbiddenError, NodeError, NotAuthenticatedError, SettingError
from ...runtime.clock import Clock, SystemClock
from ...settings import LoopServerSettings
from ..names import no_such_organization, no_such_project
from ..storage import tokens, users
from ..storage.database import Database
from ..storage.tables import UserRow
from ..storage.tokens import KnownToken
from .attempts import Attempts
from .origin import refuse_foreign_pages, refuse_strangers
from .passwords import Passwords, random_password
from .rights import MEMBERS, RIGHTS, Caller, Right, Role
from .secret_texts import hash_of, is_token, new_session

logger = logging.getLogger(__name__)

COOKIE = "loop_session"
GUEST_TOKEN = "guest"
SESSION = timedelta(days=30)
ANYBODY = Caller("anybody", Role.ADMIN)
WRONG = "user name or password is wrong"

Check = Callable[[Request], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Login:
    """A new session. `expires` is None for one that does not end by itself."""

    token: str
    caller: Caller
    expires: datetime | None


class Auth:
    """Decides who makes a request and whether they may. Whoever changes users or tokens calls `revise` afterwards."""

    def __init__(
        self,
        settings: LoopServerSettings,
        database: Database,
        clock: Clock | None = None,
        *,
        on_revision: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._on_revision = on_revision
        self._database = database
        self._attempts = Attempts(clock or SystemClock())
        self._unknown = Caller("", Role.STRANGER if settings.require_node_token else Role.NOBODY)
        self._checks: dict[Right, Check] = {}
        self._uses: dict[str, datetime] = {}
        self.passwords = Passwords()
        self.revision = 0

    async def open(self) -> str | None:
        """Make sure that there is an administrator; returns the password if a random one had to be made."""
        given = self._settings.password.get_secret_value()
        async with self._database.reading() as session:
            user = await users.user_named(session, self._settings.username)
            has_users = await users.has_users(session)
        if self._settings.open or (has_users and not given):
            return None
        if user is not None and user.role != Role.ADMIN.name:
            raise SettingError(
                f"LOOP_USERNAME={user.name} is a user who is no administrator; name another one, or none"
            )
        if user is not None and not user.disabled and await self.passwords.match(given, user.password_hash):
            return None
        password_hash = await self.passwords.hash(given or (made := random_password()))
        async with self._database.writing() as session:
            if user is None:
                name, role = self._settings.username, Role.ADMIN.name
                users.add_user(session, name=name, password_hash=password_hash, role=role, now=_now())
            else:
                logger.warning("the password of %s is now the one in LOOP_PASSWORD; log in again", user.name)
                user.password_hash, user.disabled = password_hash, False
                await session.merge(user)
                await users.end_sessions_of(session, user.id)
        return None if given else made

    # --- logins

    async def log_in(self, username: str, password: str, address: str) -> Login:
        """A new session; earlier ones stay valid. `address` is where the caller is, for the limit of attempts.

        A token in place of the password is as good as the token itself, whatever the name: programs that know only a
        login can use it.
        """
        if self._settings.open:
            return Login(GUEST_TOKEN, ANYBODY, None)
        if not username and not password and not self._settings.require_node_token:
            return Login(GUEST_TOKEN, Caller("", Role.GUEST), None)
        self._attempts.check(address, username)
        if is_token(password):
            return await self._log_in_by_token(username, password, address)
        if not username:
            raise NotAuthenticatedError("guests are not let in: a token is needed, or a user name and password")
        user = await self._checked(username, password, address)
        now = _now()
        secret, expires = new_session(), now + SESSION
        async with self._database.writing() as session:
            user = await self.unchanged(session, user)
            users.add_session(session, token_hash=hash_of(secret), user_id=user.id, now=now, expires=expires)
            roles = (await users.roles_of(session, [user.id]))[user.id]
        return Login(secret, Caller(user.name, Role[user.role], roles, user.id), expires)

    async def check_password(self, caller: Caller, password: str, address: str) -> UserRow:
        """The user behind a caller, if this is the password; `NotAuthenticatedError` if it is not."""
        self._attempts.check(address, caller.name)
        return await self._checked(caller.name, password, address)

    async def unchanged(self, session: AsyncSession, checked: UserRow) -> UserRow:
        """A user whose password was checked, as they are now.

        `NotAuthenticatedError` if they were removed, disabled or given another password meanwhile.
        """
        user = await users.user_named(session, checked.name)
        if user is None or user.id != checked.id or user.disabled or user.password_hash != checked.password_hash:
            raise NotAuthenticatedError(WRONG)
        return user

    async def log_out(self, request: Request) -> None:
        """End the session of this request; nothing happens without one. A token stays valid until it is revoked."""
        secret, _ = _secret_of(request)
        if secret and secret != GUEST_TOKEN and not is_token(secret):
            async with self._database.writing() as session:
                await users.end_session(session, hash_of(secret))
            self.revise()

    def session_of(self, request: Request) -> str:
        """The hash by which the session of this request is kept; empty without one."""
        secret, _ = _secret_of(request)
        return hash_of(secret) if secret else ""

    async def _log_in_by_token(self, username: str, token: str, address: str) -> Login:
        async with self._database.reading() as session:
            found = await tokens.usable_token(session, hash_of(token), _now())
            if found is None:
                self._attempts.failed(address, username)
                raise NotAuthenticatedError("the token given as password is not known, has expired, or was revoked")
            roles = (await users.roles_of(session, [found.user.id]))[found.user.id] if found.user else {}
        return Login(token, _caller_with(found, roles), found.row.expires)

    async def _checked(self, username: str, password: str, address: str) -> UserRow:
        async with self._database.reading() as session:
            user = await users.user_named(session, username)
        is_right = await self.passwords.match(password, user.password_hash if user else None)
        self._attempts.check(address, username)  # again, since many guesses may have come at once
        if not is_right or user is None or user.disabled:
            self._attempts.failed(address, username)
            raise NotAuthenticatedError(WRONG)
        return user

    # --- requests

    def needs(self, right: Right) -> Check:
        """What a row of a table names as its access: a check that the caller has this right.

        It counts in the organization and the project of the address, if it names them; else it is enough to have the
        right in some organization, and the function behind asks the caller, found by `caller_of`, for the rest. Who has
        no rights in an organization gets the same answer for what exists there and for what does not.
        """

        async def check(request: Request) -> None:
            refuse_foreign_pages(request)
            caller = request.state.caller = await self.who_makes(request)
            organization, project = (request.path_params.get(name) for name in ("organization", "project"))
            if not (caller.may(right, organization, project) if organization else caller.may_somewhere(right)):
                raise refusal(caller, right, organization, project)

        return self._checks.setdefault(right, check)

    def right_of(self, access: object) -> Right | None:
        """The right that a check made by `needs` asks for; None if it is no such check."""
        return next((right for right, check in self._checks.items() if check is access), None)

    async def who_makes(self, request: HTTPConnection) -> Caller:
        """Who makes this request or connection, as the database says now; without a valid session one is nobody."""
        if self._settings.open:
            refuse_strangers(request)
            return ANYBODY
        secret, is_bearer = _secret_of(request)
        if not secret:
            return self._unknown
        if secret == GUEST_TOKEN:
            return self._unknown if self._settings.require_node_token else Caller("", Role.GUEST)
        caller = await (self._caller_by_token(secret) if is_token(secret) else self._caller_by_session(secret))
        if caller is None and (is_bearer or is_token(secret)):
            raise NotAuthenticatedError("the token is not known, has expired, or was revoked")
        return caller or self._unknown

    async def _caller_by_session(self, secret: str) -> Caller | None:
        async with self._database.reading() as session:
            user = await users.user_of_session(session, hash_of(secret), _now())
            if user is None:
                return None
            roles = await users.roles_of(session, [user.id])
        return Caller(user.name, Role[user.role], roles[user.id], user.id)

    async def _caller_by_token(self, secret: str) -> Caller | None:
        now = _now()
        async with self._database.reading() as session:
            found = await tokens.usable_token(session, hash_of(secret), now)
            if found is None:
                return None
            roles = (await users.roles_of(session, [found.user.id]))[found.user.id] if found.user else {}
        self._uses[found.row.id] = now
        return _caller_with(found, roles)

    # --- in the background

    def revise(self) -> None:
        """Users, sessions or tokens have changed: what is decided once for long must be decided anew."""
        self.revision += 1
        self._on_revision()

    def last_use(self, token_id: str) -> datetime | None:
        """When a token was used, if that is not written yet."""
        return self._uses.get(token_id)

    async def keep_uses(self) -> None:
        """Write down which tokens were used since the last time, all at once."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            async with self._database.writing() as session:
                await tokens.keep_uses(session, uses)
        except NodeError:
            self._uses = uses | self._uses
            raise

    async def forget_expired(self) -> None:
        """Remove the sessions that have ended."""
        async with self._database.writing() as session:
            await users.forget_expired(session, _now())


def caller_of(request: Request) -> Caller:
    """Who makes this request, in a function behind `Auth.needs`."""
    caller: Caller = request.state.caller
    return caller


def refusal(caller: Caller, right: Right, organization: str | None, project: str | None = None) -> NodeError:
    """Why a caller without a right is refused, told so that nobody learns of what is not theirs."""
    if caller.role in (Role.NOBODY, Role.STRANGER):
        return NotAuthenticatedError(
            "log in first: POST /api/login with the form fields username and password, or send a token "
            "(Authorization: Bearer …)"
        )
    if caller.role is Role.GUEST:
        return ForbiddenError("guests may not do this; set LOOP_TOKEN, or LOOP_USERNAME and LOOP_PASSWORD")
    if organization is None or caller.knows(organization, project):
        return ForbiddenError(f"{caller.name} may not {right.value}; {_remedy(caller, right, organization)}")
    return no_such_organization(organization) if project is None else no_such_project(organization, project)


def _remedy(caller: Caller, right: Right, organization: str | None) -> str:
    if caller.limit is not None and right not in RIGHTS[caller.limit]:
        return f"the token is limited to the role {caller.limit.lower()}, take another one"
    least = next((role for role in MEMBERS if right in RIGHTS[role]), None)
    if least is None:
        return "it takes an administrator of the loop"
    return f"it takes the role {least.lower()} in {organization or 'an organization'}"


def _caller_with(token: KnownToken, roles: dict[str, Role]) -> Caller:
    row, user, project = token.row, token.user, token.project
    if user is not None:
        limit = Role[row.role] if row.role else None
        return Caller(user.name, Role[user.role], roles, user.id, token_id=row.id, limit=limit)
    organization = project.organization if project else row.organization or ""
    node_project = project.name if project else None
    return Caller(row.name, Role.USER, {organization: Role.NODE}, token_id=row.id, project=node_project)


def _secret_of(request: HTTPConnection) -> tuple[str, bool]:
    """What the caller shows, and whether as bearer token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip(), True
    return request.cookies.get(COOKIE, ""), False


def _now() -> datetime:
    return datetime.now(UTC)
