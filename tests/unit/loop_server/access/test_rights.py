from __future__ import annotations

from itertools import pairwise

import pytest

from learning_loop_node.loop_server.access.rights import MEMBERS, RIGHTS, Caller, Right, Role

OWN_PROJECT = Caller("robot", Role.USER, {"mine": Role.NODE}, token_id="t", project="demo")


def test_each_role_of_a_member_may_all_that_the_one_before_may():
    for fewer, more in pairwise(MEMBERS):
        assert RIGHTS[fewer] < RIGHTS[more]
    assert RIGHTS[Role.ADMIN] == set(Right)


@pytest.mark.parametrize(
    ("caller", "right", "place", "expected"),
    [
        pytest.param(Caller("", Role.STRANGER), Right.SEND, ("mine", "demo"), False, id="nobody at a closed loop"),
        pytest.param(Caller("", Role.NOBODY), Right.SEND, ("mine", "demo"), True, id="nobody"),
        pytest.param(Caller("a", Role.USER), Right.SEND, ("mine", "demo"), False, id="a user of nothing"),
        pytest.param(Caller("a", Role.USER, {"mine": Role.OWNER}), Right.OWN, ("mine", None), True, id="an owner"),
        pytest.param(Caller("a", Role.USER, {"mine": Role.OWNER}), Right.READ, ("other", "x"), False, id="elsewhere"),
        pytest.param(Caller("a", Role.USER, {"mine": Role.OWNER}), Right.OWN, (None, None), False, id="everywhere"),
        pytest.param(Caller("a", Role.ADMIN), Right.ADMINISTER, (None, None), True, id="an administrator"),
        pytest.param(Caller("a", Role.ADMIN, limit=Role.VIEWER), Right.READ, ("x", "y"), True, id="limited, within"),
        pytest.param(Caller("a", Role.ADMIN, limit=Role.VIEWER), Right.LABEL, ("x", "y"), False, id="limited, beyond"),
        pytest.param(OWN_PROJECT, Right.READ, ("mine", "demo"), True, id="a node"),
        pytest.param(OWN_PROJECT, Right.READ, ("mine", "neighbour"), False, id="a node, in another project"),
        pytest.param(OWN_PROJECT, Right.READ, ("mine", None), False, id="a node, in the organization"),
        pytest.param(OWN_PROJECT, Right.MANAGE, ("mine", "demo"), False, id="a node, beyond its work"),
    ],
)
def test_may(caller: Caller, right: Right, place: tuple[str | None, str | None], expected: bool):
    assert caller.may(right, *place) is expected


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        pytest.param(Caller("", Role.NOBODY), None, id="nobody"),
        pytest.param(Caller("", Role.GUEST), None, id="a guest"),
        pytest.param(
            Caller("admin", Role.USER, {"mine": Role.NODE}, token_id="t"), "admin (node)", id="a node of any name"
        ),
        pytest.param(Caller("a", Role.USER, user_id="1"), "a", id="a user"),
        pytest.param(Caller("a", Role.USER, user_id="1", token_id="t"), "a", id="a user's program"),
        pytest.param(Caller("anybody", Role.ADMIN), "anybody", id="anybody, where no login is needed"),
    ],
)
def test_the_author_of_a_change(caller: Caller, expected: str | None):
    assert caller.author == expected


def test_somewhere_is_where_one_has_a_role():
    assert OWN_PROJECT.may_somewhere(Right.READ)
    assert not OWN_PROJECT.may_somewhere(Right.OWN)
    assert not Caller("a", Role.USER).may_somewhere(Right.READ)
    assert Caller("a", Role.USER).may_somewhere(Right.ASK)
    assert not Caller("a", Role.ADMIN, {"mine": Role.OWNER}, limit=Role.VIEWER).may_somewhere(Right.OWN)


def test_one_knows_of_what_is_one_s_own():
    assert OWN_PROJECT.knows("mine", None)
    assert OWN_PROJECT.knows("mine", "demo")
    assert not OWN_PROJECT.knows("mine", "neighbour")
    assert not OWN_PROJECT.knows("other", "demo")
    assert Caller("a", Role.ADMIN).knows("any", "thing")
