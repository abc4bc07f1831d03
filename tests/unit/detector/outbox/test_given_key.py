"""A key that a client gave is for one image."""

from __future__ import annotations

import asyncio

import pytest

from learning_loop_node.detector.outbox.given_key import checked_key, given_key, take_given_key
from learning_loop_node.errors import InvalidRequestError


def test_none_is_given():
    assert take_given_key() is None
    with given_key(None):
        assert take_given_key() is None


def test_the_first_image_gets_it():
    with given_key("mine"):
        assert [take_given_key(), take_given_key()] == ["mine", None]
    with given_key("mine"):
        pass
    assert take_given_key() is None


async def test_requests_do_not_mix():
    async def save(key: str) -> str | None:
        with given_key(key):
            await asyncio.sleep(0)
            return take_given_key()

    assert await asyncio.gather(*map(save, "abc")) == list("abc")


@pytest.mark.parametrize(
    ("key", "count", "text"),
    [
        pytest.param("a", 2, "for one image", id="two images"),
        pytest.param("a\r\nb", 1, "visible ASCII", id="line break"),
        pytest.param("ü", 1, "visible ASCII", id="not ASCII"),
        pytest.param("a" * 256, 1, "1 to 255", id="too long"),
    ],
)
def test_what_is_no_key(key: str, count: int, text: str):
    with pytest.raises(InvalidRequestError, match=text):
        checked_key(key, count)


def test_keys():
    assert checked_key(None, 2) is None
    assert checked_key("a" * 255, 1) == "a" * 255
