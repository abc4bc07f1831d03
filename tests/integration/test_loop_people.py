"""Users and tokens of the loop, through the client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from learning_loop_node.client.detector import DetectorClient
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.errors import (
    ForbiddenError,
    InvalidRequestError,
    LoginRefusedError,
    NodeError,
    NotAuthenticatedError,
    NotFoundError,
    RefusedError,
)
from learning_loop_node.settings import LoopSettings
from tests.builders import jpeg, make_settings
from tests.loop import ORGANIZATION, PROJECT, P, RunningLoop, images_form, running_loop
from tests.nodes import running_node
from tests.polling import until

PASSWORD = "long enough"
CLOSED = {"require_node_token": True}


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        await running.create_project()
        yield running


@pytest.fixture
async def admin(loop: RunningLoop) -> AsyncIterator[LoopClient]:
    async with client_of(loop, username="admin", password="secret") as client:
        yield client


async def test_a_user_is_made_changed_and_removed(loop: RunningLoop, admin: LoopClient):
    anna = await admin.users.add("anna", PASSWORD, organizations={ORGANIZATION: "viewer"})
    assert (anna.role, anna.disabled, anna.organizations) == ("user", False, {ORGANIZATION: "viewer"})
    async with client_of(loop, username="anna") as client:
        assert (await client.users.me()).organizations == {ORGANIZATION: "viewer"}
        with pytest.raises(
            ForbiddenError, match=f"anna may not change categories.* the role maintainer in {ORGANIZATION}$"
        ):
            await client.deployment.set(version="1.0")
        await admin.users.change("anna", organizations={ORGANIZATION: "maintainer", "more": "owner"})
        with pytest.raises(NotFoundError, match="version"):
            await client.deployment.set(version="1.0")
        changed = await admin.users.change("anna", organizations={"more": None})
        assert changed.organizations == {ORGANIZATION: "maintainer"}
    assert [user.name for user in await admin.users.list()] == ["admin", "anna"]
    await admin.users.remove("anna")
    with pytest.raises(NotFoundError, match="no user anna"):
        await admin.users.get("anna")
    async with client_of(loop, username="anna") as client:
        with pytest.raises(LoginRefusedError):
            await client.users.me()


async def test_users_that_cannot_be(admin: LoopClient):
    impossible: dict[str, tuple[dict[str, Any], type[NodeError]]] = {
        "a name with a space": ({"name": "a b"}, InvalidRequestError),
        "no name": ({"name": ""}, InvalidRequestError),
        "a name that is taken": ({"name": "admin"}, RefusedError),
        "nine characters": ({"password": "too short"}, InvalidRequestError),
        "an unknown role": ({"organizations": {"x": "emperor"}}, InvalidRequestError),
        "no name of an organization": ({"organizations": {"a/b": "viewer"}}, InvalidRequestError),
        "an owner of everything": ({"role": "owner"}, InvalidRequestError),
    }
    for name, (changes, error) in impossible.items():
        with pytest.raises(error):
            await admin.users.add(**{"name": "new", "password": PASSWORD} | changes)
        assert [user.name for user in await admin.users.list()] == ["admin"], name


async def test_the_last_administrator_stays(admin: LoopClient):
    for attempt in (
        admin.users.remove("admin"),
        admin.users.change("admin", disabled=True),
        admin.users.change("admin", role="user"),
    ):
        with pytest.raises(RefusedError, match="last administrator"):
            await attempt
    await admin.users.add("second", PASSWORD, role="admin")
    await admin.users.change("second", disabled=True)
    with pytest.raises(RefusedError, match="last administrator"):
        await admin.users.remove("admin")
    await admin.users.change("second", disabled=False)
    await admin.users.remove("admin")


async def test_an_owner_manages_the_own_organization_and_no_more(loop: RunningLoop, admin: LoopClient):
    await admin.users.add("owner", PASSWORD, organizations={ORGANIZATION: "owner"})
    await admin.users.add("both", PASSWORD, organizations={ORGANIZATION: "viewer", "other": "owner"})
    await admin.users.add("boss", PASSWORD, role="admin", organizations={ORGANIZATION: "viewer"})
    await admin.users.add("stranger", PASSWORD, organizations={"other": "viewer"})
    async with client_of(loop, username="owner") as owner:
        name = f"new@{ORGANIZATION}"
        await owner.users.add(name, PASSWORD, organizations={ORGANIZATION: "annotator"})
        await owner.users.change(name, password="another password", disabled=True)
        await owner.users.remove(name)
        seen = {user.name: user.organizations for user in await owner.users.list()}
        assert seen == {
            "owner": {ORGANIZATION: "owner"},
            "both": {ORGANIZATION: "viewer"},
            "boss": {ORGANIZATION: "viewer"},
        }
        assert (await owner.users.change("both", organizations={ORGANIZATION: "annotator"})).organizations == {
            ORGANIZATION: "annotator"
        }
        for forbidden in (
            owner.users.change("both", password=PASSWORD),
            owner.users.change("boss", disabled=True),
            owner.users.remove("both"),
            owner.users.remove("boss"),
            owner.users.change("owner", role="admin"),
            owner.users.add(name, PASSWORD, role="admin", organizations={ORGANIZATION: "owner"}),
        ):
            with pytest.raises(ForbiddenError):
                await forbidden
        for taken_or_not in ("stranger", "nobody-has-this"):
            with pytest.raises(InvalidRequestError, match=f"must end with @{ORGANIZATION}"):
                await owner.users.add(taken_or_not, PASSWORD, organizations={ORGANIZATION: "viewer"})
            with pytest.raises(NotFoundError, match=f"no user {taken_or_not}"):
                await owner.users.change(taken_or_not, organizations={ORGANIZATION: "viewer"})
        with pytest.raises(InvalidRequestError, match="organizations is empty"):
            await owner.users.add(name, PASSWORD)
        await owner.users.change("both", organizations={ORGANIZATION: None})
        with pytest.raises(NotFoundError):
            await owner.users.get("both")


async def test_a_new_password_of_one_s_own_ends_the_other_sessions(loop: RunningLoop, admin: LoopClient):
    await admin.users.add("anna", PASSWORD)
    async with client_of(loop, username="anna") as here, client_of(loop, username="anna") as there:
        await there.users.me()
        token = (await here.tokens.add_user("laptop")).token
        with pytest.raises(NotAuthenticatedError):
            await here.users.change_my_password("wrong password", "another one")
        with pytest.raises(InvalidRequestError):
            await here.users.change_my_password(PASSWORD, "short")
        await here.users.change_my_password(PASSWORD, "another one")
        assert (await here.users.me()).name == "anna"
        with pytest.raises(LoginRefusedError):
            await there.users.me()
    async with client_of(loop, token=token) as client:
        assert (await client.users.me()).name == "anna"


async def test_who_is_disabled_is_out_at_once(loop: RunningLoop, admin: LoopClient):
    await admin.users.add("anna", PASSWORD)
    async with client_of(loop, username="anna") as client:
        token = (await client.tokens.add_user("laptop")).token
        await admin.users.change("anna", disabled=True)
        with pytest.raises(LoginRefusedError):
            await client.users.me()
        async with client_of(loop, token=token) as program:
            with pytest.raises(NotAuthenticatedError):
                await program.users.me()
        await admin.users.change("anna", disabled=False)
        assert (await client.users.me()).name == "anna"


async def test_a_token_of_a_user_has_fewer_rights_if_wanted(loop: RunningLoop, admin: LoopClient):
    made = await admin.tokens.add_user("reader", role="viewer", expires_in_days=1)
    assert made.token.startswith("ll_user_")
    assert made.token not in repr(made)
    assert (made.kind, made.user, made.role) == ("user", "admin", "viewer")
    async with client_of(loop, token=made.token) as reader:
        assert (await reader.projects.list())[0].project_id == PROJECT
        assert await reader.models.list() == []
        for forbidden in (
            reader.deployment.set(version="1.0"),
            reader.users.list(),
            reader.users.add("x", PASSWORD),
            reader.tokens.add_user("more"),
            reader.tokens.add_node("more", ORGANIZATION),
        ):
            with pytest.raises(ForbiddenError):
                await forbidden
        other = await admin.tokens.add_user("other")
        with pytest.raises(NotFoundError):
            await reader.tokens.revoke(other.id)
        await reader.tokens.revoke(made.id)
        with pytest.raises(NotAuthenticatedError):
            await reader.users.me()


async def test_a_node_with_a_token_does_its_work_at_a_closed_loop(tmp_path: Path):
    async with running_loop(tmp_path, **CLOSED) as loop, client_of(loop, "admin", "secret") as admin:
        await loop.create_project()
        model = await loop.push_model(deploy=True)
        made = await admin.tokens.add_node("robot", ORGANIZATION, PROJECT)
        assert made.token.startswith("ll_node_")
        async with client_of(loop, token=made.token, username="ignored") as node:
            target = await node.deployment.target()
            assert target is not None
            assert target.model_uuid == model["id"]
            await node.models.download(model["id"], "mocked", tmp_path / "model.zip")
            await node.images.list()
            async with node.http.request("POST", f"{P}/images", body=lambda: forms()) as answer:
                assert answer.status == 200
            assert (await node.users.me()).role == "node"
            for forbidden in (node.deployment.set(version="1.0"), node.users.change_my_password("x", PASSWORD)):
                with pytest.raises(ForbiddenError):
                    await forbidden
            await admin.tokens.revoke(made.id)
            with pytest.raises(NotAuthenticatedError, match="revoked"):
                await node.deployment.target()


async def test_a_whole_detector_needs_nothing_but_its_token(tmp_path: Path):
    async with running_loop(tmp_path, **CLOSED) as loop, client_of(loop, "admin", "secret") as admin:
        await loop.create_project()
        await loop.push_model(deploy=True)
        made = await admin.tokens.add_node("robot", ORGANIZATION, PROJECT)
        settings = make_settings(
            tmp_path / "robot",
            loop=LoopSettings(host=loop.host, token=SecretStr(made.token), organization=ORGANIZATION, project=PROJECT),
        )
        async with running_node(tmp_path / "robot", has_model=False, settings=settings) as node:

            async def works() -> bool:
                reports = await admin.detectors.list()
                return bool(reports) and reports[0].runs_deployed is True

            await until(works)
            async with DetectorClient(node.url) as detector:
                await detector.upload(jpeg())

            async def has_arrived() -> bool:
                return bool(await loop.image_ids())

            await until(has_arrived)
            [image] = await admin.images.list()
            assert image.changed_by == "robot (node)"


async def test_a_token_as_password_lets_programs_in_that_know_only_a_login(tmp_path: Path):
    async with running_loop(tmp_path, **CLOSED) as loop, client_of(loop, "admin", "secret") as admin:
        await loop.create_project()
        made = await admin.tokens.add_node("robot", ORGANIZATION)
        for username in ("robot", ""):
            async with client_of(loop, username=username, password=made.token) as node:
                assert await node.deployment.target() is None
        async with client_of(loop, username="robot", password=made.token) as node:
            await node.deployment.target()
            await admin.tokens.revoke(made.id)
            with pytest.raises(LoginRefusedError, match="token given as password"):
                await node.deployment.target()


async def test_a_token_of_a_deleted_project_opens_nothing(loop: RunningLoop, admin: LoopClient):
    made = await admin.tokens.add_node("robot", ORGANIZATION, PROJECT)
    await loop.json("DELETE", P)
    await loop.create_project()
    async with client_of(loop, token=made.token) as node:
        with pytest.raises(NotAuthenticatedError):
            await node.deployment.target()


async def test_a_token_that_has_expired_opens_nothing(loop: RunningLoop, admin: LoopClient):
    made = await admin.tokens.add_node("robot", ORGANIZATION, expires_in_days=1e-8)
    async with client_of(loop, token=made.token) as node:
        with pytest.raises(NotAuthenticatedError):
            await node.deployment.target()


async def test_last_uses_are_shown_at_once_and_kept(tmp_path: Path):
    async with running_loop(tmp_path) as loop, client_of(loop, "admin", "secret") as admin:
        made = await admin.tokens.add_node("robot", ORGANIZATION)
        assert (await admin.tokens.list())[0].last_used is None
        async with client_of(loop, token=made.token) as node:
            await node.users.me()
        used = (await admin.tokens.list(ORGANIZATION))[0].last_used
        assert used is not None
        assert await admin.tokens.list("another") == []
    async with running_loop(tmp_path) as loop, client_of(loop, "admin", "secret") as admin:
        assert (await admin.tokens.list())[0].last_used == used
    content = b"".join(file.read_bytes() for file in (tmp_path / "loop").glob("loop.sqlite*"))
    assert made.token.encode() not in content


async def test_tokens_that_cannot_be(loop: RunningLoop):
    impossible = {
        "a node of nowhere": {"name": "n", "kind": "node"},
        "a node with a role": {"name": "n", "kind": "node", "organization": "o", "role": "owner"},
        "a user of an organization": {"name": "n", "kind": "user", "organization": "o"},
        "no name": {"name": "", "kind": "user"},
        "expired at once": {"name": "n", "kind": "user", "expires_in_days": 0},
        "another kind": {"name": "n", "kind": "robot"},
    }
    for name, body in impossible.items():
        async with loop.admin.post("/api/tokens", json=body) as answer:
            assert answer.status == 422, name


async def test_an_open_loop_has_node_tokens_and_nobody_with_a_name(tmp_path: Path):
    async with running_loop(tmp_path, open=True) as loop, client_of(loop) as client:
        await client.tokens.add_node("robot", ORGANIZATION)
        with pytest.raises(RefusedError, match="open"):
            await client.tokens.add_user("me")
        with pytest.raises(ForbiddenError):
            await client.users.change_my_password("x", PASSWORD)


@asynccontextmanager
async def client_of(
    loop: RunningLoop, username: str = "", password: str = PASSWORD, token: str = ""
) -> AsyncIterator[LoopClient]:
    settings = LoopSettings(
        host=loop.host,
        username=username,
        password=SecretStr(password),
        token=SecretStr(token),
        organization=ORGANIZATION,
        project=PROJECT,
    )
    async with LoopHttp(settings) as http:
        yield LoopClient(http)


async def forms() -> Any:
    return images_form([jpeg()])
