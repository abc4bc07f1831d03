"""Names become parts of addresses and of folders on nodes."""

from __future__ import annotations

import pytest

from learning_loop_node.errors import InvalidRequestError
from learning_loop_node.loop_server.names import (
    check_format,
    check_name,
    check_version,
    next_version,
    order_of_version,
)


@pytest.mark.parametrize("name", ["a", "demo", "Pytest_1.2-x", "0", "a" * 64])
def test_good_names(name: str):
    assert check_name("project_id", name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "ä", "a" * 65, "generator"])
def test_bad_names(name: str):
    with pytest.raises(InvalidRequestError, match="project_id"):
        check_name("project_id", name)


@pytest.mark.parametrize("value", ["", "a.b", "a/b", "..", "a b"])
def test_bad_formats(value: str):
    with pytest.raises(InvalidRequestError, match="format"):
        check_format(value)


@pytest.mark.parametrize("value", ["0", "1.0", "10.20.30.40"])
def test_good_versions(value: str):
    assert check_version(value) == value


@pytest.mark.parametrize("value", ["", "1.", ".1", "01", "1.00", "v1", "1.0a", "1 ", "1.2.3.4.5", "1" * 20, "٣", "1٣"])
def test_bad_versions(value: str):
    with pytest.raises(InvalidRequestError, match="version"):
        check_version(value)


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        pytest.param([], "1.0", id="first"),
        pytest.param(["1.0"], "1.1", id="second"),
        pytest.param(["1.9"], "1.10", id="numbers, not digits"),
        pytest.param(["1.10", "1.9"], "1.11", id="highest, not last"),
        pytest.param(["3"], "3.1", id="one number"),
        pytest.param(["1.2.5", "1.2"], "1.3", id="three numbers"),
    ],
)
def test_next_version(versions: list[str], expected: str):
    assert next_version(versions) == expected
    assert all(order_of_version(expected) > order_of_version(version) for version in versions)
