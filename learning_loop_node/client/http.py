"""Requests to the loop: one session, login when needed, failures as our own errors."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum, auto
from typing import Any

import aiohttp
from yarl import URL

from ..data_classes import codec
from ..errors import (
    InvalidDataError,
    LoginRefusedError,
    LoopError,
    SettingError,
    TooLargeError,
)
from ..runtime.clock import Clock, SystemClock
from ..runtime.threads import io_bound
from ..settings import LoopSettings
from .failures import FOREIGN, error_of_answer, error_of_exception, retry_after_s

logger = logging.getLogger(__name__)

SECURE_HOST = "learning-loop.ai"
CONNECT_S = 20.0
KEEP_ALIVE_S = 4.0
"""Idle connections are closed before a usual server does so (5 s), else a request could meet one that just ended."""

MakeBody = Callable[[], Awaitable[Any]]

LARGEST_JSON_BYTES = 256 * 2**20
LARGEST_ERROR_BYTES = 2**20


class Login(Enum):
    """Whether a request needs a login: always, only if a user name is set, or never."""

    REQUIRED = auto()
    IF_GIVEN = auto()
    NONE = auto()


class LoopHttp:
    """The connection of one process to its loop. Paths are given without `/api`.

    With `LOOP_TOKEN` every request carries it, and there is no login, even if there is a user name as well.

    Everything that fails raises a `NodeError`: `LoopUnreachableError` or `TransferBrokenError` for trouble on the way,
    the error that our own loop names, or `LoopRefusedError` with the text of any other one.
    """

    def __init__(self, settings: LoopSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.origin = origin_of(settings.host)
        self.base_url = f"{self.origin}/api"
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False
        self._opening = asyncio.Lock()
        self._login = asyncio.Lock()
        self._login_count = 0
        self._is_logged_in = False
        self._has_warned = False

    async def __aenter__(self) -> LoopHttp:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def open(self) -> None:
        """Make the session, without a request. Not needed at first, since a request does it; needed after a close."""
        self._is_closed = False
        await self._open_session()

    async def session(self) -> aiohttp.ClientSession:
        """The session with its cookies, certificate and token, for what is no request; it stays ours."""
        return await self._open_session()

    async def aclose(self) -> None:
        """Close the connections; no request is possible afterwards, unless it is opened again."""
        self._is_closed, self._is_logged_in = True, False
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @property
    def cookies(self) -> dict[str, str]:
        """What the loop gave us at the login; sent with the Socket.IO connection, too."""
        if self._session is None:
            return {}
        cookies = self._session.cookie_jar.filter_cookies(URL(self.origin))
        return {name: morsel.value for name, morsel in cookies.items()}

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        login: Login = Login.REQUIRED,
        timeout_s: float = 60,
        stall_s: float | None = None,
        body: MakeBody | None = None,
        **arguments: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, its body unread; `arguments` are those of aiohttp.

        With `stall_s` the whole may take as long as it wants, if only something arrives within that time. A 401 is
        answered by one new login and one repetition. An error status, or a redirection, is raised as an error. `body`
        makes what is sent, anew for each try: aiohttp closes the files that it has sent.
        """
        async with self.exchange(
            method, path, login=login, timeout_s=timeout_s, stall_s=stall_s, body=body, **arguments
        ) as answer:
            if answer.status >= 300:
                raise await _error_of(answer, self._where(method, path))
            yield answer

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        *,
        login: Login = Login.REQUIRED,
        timeout_s: float = 60,
        stall_s: float | None = None,
        prefix: str = "/api",
        body: MakeBody | None = None,
        **arguments: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Like `request`, with whatever status the answer has."""
        where = self._where(method, path, prefix)
        options: dict[str, Any] = {"timeout": timeout_of(timeout_s, stall_s), "allow_redirects": False} | arguments
        async with AsyncExitStack() as stack:
            try:
                answer = await self._send(stack, method, self.origin + prefix + path, login, body, options)
            except FOREIGN as error:
                raise error_of_exception(error, where) from error
            try:
                yield answer
            except (aiohttp.ClientError, TimeoutError) as error:
                raise error_of_exception(error, where) from error

    async def json(self, method: str, path: str, **arguments: Any) -> Any:
        """What the answer to a request says, as plain dictionaries and lists; None if it is empty."""
        async with self.request(method, path, **arguments) as answer:
            body = await read_body(answer, LARGEST_JSON_BYTES)
            try:
                return codec.from_json(body) if body.strip() else None
            except InvalidDataError as error:
                raise LoopError(
                    f"{self.base_url}{path} answered with {answer.content_type} that is no JSON; is LOOP_HOST right?"
                ) from error

    async def ensure_login(self, *, anew: bool = False) -> None:
        """Log in unless that has been done; concurrent callers share one login. `LoginRefusedError` if not accepted."""
        await self._log_in(self._login_count if anew else None)

    async def logout(self) -> None:
        """End the session at the loop."""
        async with self.request("POST", "/logout", login=Login.NONE):
            pass
        self._is_logged_in = False
        if self._session is not None:
            self._session.cookie_jar.clear()

    async def _send(
        self,
        stack: AsyncExitStack,
        method: str,
        url: str,
        login: Login,
        body: MakeBody | None,
        options: dict[str, Any],
    ) -> aiohttp.ClientResponse:
        async def send() -> aiohttp.ClientResponse:
            made = {"data": await body()} if body is not None else {}
            return await stack.enter_async_context(session.request(method, url, **options, **made))

        session = await self._open_session()
        needs_login = not self._token and (
            login is Login.REQUIRED or (login is Login.IF_GIVEN and bool(self.settings.username))
        )
        if needs_login:
            await self._log_in()
        count = self._login_count
        answer = await send()
        if answer.status != 401 or not needs_login:
            return answer
        answer.release()
        await self._log_in(count)
        return await send()

    async def _log_in(self, refused: int | None = None) -> None:
        """Log in if nobody has yet; `refused` is the number of the login that the loop no longer accepts."""
        if self._token or (self._is_logged_in and refused is None):
            return
        async with self._login:
            if self._is_logged_in and refused != self._login_count:
                return
            await self._post_login()
            self._login_count += 1
            self._is_logged_in = True

    async def _post_login(self) -> None:
        self._warn_if_readable()
        self._is_logged_in = False
        session = await self._open_session()
        session.cookie_jar.clear()
        form = {"username": self.settings.username, "password": self.settings.password.get_secret_value()}
        where = self._where("POST", "/login")
        try:
            async with session.post(
                f"{self.base_url}/login", data=form, timeout=timeout_of(60), allow_redirects=False
            ) as answer:
                if answer.status == 200:
                    return
                refusal = await _error_of(answer, where)
                pause_s = retry_after_s(answer.headers)
        except FOREIGN as error:
            raise error_of_exception(error, where) from error
        if answer.status in (400, 401, 403, 422):
            name = self.settings.username
            raise LoginRefusedError(
                f"{self.base_url} did not accept the user {name!r} ({refusal}); check LOOP_USERNAME and LOOP_PASSWORD"
                if name
                else f"{self.base_url} did not let us in without a login ({refusal}); "
                "set LOOP_TOKEN, or LOOP_USERNAME and LOOP_PASSWORD",
                status=answer.status,
                retry_after_s=pause_s,
            ) from refusal
        raise refusal

    def _where(self, method: str, path: str, prefix: str = "/api") -> str:
        return f"the loop at {self._address} (LOOP_HOST) for {method} {prefix}{path}"

    @property
    def _token(self) -> str:
        return self.settings.token.get_secret_value().strip()

    @property
    def _address(self) -> str:
        return self.origin if self.origin.startswith("https:") else self.origin.removeprefix("http://")

    def _warn_if_readable(self) -> None:
        if self._has_warned or not (self._token or self.settings.password.get_secret_value()):
            return
        if self.base_url.startswith("http:") and not is_loopback_host(URL(self.base_url).host or ""):
            self._has_warned = True
            logger.warning(
                "the %s goes to %s unencrypted; begin LOOP_HOST with https:// if the loop offers that",
                "token" if self._token else "password",
                self.origin,
            )

    async def _open_session(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise RuntimeError("the connection to the loop is closed; make a new one")
        async with self._opening:
            if self._session is None:
                headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
                self._session = await _new_session(self.origin, self.settings.ssl_certificate_path, headers)
                self._warn_if_readable()
            return self._session


def origin_of(host: str) -> str:
    """Scheme and host of the loop: `https` if the host says so or is the public one, else `http`."""
    scheme, separator, rest = host.strip().rpartition("://")
    if not separator:
        scheme = "https" if SECURE_HOST in rest else "http"
    origin = web_origin(f"{scheme}://{rest.rstrip('/')}")
    if origin is None:
        if "@" in host:
            raise SettingError("LOOP_HOST must not contain a login; use LOOP_USERNAME and LOOP_PASSWORD")
        raise SettingError(f"LOOP_HOST={host}: must be a host name, with `:port` if needed, such as 127.0.0.1:8000")
    return origin


def web_origin(address: str) -> str | None:
    """Scheme, host and port of an address and nothing else; None if it has more, or less."""
    try:
        url = URL(address)
        is_complete = url.scheme in ("http", "https") and url.port is not None
    except ValueError:
        return None
    is_name = re.fullmatch(r"[\w.:-]+", url.host or "") is not None
    return str(url.origin()) if is_complete and is_name and not url.user and url.path == "/" else None


def timeout_of(timeout_s: float | None, stall_s: float | None = None) -> aiohttp.ClientTimeout:
    """A limit for the whole request or, with `stall_s`, for the time in which nothing arrives."""
    if stall_s is not None:
        return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=stall_s)
    return aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S)


async def read_body(answer: aiohttp.ClientResponse, largest_bytes: int) -> bytes:
    """The body, if it is not larger than that; else `TooLargeError`, without reading it to its end."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > largest_bytes:
            raise TooLargeError(f"the answer of {answer.url.path} is larger than {largest_bytes} bytes")
    return bytes(body)


async def _error_of(answer: aiohttp.ClientResponse, where: str) -> Exception:
    if answer.status < 400:
        place = answer.headers.get("Location", "another place")
        return error_of_answer(answer.status, {}, f"{where} sends us to {place}; adapt LOOP_HOST".encode())
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk[: LARGEST_ERROR_BYTES - len(body)]
        if len(body) >= LARGEST_ERROR_BYTES:
            break
    return error_of_answer(answer.status, answer.headers, bytes(body))


async def _new_session(origin: str, certificate_path: str, headers: Mapping[str, str]) -> aiohttp.ClientSession:
    context: ssl.SSLContext | bool = True
    if origin.startswith("https:") and certificate_path:
        try:
            context = await io_bound(ssl.create_default_context, cafile=certificate_path)
        except OSError as error:
            raise SettingError(f"LOOP_SSL_CERT_PATH={certificate_path} cannot be used: {error}") from error
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, keepalive_timeout=KEEP_ALIVE_S),
        headers=headers,
        cookie_jar=aiohttp.CookieJar(unsafe=True),  # also for hosts given as an address
        json_serialize=lambda value: codec.to_json(value).decode(),
    )


def is_loopback_host(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
