from __future__ import annotations

import pytest
from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from learning_loop_node.loop_server.access.passwords import LONGEST, Passwords
from tests.loop import CHEAP


async def test_a_hash_is_as_much_work_as_is_safe():
    used = extract_parameters(await Passwords().hash("secret"))
    assert used.type == RFC_9106_LOW_MEMORY.type
    assert used.memory_cost * used.time_cost >= RFC_9106_LOW_MEMORY.memory_cost * RFC_9106_LOW_MEMORY.time_cost


@pytest.mark.parametrize(
    ("password", "is_right"),
    [
        pytest.param("", False, id="empty"),
        pytest.param("secret", True, id="right"),
        pytest.param("Secret", False, id="wrong"),
        pytest.param("s" * (LONGEST + 1), False, id="too long"),
    ],
)
async def test_which_password_matches(password: str, is_right: bool):
    passwords = Passwords(CHEAP)
    assert await passwords.match(password, await passwords.hash("secret")) is is_right


@pytest.mark.parametrize("password_hash", [None, "no hash"])
async def test_nobody_has_a_password(password_hash: str | None):
    assert not await Passwords(CHEAP).match("secret", password_hash)
