"""Why a training waits: a sentence for each state in which the connected trainers can be."""

from __future__ import annotations

from typing import Any

import pytest

from learning_loop_node.loop_server.access.rights import Caller, Role
from learning_loop_node.loop_server.dispatch.trainer_choice import Candidate, obstacle, why_waiting
from learning_loop_node.loop_server.nodes import ConnectedNode, NodeKind
from learning_loop_node.loop_server.storage.tables import ProjectRow, TrainingRow

ADMIN = Caller("admin", Role.ADMIN, user_id="1")
STRANGER = Caller("anna", Role.USER, {"o": Role.ANNOTATOR}, "2")
PROJECT = ProjectRow(id="1", organization="o", name="p")


def trainer(
    name: str = "a",
    state: str | None = "idle",
    *,
    variants: tuple[str, ...] = (),
    architecture: str | None = "mocked",
    caller: Caller = ADMIN,
    kind: NodeKind = NodeKind.TRAINER,
    occupation: str | None = None,
    pause_s: float = 0.0,
) -> Candidate:
    node = ConnectedNode(sid=name, kind=kind, caller=caller, id=f"id {name}", name=name)
    offered = [{"name": variant} for variant in variants]
    node.status = {"state": state, "architecture": architecture, "pretrained_models": offered}
    return Candidate(node=node, occupation=occupation, pause_s=pause_s)


def training(**changes: Any) -> TrainingRow:
    return TrainingRow(id="t", **{"model_variant": "x"} | changes)


OLD = NodeKind.LEGACY
LOGIN = "no connected trainer's login may manage this project"


@pytest.mark.parametrize(
    ("candidates", "wanted", "expected"),
    [
        pytest.param([], {}, "no trainer is connected", id="nobody"),
        pytest.param([trainer(caller=STRANGER)], {}, LOGIN, id="login"),
        pytest.param(
            [trainer(variants=("small", "medium")), trainer("b", variants=("large",))],
            {},
            "no trainer that is connected offers the variant 'x'; there are: a (small, medium), b (large)",
            id="variant",
        ),
        pytest.param(
            [trainer(variants=("small",)), trainer("b", variants=("x",), caller=STRANGER)],
            {},
            "no trainer that is connected offers the variant 'x'; there are: a (small)",
            id="who may not is not named",
        ),
        pytest.param(
            [trainer(), trainer("b", architecture=None)],
            {"architecture": "yolo"},
            "no trainer that is connected has the architecture 'yolo'; there are: a (mocked), b (without one)",
            id="architecture",
        ),
        pytest.param(
            [trainer(variants=("small",)), trainer("b", architecture="yolo", variants=("x",))],
            {"architecture": "mocked"},
            "no trainer of the architecture 'mocked' that is connected offers the variant 'x'; there are: a (small)",
            id="variant of an architecture",
        ),
        pytest.param(
            [trainer(variants=("small",)), trainer("b", variants=("x",))],
            {"wanted_trainer": "id a"},
            "trainer a does not offer the variant 'x', but small",
            id="variant of the trainer that is wanted",
        ),
        pytest.param(
            [trainer(), trainer("b")],
            {"wanted_trainer": "id c"},
            "trainer id c, which it is for, is not connected; there are: a (id a), b (id b)",
            id="another trainer is wanted",
        ),
        pytest.param(
            [], {"wanted_trainer": "id c"}, "no trainer is connected", id="a trainer is wanted, nobody is there"
        ),
        pytest.param(
            [trainer(), trainer("c", caller=STRANGER)],
            {"wanted_trainer": "id c"},
            "the login of trainer id c may not manage this project",
            id="login of the trainer that is wanted",
        ),
        pytest.param(
            [trainer()],
            {"wanted_trainer": "id a", "architecture": "yolo"},
            "trainer a has the architecture 'mocked', not 'yolo'",
            id="the trainer that is wanted has another architecture",
        ),
        pytest.param(
            [trainer(variants=("x",), state="blocked")],
            {},
            "trainer a is blocked: another process has its GPU",
            id="blocked",
        ),
        pytest.param([trainer(occupation="training 3")], {}, "trainer a is busy with training 3", id="busy"),
        pytest.param([trainer(state="running")], {}, "trainer a is not idle but running", id="busy with something"),
        pytest.param([trainer(pause_s=19.2)], {}, "trainer a refused it; it is asked again in 20 s", id="refused"),
        pytest.param(
            [trainer(occupation="training 3"), trainer("b", state="blocked"), trainer("c", variants=("small",))],
            {},
            "trainer a is busy with training 3; trainer b is blocked: another process has its GPU",
            id="only those that could are named",
        ),
        pytest.param(
            [trainer(str(number), state="blocked") for number in range(7)],
            {},
            "; ".join(f"trainer {number} is blocked: another process has its GPU" for number in range(5))
            + "; and 2 more",
            id="many",
        ),
        pytest.param(
            [trainer(kind=OLD)],
            {},
            "trainer a is one of 0.3.2, which is given a training that names it and a base model",
            id="only old ones",
        ),
        pytest.param(
            [trainer(kind=OLD), trainer("b", variants=("small",))],
            {},
            "no trainer that is connected offers the variant 'x'; there are: b (small)",
            id="an old one beside others",
        ),
        pytest.param(
            [trainer(state="blocked"), trainer("b", variants=("x",))],
            {},
            "trainer b is idle, and is asked next",
            id="one is free",
        ),
    ],
)
def test_why_a_training_waits(candidates: list[Candidate], wanted: dict[str, Any], expected: str):
    assert why_waiting(candidates, training(**wanted), PROJECT) == expected


@pytest.mark.parametrize(
    ("candidate", "wanted"),
    [
        pytest.param(trainer(), {}, id="it does not say which variants"),
        pytest.param(trainer(variants=("x", "y")), {}, id="variant"),
        pytest.param(trainer(variants=("x",)), {"architecture": "mocked"}, id="architecture"),
        pytest.param(trainer(), {"wanted_trainer": "id a"}, id="the one that is wanted does not say which variants"),
        pytest.param(trainer(kind=OLD), {"wanted_trainer": "id a", "base_model_id": "m"}, id="old, with all it needs"),
        pytest.param(trainer(pause_s=-3), {}, id="its pause is over"),
    ],
)
def test_who_fits_is_kept_by_nothing(candidate: Candidate, wanted: dict[str, Any]):
    assert obstacle(candidate, training(**wanted), PROJECT) is None
