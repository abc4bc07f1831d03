"""Models that are sent to `…/{project}/{format}`, as the predecessor's README has it."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp import MultipartWriter

from tests.loop import P, files_form, running_loop


async def test_a_model_is_stored_as_below_models(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        sent = await loop.json("POST", f"{P}/format_a", data=files_form([("file_1.txt", b"content of file one")]))
        [model] = (await loop.json("GET", f"{P}/models?format=format_a"))["models"]
        assert sent == {"id": model["id"], "version": "1.0"}
        assert model["archives"]["format_a"]["files"] == ["file_1.txt", "model.json"]


async def test_it_may_be_as_large_as_any_upload(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        await loop.json("POST", f"{P}/format_a", data=files_form([("weights.bin", BytesIO(bytes(3 * 2**20)))]))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("POST", "data", 405, id="what can only be read"),
        pytest.param("POST", "models", 405, id="models without a format"),
        pytest.param("GET", "format_a", 405, id="nothing to read here"),
        pytest.param("POST", "format_a/more", 404, id="unknown"),
        pytest.param("POST", "for.mat", 422, id="no format"),
    ],
)
async def test_other_addresses_stay_what_they_are(method: str, path: str, status: int, tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        async with loop.admin.request(method, f"/api{P}/{path}", data=files_form([("a", b"a")])) as answer:
            assert answer.status == status, await answer.text()
        assert (await loop.json("GET", f"{P}/models"))["models"] == []


async def test_what_is_no_form_finds_nothing_here_and_stays_small(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        async with loop.admin.post(f"/api{P}/format_a", json={"files": []}) as answer:
            assert answer.status == 404
        categories = json.dumps({"name": "x" * 2 * 2**20}).encode()
        async with loop.admin.post(f"/api{P}/categories", data=BytesIO(categories)) as answer:
            assert answer.status == 413


async def test_who_may_not_add_models_may_not_here(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        async with loop.nobody.post(f"/api{P}/format_a", data=files_form([("a", b"a")])) as answer:
            assert answer.status == 401
        assert (await loop.json("GET", f"{P}/models"))["models"] == []


async def test_no_part_for_the_model(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        async with loop.admin.post(f"/api{P}/format_a", data=MultipartWriter("form-data")) as answer:
            assert answer.status == 422
