"""What the loop tells Prometheus adds up, and it tells strangers nothing."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from tests.builders import jpeg
from tests.loop import ORGANIZATION, P, RunningLoop, images_form, running_loop
from tests.metrics import Samples, samples_of

S = "learning_loop_server_"


async def test_images_received_are_those_stored_repeated_and_refused(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        first = [jpeg(seed=seed) for seed in range(3)]
        await loop.post_images(first, keys=["k0", "k1", "k2"])
        await loop.post_images([*first[:2], jpeg(seed=7)], keys=["k0", "k1", "k7"])
        assert await post(loop, images_form([jpeg(seed=8), b"no image"])) == 422
        assert await post(loop, images_form([jpeg(seed=9)], keys=["k0"])) == 422  # the key of another image
        samples = await samples_of(loop.url)
        outcomes = {what: samples.sum(f"{S}images_{what}_total") for what in ("stored", "repeated", "refused")}
        assert outcomes == {"stored": 4, "repeated": 2, "refused": 3}
        assert samples.sum(S + "images_received_total") == sum(outcomes.values()) == 9
        assert samples.by("state", S + "images") == {"inbox": len(await loop.image_ids())} == {"inbox": 4}
        assert samples.sum(S + "images_stored_bytes_total") == samples.sum(S + "images_bytes")
        assert samples.sum(S + "blobs") == 5  # with that of the refused request whose content was kept first
        assert samples.by("status", S + "requests_total", route=f"/api{IMAGES}") == {"200": 2, "422": 2}


async def test_requests_by_template_and_status(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        before = await samples_of(loop.url)
        for path in (f"{P}/data", f"/{ORGANIZATION}/projects/other/data", "/nothing/here", "/nothing/there"):
            async with loop.admin.get(f"/api{path}"):
                pass
        async with loop.nobody.request("PROPFIND", f"/api{P}/data"), loop.nobody.get(f"/api{P}/data"):
            pass
        samples = await samples_of(loop.url)
    route = "/api/{organization}/projects/{project}/data"
    assert samples.by("status", S + "requests_total", route=route) == {"200": 1, "401": 1, "404": 1, "405": 1}
    assert samples.by("method", S + "requests_total", route=route) == {"GET": 3, "other": 1}
    assert samples.by("status", S + "requests_total", route="other") == {"404": 2}
    assert samples.sum(S + "request_seconds_count", route=route) == 4
    assert samples.sum(S + "requests_total") == before.sum(S + "requests_total") + 6 + 1
    assert samples.sum(S + "requests_in_progress") == 1  # the one that asks
    assert "other/data" not in samples.text


async def test_what_lies_in_the_loop(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        await loop.push_model()
        report = {"uuid": "d1", "name": "d1", "state": "online"}
        await loop.json("POST", f"{P}/detectors", json=report)
        async with loop.nobody.post("/api/login", data={"username": "admin", "password": "guess"}) as answer:
            assert answer.status == 401
        samples = await samples_of(loop.url)
    assert samples.by("last_contact", S + "detectors") == {"5m": 1, "1h": 0, "1d": 0, "older": 0}
    for name in ("models", "projects", "users", "logins_refused_total"):
        assert samples.sum(S + name) == 1, name
    for name in ("models_bytes", "database_bytes", "disk_free_bytes"):
        assert samples.sum(S + name) > 1000 or name == "models_bytes", name
    assert samples.sum("process_resident_memory_bytes") > 0


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "loop.example"}, id="by another name"),
        pytest.param({"X-Forwarded-For": "127.0.0.1"}, id="through a proxy"),
        pytest.param({"Forwarded": "for=127.0.0.1"}, id="through a modern proxy"),
    ],
)
async def test_strangers_need_a_login(tmp_path: Path, headers: dict[str, str]):
    async with running_loop(tmp_path) as loop:
        async with loop.nobody.get("/metrics", headers=headers) as answer:
            assert answer.status == 401
        async with loop.nobody.post("/api/token", data={"username": "admin", "password": "secret"}) as answer:
            token = (await answer.json())["access_token"]
        given = headers | {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(loop.url) as session, session.get("/metrics", headers=given) as answer:
            assert answer.status == 200
            samples = Samples(await answer.text())
    assert token not in samples.text


IMAGES = "/{organization}/projects/{project}/images"


async def post(loop: RunningLoop, form: aiohttp.MultipartWriter) -> int:
    async with loop.nobody.post(f"/api{P}/images", data=form) as answer:
        return answer.status
