"""What is said before anything is served."""

from __future__ import annotations

import io
import logging
import socket
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from learning_loop_node.errors import SettingError
from learning_loop_node.loop_server.app import create_app
from learning_loop_node.loop_server.notice import Notice, notice_of
from learning_loop_node.loop_server.serve import Announcement, serve
from learning_loop_node.settings import LoopServerSettings, Settings


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "::", "example.com"])
def test_open_is_refused_where_others_could_come(tmp_path: Path, host: str):
    with pytest.raises(SettingError, match="--open"):
        serve(LoopServerSettings(data_folder=tmp_path, open=True), host=host, port=0)


def test_a_port_in_use_is_named(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingError, match=f"127.0.0.1:{port} .*in use.*--port"):
            serve(LoopServerSettings(data_folder=tmp_path), port=port)


def test_constructing_touches_nothing(tmp_path: Path):
    folder = tmp_path / "not there"
    for settings in (LoopServerSettings(data_folder=folder), Settings()):
        create_app(settings)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("settings", "password", "words", "missing"),
    [
        pytest.param({}, "made", ["admin", "made", "LOOP_REQUIRE_NODE_TOKEN"], [], id="first start"),
        pytest.param({}, None, ["Log in as admin", "LOOP_REQUIRE_NODE_TOKEN"], ["password"], id="later"),
        pytest.param({"require_node_token": True}, None, ["Log in"], ["Warning"], id="closed"),
        pytest.param({"open": True}, None, ["No login is needed"], ["Log in as", "zauberzeug/demo"], id="open"),
        pytest.param({"demo_data": True}, None, ["zauberzeug/demo"], [], id="demo data"),
    ],
)
def test_the_operator_reads_what_matters(
    settings: dict[str, Any], password: str | None, words: list[str], missing: list[str]
):
    group = LoopServerSettings(**settings)
    text = io.StringIO()
    announcement = Announcement("http://x:1", group, Console(file=text, soft_wrap=True))
    announcement.keep(notice_of(group, password))
    announcement.show()
    for word in ["http://x:1", *words]:
        assert word in text.getvalue()
    for word in missing:
        assert word not in text.getvalue()


def test_without_a_console_it_stands_in_the_log(caplog: pytest.LogCaptureFixture, tmp_path: Path):
    announcement = Announcement("http://x:1", LoopServerSettings(data_folder=tmp_path, demo_data=True), None)
    announcement.keep(Notice("admin", "p4ss", "look out"))
    with caplog.at_level(logging.INFO):
        announcement.show()
    assert [record.getMessage() for record in caplog.records] == [
        f"the loop answers at http://x:1 and keeps everything in {tmp_path}",
        "The project zauberzeug/demo has test data for programs of nodes.",
        "log in as admin with p4ss (not shown again)",
        "look out",
    ]
