"""What is wrong with a certificate is said, with the setting that helps."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from learning_loop_node.doctor.finding import Level
from learning_loop_node.doctor.tls import check_authority_file, check_certificate, speaks_tls
from tests.tls import Authority, listening

SETTING = "LOOP_SSL_CERT_PATH"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "other")


Make = Callable[[Authority, Authority], ssl.SSLContext]
ALWAYS = ("localhost", "127.0.0.1")


@pytest.mark.parametrize(
    ("make", "level", "found", "remedy"),
    [
        pytest.param(lambda ours, _: ours.issue(*ALWAYS), Level.OK, "for localhost, 127.0.0.1", "", id="accepted"),
        pytest.param(
            lambda ours, _: ours.issue(*ALWAYS, ends_days=3), Level.WARNING, "(2 days)", "renew it", id="ends soon"
        ),
        pytest.param(
            lambda ours, _: ours.issue(*ALWAYS, ends_days=-1), Level.ERROR, "has expired", "renew it", id="expired"
        ),
        pytest.param(
            lambda ours, _: ours.issue(*ALWAYS, begins_days=1), Level.ERROR, "not valid yet", "date", id="not valid yet"
        ),
        pytest.param(
            lambda ours, _: ours.issue("loop.example", "10.0.0.7"),
            Level.ERROR,
            "is for loop.example, 10.0.0.7, not for localhost",
            "LOOP_HOST",
            id="wrong name",
        ),
        pytest.param(lambda _, other: other.issue(*ALWAYS), Level.ERROR, "another authority", SETTING, id="unknown"),
        pytest.param(
            lambda _, other: other.as_certificate_of_a_server(), Level.ERROR, "by itself", SETTING, id="self-signed"
        ),
    ],
)
async def test_certificate(ours: Authority, other: Authority, make: Make, level: Level, found: str, remedy: str):
    async with listening(make(ours, other)) as port:
        verdict = await check_certificate("localhost", port, str(ours.file))
        assert verdict.level == level, verdict
        assert found in verdict.found
        assert remedy in verdict.remedy


async def test_an_authority_that_this_machine_does_not_know(ours: Authority):
    async with listening(ours.issue(*ALWAYS)) as port:
        verdict = await check_certificate("localhost", port, "")
    assert "not known here" in verdict.found
    assert SETTING in verdict.remedy


async def test_an_address_that_the_certificate_does_not_name(ours: Authority):
    async with listening(ours.issue("localhost")) as port:
        verdict = await check_certificate("127.0.0.1", port, str(ours.file))
    assert "is for localhost, not for 127.0.0.1" in verdict.found


async def test_a_server_without_tls(ours: Authority):
    async with listening() as port:
        assert not await speaks_tls("127.0.0.1", port)
        verdict = await check_certificate("127.0.0.1", port, str(ours.file))
    assert verdict.level is Level.ERROR
    assert "begin LOOP_HOST with http://" in verdict.remedy


async def test_whether_it_speaks_tls_does_not_depend_on_the_certificate(other: Authority):
    async with listening(other.issue("elsewhere", ends_days=-1)) as port:
        assert await speaks_tls("127.0.0.1", port)


@pytest.mark.parametrize(
    ("content", "level", "found"),
    [
        pytest.param(None, Level.ERROR, "No such file", id="missing"),
        pytest.param(b"", Level.ERROR, "no certificate", id="empty"),
        pytest.param(b"\x30\x82\x01", Level.ERROR, "no certificate", id="binary"),
    ],
)
async def test_authority_file(tmp_path: Path, content: bytes | None, level: Level, found: str):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    verdict = await check_authority_file(str(file))
    assert verdict.level == level
    assert found in verdict.found


async def test_authority_files_that_can_be_used(ours: Authority):
    assert (await check_authority_file("")).level is Level.OK
    assert (await check_authority_file(str(ours.file))).level is Level.OK
