"""Which trainer gets a training and when it is asked again, by a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from learning_loop_node.enums import TrainingState
from learning_loop_node.errors import RefusedError
from learning_loop_node.loop_server.access.rights import Caller, Role
from learning_loop_node.loop_server.changes import Changes
from learning_loop_node.loop_server.dispatch.commands import GONE_S
from learning_loop_node.loop_server.dispatch.dispatch import Dispatch
from learning_loop_node.loop_server.dispatch.following import IDLE_TIMES
from learning_loop_node.loop_server.dispatch.offers import FIRST_PAUSE_S, LONGEST_PAUSE_S
from learning_loop_node.loop_server.dispatch.works import COMMAND_S
from learning_loop_node.loop_server.nodes import ConnectedNode, NodeKind, Nodes
from learning_loop_node.loop_server.storage import projects, trainings
from learning_loop_node.loop_server.storage.database import Database, sqlite_url
from learning_loop_node.loop_server.storage.tables import ModelFormatRow, ModelRow, ProjectRow, TrainingRow
from tests.clock import ManualClock
from tests.polling import until

TAKEN = {"success": True, "error_msg": None, "payload": None}
REFUSED = {"success": False, "error_msg": "busy", "payload": "refused"}
HERE = {"organization": "o", "project": "p"}
ADMIN = Caller("admin", Role.ADMIN, user_id="1")


@dataclass
class Wires:
    """In place of a Socket.IO server: keeps what is sent, and acknowledges it as the test says."""

    answers: dict[str, Any] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)

    async def emit(self, event: str, data: Any, *, to: str, callback: Callable[..., None] | None = None) -> None:
        self.sent.append((to, event))
        answer = self.answers.get(event, TAKEN)
        if callback is not None and answer is not ...:
            callback(answer)

    def count(self, event: str, to: str = "sid a") -> int:
        return self.sent.count((to, event))


@dataclass
class Place:
    """A dispatch with a database of its own, nodes that the test connects, and one project."""

    database: Database
    nodes: Nodes
    wires: Wires
    clock: ManualClock
    dispatch: Dispatch
    project: ProjectRow
    models: list[str]

    def connect(self, id_: str = "a", *, caller: Caller = ADMIN, sid: str | None = None) -> ConnectedNode:
        node = ConnectedNode(sid=sid or f"sid {id_}", kind=NodeKind.TRAINER, caller=caller, id=id_, name=id_.upper())
        self.nodes.arrived(node)
        return node

    async def say(self, node: ConnectedNode, state: str, **changes: Any) -> None:
        context = None if state in ("idle", "blocked") else HERE
        node.status = {"state": state, "architecture": "mocked", "context": context} | changes
        await self.dispatch.following.heard(node)

    async def queue(self, **changes: Any) -> TrainingRow:
        values: dict[str, Any] = {
            "id": str(uuid4()),
            "project_id": self.project.id,
            "state": TrainingState.Queued,
            "model_variant": "small",
            "hyperparameters": {},
            "categories": [],
            "created": datetime.now(UTC),
            "errors": {},
            "refusals": 0,
            "log_bytes": 0,
        }
        row = TrainingRow(**values | changes)
        async with self.database.writing() as session:
            await trainings.add(session, row)
        return row

    async def row(self, number: int = 1) -> TrainingRow:
        async with self.database.reading() as session:
            return await trainings.numbered(session, self.project.id, number)

    async def becomes(self, state: TrainingState, number: int = 1) -> TrainingRow:
        async def is_so() -> bool:
            return (await self.row(number)).state == state

        await until(is_so)
        return await self.row(number)

    async def started(self, node: ConnectedNode) -> TrainingRow:
        """A training on which this trainer works."""
        row = await self.queue()
        await self.say(node, "idle")
        await self.dispatch.look()
        await self.becomes(TrainingState.Running, row.number)
        await self.say(node, "running")
        return row


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    database = Database(sqlite_url(tmp_path))
    await database.open()
    async with database.writing() as session:
        project = await projects.add_project(session, "o", "p")
    wires, clock, models = Wires(), ManualClock(), list[str]()
    nodes = Nodes(wires)

    async def note(_project: ProjectRow, model: ModelRow) -> None:
        models.append(model.version)

    dispatch = Dispatch(database, nodes, Changes(), on_model=note, clock=clock)
    await dispatch.open()
    yield Place(database, nodes, wires, clock, dispatch, project, models)
    await dispatch.aclose()
    await database.aclose()


async def test_without_trainers_nothing_happens(place: Place):
    await place.queue()
    await place.dispatch.look()
    assert (await place.row()).state == TrainingState.Queued
    assert place.wires.sent == []


async def test_who_has_a_training_gets_no_second_one(place: Place):
    await place.started(place.connect())
    await place.queue()
    await place.dispatch.look()
    assert place.wires.count("begin_training") == 1


async def test_after_each_refusal_a_trainer_is_left_alone_for_longer(place: Place):
    place.wires.answers["begin_training"] = REFUSED
    node = place.connect()
    await place.queue()
    await place.say(node, "idle")
    pause_s = FIRST_PAUSE_S
    for times in range(1, 9):
        await place.dispatch.look()
        await until(lambda times=times: place.wires.count("begin_training") == times)  # type: ignore[misc]
        await place.becomes(TrainingState.Queued)
        place.clock.advance(pause_s - 0.1)
        await place.dispatch.look()
        assert place.wires.count("begin_training") == times
        place.clock.advance(0.2)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    assert pause_s == LONGEST_PAUSE_S
    assert (await place.row()).refusals == 8


async def test_a_refusal_keeps_no_other_training_from_the_trainer(place: Place):
    place.wires.answers["begin_training"] = REFUSED
    node = place.connect()
    await place.queue()
    await place.say(node, "idle")
    await place.dispatch.look()
    await until(lambda: place.wires.count("begin_training") == 1)
    await place.becomes(TrainingState.Queued)
    place.wires.answers["begin_training"] = TAKEN
    await place.queue()
    await place.dispatch.look()
    await place.becomes(TrainingState.Running, 2)
    assert (await place.row(1)).state == TrainingState.Queued


async def test_while_the_answer_to_an_offer_is_awaited_idle_means_nothing(place: Place):
    place.wires.answers["begin_training"] = ...
    node = place.connect()
    await place.queue()
    await place.say(node, "idle")
    await place.dispatch.look()
    for _ in range(IDLE_TIMES + 2):
        await place.say(node, "idle")
    await place.dispatch.look()
    assert (await place.row()).state == TrainingState.Starting
    assert place.wires.count("begin_training") == 1


async def test_abort_is_repeated_until_the_trainer_is_idle(place: Place):
    node = place.connect()
    place.wires.answers["abort_training"] = ...
    await place.started(node)
    await place.dispatch.commands.abort(place.project, 1)
    for times in (1, 2, 3):
        await place.dispatch.look()
        await until(lambda times=times: place.wires.count("abort_training") == times)  # type: ignore[misc]
        place.clock.advance(COMMAND_S - 0.1)
        await place.dispatch.look()
        assert place.wires.count("abort_training") == times, "not at every look"
        place.clock.advance(0.2)
    await place.say(node, "idle")
    assert (await place.row()).state == TrainingState.Aborted


async def test_who_is_to_abort_and_is_away_is_waited_for_a_minute(place: Place):
    node = place.connect()
    await place.started(node)
    await place.dispatch.commands.abort(place.project, 1)
    place.nodes.left(node.sid)
    await place.dispatch.look()
    place.clock.advance(GONE_S - 0.1)
    await place.dispatch.look()
    assert (await place.row()).state == TrainingState.Aborting
    place.clock.advance(0.2)
    await place.dispatch.look()
    assert (await place.row()).state == TrainingState.Aborted


async def test_who_is_to_stop_and_is_away_goes_on(place: Place):
    node = place.connect()
    await place.started(node)
    await place.dispatch.commands.stop(place.project, 1)
    place.nodes.left(node.sid)
    await place.dispatch.look()
    place.clock.advance(10 * GONE_S)
    await place.dispatch.look()
    assert (await place.row()).state == TrainingState.Stopping
    node = place.connect(sid="anew")
    await place.say(node, "running")
    await place.dispatch.look()
    await until(lambda: place.wires.count("stop_training", "anew") == 1)


@pytest.mark.parametrize("state", ["training_finished", "train_model_uploading", "detecting", "ready_for_cleanup"])
async def test_what_has_trained_already_cannot_be_stopped(place: Place, state: str):
    node = place.connect()
    await place.started(node)
    await place.say(node, state, errors={"detecting": "no room"})
    with pytest.raises(RefusedError, match=f"too late to stop it: its trainer says {state}.*trainings abort 1` ends"):
        await place.dispatch.commands.stop(place.project, 1)
    assert (await place.row()).state == TrainingState.Running


async def test_a_stop_is_kept_until_the_trainer_trains_and_may_be_asked_for_again_afterwards(place: Place):
    node = place.connect()
    await place.started(node)
    await place.say(node, "data_downloading")
    await place.dispatch.commands.stop(place.project, 1)
    await place.dispatch.look()
    assert place.wires.count("stop_training") == 0
    await place.say(node, "running")
    await place.dispatch.look()
    await until(lambda: place.wires.count("stop_training") == 1)
    await place.say(node, "detecting")
    await place.dispatch.commands.stop(place.project, 1)
    assert (await place.row()).state == TrainingState.Stopping


@pytest.mark.parametrize(("action", "event"), [("stop", "stop_training"), ("abort", "abort_training")])
async def test_what_was_sent_over_a_connection_that_ended_is_sent_again_at_once(place: Place, action: str, event: str):
    node = place.connect()
    place.wires.answers[event] = ...
    await place.started(node)
    await getattr(place.dispatch.commands, action)(place.project, 1)
    await place.dispatch.look()
    await until(lambda: place.wires.count(event) == 1)
    place.nodes.left(node.sid)
    node = place.connect(sid="anew")
    await place.dispatch.look()
    assert place.wires.count(event, "anew") == 0, "it has not said yet what it does"
    await place.say(node, "running")
    await place.dispatch.look()
    await until(lambda: place.wires.count(event, "anew") == 1)
    await place.dispatch.look()
    assert place.wires.count(event, "anew") == 1


async def test_abort_while_an_offer_is_on_its_way(place: Place):
    place.wires.answers["begin_training"] = ...
    node = place.connect()
    await place.queue()
    await place.say(node, "idle")
    await place.dispatch.look()
    await place.dispatch.commands.abort(place.project, 1)
    await place.dispatch.look()
    assert place.wires.count("abort_training") == 0, "it may not have it yet"
    place.nodes.left(node.sid)
    node = place.connect(sid="anew")
    await asyncio.sleep(0)
    await place.say(node, "initialized")
    await place.dispatch.look()
    await until(lambda: place.wires.count("abort_training", "anew") == 1)


async def test_a_trainer_that_works_elsewhere_does_not_have_it(place: Place):
    node = place.connect()
    await place.started(node)
    place.nodes.left(node.sid)
    node = place.connect(sid="anew")
    elsewhere = {"organization": "o", "project": "other"}
    for _ in range(IDLE_TIMES):
        await place.say(node, "running", context=elsewhere)
    row = await place.row()
    assert (row.state, "lost it" in (row.error or "")) == (TrainingState.Failed, True)


async def test_a_trainer_without_the_right_is_offered_nothing(place: Place):
    node = place.connect(caller=Caller("anna", Role.USER, {"o": Role.ANNOTATOR}, "2"))
    await place.queue()
    await place.say(node, "idle")
    await place.dispatch.look()
    assert place.wires.sent == []


async def test_a_trainer_that_knows_the_variant_comes_first(place: Place):
    row = await place.queue(model_variant="large", architecture="mocked")
    for id_, variants in (("a", []), ("b", ["large"]), ("c", ["large"])):
        node = place.connect(id_)
        offered = [{"name": variant} for variant in variants]
        node.status = {"state": "idle", "architecture": "mocked", "pretrained_models": offered}
    await place.dispatch.look()
    await place.becomes(TrainingState.Running, row.number)
    assert (await place.row()).trainer_id == "b"


async def test_who_waits_for_a_trainer_hears_that_its_training_is_in_trouble(place: Place):
    node = place.connect()
    await place.started(node)
    row = await place.queue()
    await place.say(node, "running", errors={"categories": "no annotation of eye"})
    assert place.dispatch.offers.waiting_for(row, place.project) == "trainer A is busy with training 1"
    await place.say(node, "running", errors={"detecting": "no room"})
    told = place.dispatch.offers.waiting_for(row, place.project)
    assert told == "trainer A is busy with training 1, which tells of an error"


@pytest.mark.parametrize("wanted", [{}, {"wanted_trainer": "a"}, {"architecture": "mocked"}], ids=str)
async def test_a_variant_that_no_trainer_offers_waits_also_for_a_certain_trainer(place: Place, wanted: dict[str, str]):
    row = await place.queue(model_variant="gray", **wanted)
    node = place.connect()
    await place.say(node, "idle", pretrained_models=[{"name": "grey"}])
    await place.dispatch.look()
    assert place.wires.sent == []
    assert "the variant 'gray'" in place.dispatch.offers.waiting_for(row, place.project)
    await place.say(node, "idle", pretrained_models=[{"name": "grey"}, {"name": "gray"}])
    await place.dispatch.look()
    await place.becomes(TrainingState.Running)


async def test_what_is_to_happen_with_a_model_happens_before_the_training_is_finished(place: Place):
    node = place.connect()
    row = await place.started(node)
    async with place.database.writing() as session:
        present = await trainings.numbered(session, place.project.id, row.number)
        await trainings.take_model(session, present)
        model = ModelRow(
            id=present.model_id, version="1.0", host="", comment="", created=datetime.now(UTC), information={}
        )
        model.project_id = place.project.id
        session.add(model)
        await session.flush()
        now = datetime.now(UTC)
        session.add(ModelFormatRow(model_id=model.id, format="f", sha256="0" * 64, size_bytes=1, files=[], created=now))
    await place.say(node, "idle")
    assert (await place.row()).state == TrainingState.Finished
    assert place.models == ["1.0"]
    assert place.dispatch.works.ended == {"finished": 1}


async def test_what_has_ended_cannot_be_ended_again(place: Place):
    await place.queue()
    await place.dispatch.commands.abort(place.project, 1)
    for action in (place.dispatch.commands.abort, place.dispatch.commands.stop):
        with pytest.raises(RefusedError, match="aborted already"):
            await action(place.project, 1)


async def test_after_a_restart_what_trainers_have_is_known(place: Place):
    node = place.connect()
    await place.started(node)
    again = Dispatch(place.database, place.nodes, Changes(), on_model=lambda *_: asyncio.sleep(0), clock=place.clock)
    await again.open()
    await place.queue()
    node.status = {"state": "idle", "architecture": "mocked", "context": None}
    await again.look()
    assert place.wires.count("begin_training") == 1, "it may go on in a moment"
    node.status = {"state": "running", "architecture": "mocked", "context": HERE, "progress": 0.5}
    await again.following.heard(node)
    assert again.following.progress_of((await place.row()).id) == 0.5
