"""A node keeps its id, whatever happened to the file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from learning_loop_node.node.identity import node_uuid

KNOWN = "11111111-1111-4111-8111-111111111111"


def test_made_on_first_use_and_kept(tmp_path):
    folder = tmp_path / "data" / "deep"
    first = node_uuid(folder, "My Node")
    assert UUID(first)
    assert node_uuid(folder, "my_node") == first
    assert node_uuid(folder, "other") != first
    assert json.loads((folder / "uuids.json").read_text())["my_node"] == first


def test_reads_the_file_of_older_versions(tmp_path):
    (tmp_path / "uuids.json").write_text(json.dumps({"my_node": KNOWN}))
    assert node_uuid(tmp_path, "My Node") == KNOWN
    assert [file.name for file in tmp_path.iterdir()] == ["uuids.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"a": 1'])
def test_broken_file_is_kept_aside(tmp_path, content, caplog):
    (tmp_path / "uuids.json").write_bytes(content)
    made = node_uuid(tmp_path, "a")
    assert node_uuid(tmp_path, "a") == made
    assert (tmp_path / "uuids.json.broken").read_bytes() == content
    assert "uuids.json cannot be read and is kept as uuids.json.broken" in caplog.text


def test_broken_entry_costs_itself_only(tmp_path):
    (tmp_path / "uuids.json").write_text(json.dumps({"a": 5, "b": KNOWN, "c": "no uuid"}))
    assert UUID(node_uuid(tmp_path, "a"))
    assert node_uuid(tmp_path, "b") == KNOWN


def test_nodes_that_start_together_do_not_lose_ids(tmp_path):
    names = [f"node {index}" for index in range(20)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda name: node_uuid(tmp_path, name), names))
    assert [node_uuid(tmp_path, name) for name in names] == made
