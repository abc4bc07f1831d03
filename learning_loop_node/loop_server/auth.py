"""Login, sessions, and who may do what.

What callers may do stands in `rights.py`. A session is known by its token, which comes in a cookie or as bearer token.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.requests import Request

from ..errors import ForbiddenError, NotAuthenticatedError
from ..runtime.clock import Clock, SystemClock
from ..settings import LoopServerSettings
from .attempts import Attempts
from .passwords import Passwords, random_password
from .rights import Caller, Right, Role
from .storage import users
from .storage.database import Database

logger = logging.getLogger(__name__)

COOKIE = "loop_session"
GUEST_TOKEN = "guest"
SESSION = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Login:
    """A new session. `expires` is None for guests, whose session does not end."""

    token: str
    caller: Caller
    expires: datetime | None


class Auth:
    """Decides who makes a request and whether they may."""

    def __init__(self, settings: LoopServerSettings, database: Database, clock: Clock | None = None) -> None:
        self._settings = settings
        self._database = database
        self._passwords = Passwords()
        self._attempts = Attempts(clock or SystemClock())

    async def open(self) -> str | None:
        """Make sure that there is an administrator; returns the password if a random one had to be made."""
        given = self._settings.password.get_secret_value()
        async with self._database.reading() as session:
            user = await users.user_named(session, self._settings.username)
            has_users = await users.has_users(session)
        if self._settings.open or (has_users and not given):
            return None
        if user is not None and await self._passwords.match(given, user.password_hash):
            return None
        password_hash = await self._passwords.hash(given or (made := random_password()))
        async with self._database.writing() as session:
            if user is None:
                users.add_user(
                    session,
                    name=self._settings.username,
                    password_hash=password_hash,
                    role=Role.ADMIN.name,
                    now=_now(),
                )
            else:
                logger.warning("the password of %s is now the one in LOOP_PASSWORD; log in again", user.name)
                user.password_hash = password_hash
                await session.merge(user)
                await users.end_sessions_of(session, user.id)
        return None if given else made

    async def log_in(self, username: str, password: str, address: str) -> Login:
        """A new session; earlier ones stay valid. `address` is where the caller is, for the limit of attempts."""
        if self._settings.open:
            return Login(GUEST_TOKEN, Caller("anybody", Role.ADMIN), None)
        if not username and not password and not self._settings.require_node_token:
            return Login(GUEST_TOKEN, Caller("", Role.GUEST), None)
        if not username:
            raise NotAuthenticatedError(
                "a user name is needed (LOOP_USERNAME and LOOP_PASSWORD): guests are not let in"
            )
        self._attempts.check(address, username)
        async with self._database.reading() as session:
            user = await users.user_named(session, username)
        is_right = await self._passwords.match(password, user.password_hash if user else None)
        self._attempts.check(address, username)  # again, since many guesses may have come at once
        if not is_right or user is None:
            self._attempts.failed(address, username)
            raise NotAuthenticatedError("user name or password is wrong")
        now = _now()
        login = Login(secrets.token_urlsafe(32), Caller(user.name, Role[user.role]), now + SESSION)
        assert login.expires is not None
        async with self._database.writing() as session:
            users.add_session(session, token_hash=_hash(login.token), user_id=user.id, now=now, expires=login.expires)
        return login

    async def log_out(self, request: Request) -> None:
        """End the session of this request; nothing happens without one."""
        token = _token_of(request)
        if token and token != GUEST_TOKEN:
            async with self._database.writing() as session:
                await users.end_session(session, _hash(token))

    async def forget_expired(self) -> None:
        """Remove the sessions that have ended."""
        async with self._database.writing() as session:
            await users.forget_expired(session, _now())

    async def _who_makes(self, request: Request) -> Caller:
        """Who makes this request; whose token is not valid is nobody."""
        if self._settings.open:
            _refuse_strangers(request)
            return Caller("anybody", Role.ADMIN)
        token = _token_of(request)
        if not token:
            return Caller("", Role.NOBODY)
        if token == GUEST_TOKEN:
            return Caller("", Role.NOBODY if self._settings.require_node_token else Role.GUEST)
        async with self._database.reading() as session:
            user = await users.user_of_session(session, _hash(token), _now())
        return Caller(user.name, Role[user.role]) if user else Caller("", Role.NOBODY)

    # --- what rows of the tables name as their access

    def needs(self, right: Right) -> Callable[[Request], Awaitable[None]]:
        """What a row of a table names as its access: a check that the caller has this right.

        The organization is that of the address, if it names one. The caller is found again by `caller_of`.
        """

        async def check(request: Request) -> None:
            _refuse_foreign_pages(request)
            caller = request.state.caller = await self._who_makes(request)
            is_open = right is not Right.SEND or not self._settings.require_node_token or caller.role is not Role.NOBODY
            if is_open and caller.may(right, request.path_params.get("organization")):
                return
            if caller.role is Role.NOBODY:
                raise NotAuthenticatedError("log in first: POST /api/login with the form fields username and password")
            raise ForbiddenError("guests may not do this; log in with a user name (LOOP_USERNAME and LOOP_PASSWORD)")

        return check


def caller_of(request: Request) -> Caller:
    """Who makes this request, in a function behind `Auth.needs`."""
    caller: Caller = request.state.caller
    return caller


def _token_of(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.cookies.get(COOKIE)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC)


def _refuse_foreign_pages(request: Request) -> None:
    """A page of another site, open in somebody's browser, changes nothing here."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        is_foreign = site not in ("same-origin", "none")
    else:
        is_foreign = origin is not None and origin.partition("://")[2] != request.headers.get("host")
    if is_foreign:
        raise ForbiddenError(f"requests from pages of another origin ({origin}) are refused")


def _refuse_strangers(request: Request) -> None:
    """Without login, only this machine may come, and only by its own name: a page elsewhere may have another one."""
    if request.client is not None and not is_loopback(request.client.host):
        raise ForbiddenError("this loop is open without login and answers on its own machine only")
    if not is_loopback(request.url.hostname or ""):
        raise ForbiddenError(f"this loop is open without login; call it localhost, not {request.url.hostname}")


def is_loopback(host: str) -> bool:
    """Whether an address or name surely means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
