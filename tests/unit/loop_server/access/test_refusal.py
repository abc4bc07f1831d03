"""What somebody without a right is told."""

from __future__ import annotations

import pytest

from learning_loop_node.loop_server.access.auth import refusal
from learning_loop_node.loop_server.access.rights import Caller, Right, Role

ANNOTATOR = Caller("anna", Role.USER, {"zauberzeug": Role.ANNOTATOR}, user_id="1")
LIMITED = Caller("anna", Role.ADMIN, {"zauberzeug": Role.OWNER}, user_id="1", limit=Role.VIEWER)


@pytest.mark.parametrize(
    ("caller", "right", "organization", "remedy"),
    [
        (ANNOTATOR, Right.MANAGE, "zauberzeug", "it takes the role maintainer in zauberzeug"),
        (ANNOTATOR, Right.OWN, None, "it takes the role owner in an organization"),
        (ANNOTATOR, Right.ADMINISTER, None, "it takes an administrator of the loop"),
        (LIMITED, Right.LABEL, "zauberzeug", "the token is limited to the role viewer, take another one"),
        (ANNOTATOR, Right.READ, "other", "an administrator makes one with its first project"),
    ],
)
def test_a_refusal_names_what_is_missing(caller: Caller, right: Right, organization: str | None, remedy: str):
    assert str(refusal(caller, right, organization)).endswith(remedy)
