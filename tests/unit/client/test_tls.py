"""Who is trusted, with certificates that are made for the test."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from learning_loop_node.client.http import Login, LoopHttp
from learning_loop_node.errors import LoopUnreachableError, SettingError
from learning_loop_node.settings import LoopSettings
from tests.stand_in import StandIn, stand_in

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost`, its own authority, in one file with its key."""
    folder = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", "subjectAltName=DNS:localhost"], cwd=folder, check=True, capture_output=True)
    file = folder / "both.pem"
    file.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return file


@pytest.fixture
async def server(certificate: Path) -> AsyncIterator[StandIn]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with stand_in(context) as fake:
        fake.on("GET /api/status", web.json_response({}))
        yield fake


def settings_for(server: StandIn, name: str, authority: str = "") -> LoopSettings:
    port = server.host.rpartition(":")[2]
    return LoopSettings(host=f"https://{name}:{port}", ssl_certificate_path=authority)


async def test_the_authority_of_the_settings_is_trusted(server: StandIn, certificate: Path) -> None:
    async with LoopHttp(settings_for(server, "localhost", str(certificate))) as http:
        assert await http.json("GET", "/status", login=Login.NONE) == {}


async def test_an_unknown_authority_is_not(server: StandIn) -> None:
    async with LoopHttp(settings_for(server, "localhost")) as http:
        with pytest.raises(LoopUnreachableError, match=r"certificate .* is not accepted .* LOOP_SSL_CERT_PATH"):
            await http.json("GET", "/status", login=Login.NONE)


async def test_another_host_name_is_not(server: StandIn, certificate: Path) -> None:
    async with LoopHttp(settings_for(server, "127.0.0.1", str(certificate))) as http:
        with pytest.raises(LoopUnreachableError, match="is not accepted"):
            await http.json("GET", "/status", login=Login.NONE)


async def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    http = LoopHttp(LoopSettings(host="https://localhost:1", ssl_certificate_path=str(tmp_path / "ca.pem")))
    with pytest.raises(SettingError, match="LOOP_SSL_CERT_PATH"):
        await http.open()
    await http.aclose()
