"""Requests to the loop in the shape that programs for 0.18 to 0.27 use."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

import aiohttp

from ..errors import InvalidRequestError, NodeError
from ..runtime.clock import Clock
from ..runtime.threads import io_bound
from ..settings import LoopSettings, load_settings
from .failures import retry_after_s
from .forms import content_type_of, form_of
from .http import LARGEST_JSON_BYTES, Login, LoopHttp, MakeBody, read_body

logger = logging.getLogger(__name__)

SLEEP_TIME_ON_429 = 5
MAX_RETRIES_ON_429 = 20
LONGEST_WAIT_ON_429_S = 100.0
READY_PROBE_S = 10.0


@dataclass(frozen=True, slots=True)
class LoopResponse:
    """An answer of the loop, whatever its status."""

    status_code: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    @property
    def is_error(self) -> bool:
        return self.status_code >= 400

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """Raises `ValueError` if it is no JSON."""
        return json.loads(self.content)


class LoopCommunicator:
    """The loop of the settings. Answers are returned with whatever status; no answer raises a `LoopError`.

    Requests that need it are logged in; 401 leads to one new login, 429 to a wait, as long as the loop asks for (5 s if
    it does not say), 100 s in all.
    """

    def __init__(self, settings: LoopSettings | None = None, clock: Clock | None = None) -> None:
        settings = settings or load_settings().loop
        self.http = LoopHttp(settings, clock)
        self.host = settings.host
        self.username = settings.username
        self.password = settings.password.get_secret_value()
        self.organization = settings.organization
        self.project = settings.project
        self.ssl_cert_path = settings.ssl_certificate_path
        self.base_url = self.http.origin

    def websocket_url(self) -> str:
        return self.base_url.replace("http", "ws", 1)

    def get_cookies(self) -> dict[str, str]:
        """What the loop gave us at the login."""
        return self.http.cookies

    async def ensure_login(self, relogin: bool = False) -> None:
        """Log in unless that has been done; raises a `LoopError`."""
        await self.http.ensure_login(anew=relogin)

    async def logout(self) -> None:
        await self.http.logout()

    async def shutdown(self) -> None:
        """Close the connections; no request is possible afterwards."""
        await self.http.aclose()

    async def backend_ready(self, timeout: int | None = None) -> bool:
        """Wait until the loop answers; raises `TimeoutError` if that takes longer than `timeout` seconds."""
        clock, began = self.http.clock, self.http.clock.now()
        while True:
            try:
                if (await self.get("/status", requires_login=False)).status_code == HTTPStatus.OK:
                    return True
            except NodeError as error:
                logger.info("the loop is not ready: %s", error)
            if timeout is not None and clock.now() + READY_PROBE_S > began + timeout:
                raise TimeoutError("Backend not ready within timeout")
            await clock.sleep(READY_PROBE_S)

    async def get(
        self, path: str, requires_login: bool = True, api_prefix: str = "/api", timeout: int = 60, **kwargs: Any
    ) -> LoopResponse:
        return await self._ask("GET", path, requires_login, api_prefix, timeout, kwargs)

    async def put(
        self,
        path: str,
        files: Sequence[str] | None = None,
        requires_login: bool = True,
        api_prefix: str = "/api",
        timeout: int = 60,
        **kwargs: Any,
    ) -> LoopResponse:
        """`files` are paths, sent as parts `files`; a missing one is answered by 404 without a request."""
        if files is None:
            return await self._ask("PUT", path, requires_login, api_prefix, timeout, kwargs)
        paths = [Path(file) for file in files]
        for file in paths:
            if not await io_bound(file.is_file):
                logger.error("%s cannot be sent: there is no such file", file)
                return LoopResponse(HTTPStatus.NOT_FOUND, b"File not found")
        with ExitStack() as stack:
            return await self._ask(
                "PUT", path, requires_login, api_prefix, timeout, kwargs, lambda: form_of(paths, stack)
            )

    async def post(
        self, path: str, requires_login: bool = True, api_prefix: str = "/api", timeout: int = 60, **kwargs: Any
    ) -> LoopResponse:
        return await self._ask("POST", path, requires_login, api_prefix, timeout, kwargs)

    async def delete(
        self, path: str, requires_login: bool = True, api_prefix: str = "/api", timeout: int = 60, **kwargs: Any
    ) -> LoopResponse:
        return await self._ask("DELETE", path, requires_login, api_prefix, timeout, kwargs)

    async def _ask(
        self,
        method: str,
        path: str,
        requires_login: bool,
        prefix: str,
        timeout_s: float,
        given: dict[str, Any],
        body: MakeBody | None = None,
    ) -> LoopResponse:
        arguments = _options_of(given) | {"prefix": prefix, "body": body or _body_of(given)}
        login = Login.REQUIRED if requires_login else Login.NONE
        waited_s = 0.0
        for _ in range(MAX_RETRIES_ON_429):
            answer = await self._ask_once(method, path, login, timeout_s, arguments)
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                break
            pause_s = retry_after_s(answer.headers)
            pause_s = SLEEP_TIME_ON_429 if pause_s is None else max(pause_s, 1.0)
            if waited_s + pause_s > LONGEST_WAIT_ON_429_S:
                break
            logger.info("the loop asks to wait %.0f s", pause_s)
            await self.http.clock.sleep(pause_s)
            waited_s += pause_s
        return answer

    async def _ask_once(
        self, method: str, path: str, login: Login, timeout_s: float, arguments: dict[str, Any]
    ) -> LoopResponse:
        async with self.http.exchange(method, path, login=login, timeout_s=timeout_s, **arguments) as answer:
            return LoopResponse(answer.status, await read_body(answer, LARGEST_JSON_BYTES), answer.headers)


def _options_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What aiohttp takes besides the body, from what httpx took."""
    if unknown := arguments.keys() - {"json", "params", "headers", "data", "content", "files"}:
        raise InvalidRequestError(f"not an option of a request: {', '.join(sorted(unknown))}")
    return {name: value for name, value in arguments.items() if name in ("json", "params", "headers")}


def _body_of(arguments: Mapping[str, Any]) -> MakeBody:
    """Makes the body, from what httpx took: `data`, `content`, `files`."""

    async def make() -> Any:
        if files := arguments.get("files"):
            return _form(files, arguments.get("data") or {})
        return arguments.get("content", arguments.get("data"))

    return make


def _form(files: Any, fields: Mapping[str, Any]) -> aiohttp.FormData:
    """A form of `{name: file}` or `[(name, file)]`; a file is its content or (file name, content, content type)."""
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, str(value))
    entries: Iterable[tuple[str, Any]] = files.items() if isinstance(files, Mapping) else files
    for name, file in entries:
        filename, content, *kind = file if isinstance(file, tuple) else (_name_of(file), file)
        form.add_field(name, content, filename=filename, content_type=kind[0] if kind else content_type_of(filename))
    return form


def _name_of(file: bytes | IO[bytes]) -> str:
    return Path(str(getattr(file, "name", "upload"))).name
