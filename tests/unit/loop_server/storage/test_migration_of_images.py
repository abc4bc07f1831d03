"""A database of the first schema, with images in it, is the same one afterwards, and can be searched."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, select

from learning_loop_node.loop_server.storage import facets
from learning_loop_node.loop_server.storage.database import FILE_NAME, Database, sqlite_url
from learning_loop_node.loop_server.storage.listing import ImageFilter, page_of
from learning_loop_node.loop_server.storage.migration import MIGRATIONS
from learning_loop_node.loop_server.storage.records import records_by_id
from learning_loop_node.loop_server.storage.tables import DeploymentRow, ImageRow
from learning_loop_node.loop_server.wire.listing import Sort

LATER, EARLIER = "2026-03-02 00:00:00.000000", "2026-03-01 00:00:00.000000"
IMAGES: list[dict[str, Any]] = [
    {"id": "later", "received": LATER, "tags": ["a", "b"], "source": "cam", "created": "2026-01-01_10:11:12.500"},
    {"id": "earlier", "received": EARLIER, "tags": [], "source": None, "created": "some day"},
    {"id": "other", "received": EARLIER, "tags": ["a"], "source": "", "created": "2026-01-01T12:00:00+02:00"},
]
BOX = {"x": 1, "y": 2, "width": 3, "height": 4}


async def test_images_and_all_that_belongs_to_them_are_kept(tmp_path: Path):
    make_first_schema(tmp_path)
    fill(tmp_path)
    database = Database(sqlite_url(tmp_path))
    await database.open()
    async with database.writing() as session:
        rows = {row.id: row for row in await session.scalars(select(ImageRow).order_by(ImageRow.number))}
        assert list(rows) == ["earlier", "other", "later"], "in the order of their arrival"
        assert [row.version for row in rows.values()] == [1, 1, 1]
        [record] = await records_by_id(session, "p", ["later"])
        assert (record["tags"], record["source"], record["idempotency_key"]) == (["a", "b"], "cam", "key of later")
        assert (record["set"], record["state"], record["received"]) == ("test", "review", "2026-03-02T00:00:00+00:00")
        [box] = record["box_detections"]
        assert box == {"category_name": "face", "category_id": "f", "model_name": "1.0", "confidence": 0.5} | BOX
        [stated] = record["box_annotations"]
        assert {name: stated[name] for name in BOX} == BOX
        assert (stated["category_id"], stated["version"], len(stated["id"])) == ("f", 1, 36)
        assert (await session.scalars(select(DeploymentRow.model_id))).all() == ["m"]
        assert rows["later"].taken.isoformat() == "2026-01-01T10:11:12.500000+00:00"
        assert rows["other"].taken.isoformat() == "2026-01-01T10:00:00+00:00"
        assert rows["earlier"].taken == rows["earlier"].received
        counts = await facets.counts(session, "p")
        assert (counts["tag"], counts["category"]) == ({"a": 2, "b": 1}, {"f": 1})
        assert counts["annotated"] == {"yes": 1, "no": 2}
        await facets.refresh(session, "p", [row.number for row in rows.values()])
        assert await facets.counts(session, "p") == counts, "as if the images had come today"
        page = await page_of(session, "p", ImageFilter(tags=["a"]), Sort.LastArrival, 10, None)
        assert page.numbers == [rows["later"].number, rows["other"].number]
    await database.aclose()


def make_first_schema(folder: Path) -> None:
    engine = create_engine(sqlite_url(folder))
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()
    engine.dispose()


def fill(folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        moment = "2026-01-01 00:00:00.000000"
        insert(connection, "projects", {"id": "p", "organization": "o", "name": "n", "created": moment})
        for image in IMAGES:
            fixed = {"project_id": "p", "sha256": "0" * 64, "format": "jpeg", "size_bytes": 1, "width": 1, "height": 1}
            own = {"idempotency_key": f"key of {image['id']}", "set": "test", "state": "review"}
            insert(connection, "images", fixed | own | image | {"tags": json.dumps(image["tags"])})
        found = {"image_id": "later", "kind": "box", "category_name": "face", "category_id": "f"}
        place = {"geometry": json.dumps(BOX)}
        insert(connection, "detections", found | place | {"model_name": "1.0", "confidence": 0.5})
        insert(connection, "annotations", found | place)
        model = {"id": "m", "project_id": "p", "version": "1.0", "host": "h", "comment": "", "created": moment}
        insert(connection, "models", model | {"information": "{}"})
        insert(connection, "deployments", {"project_id": "p", "model_id": "m", "changed": moment})
        connection.commit()


def insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
