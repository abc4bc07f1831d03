"""Fills the database of a loop with as many images as a large project has, by statements instead of uploads.

The values are spread so that the hard questions are there, too: tags that half of all images have but none has
together, one that only the oldest have, one that hardly any has, and moments in another order than the arrival.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from learning_loop_node.loop_server.storage import projects
from learning_loop_node.loop_server.storage.database import FILE_NAME, Database, sqlite_url

ORGANIZATION, PROJECT = "zauberzeug", "large"
DETECTIONS = 2
"""Of each image."""

FUNNY = "(n * 2654435761 % 4294967296)"
"""A number that looks random, for the image with the number n."""

STATE = f"""CASE WHEN n % 1000 = 7 THEN 'trash' WHEN n > :count * 3 / 10 THEN 'inbox'
 WHEN {FUNNY} % 10 < 2 THEN 'annotate' WHEN {FUNNY} % 10 < 3 THEN 'review' ELSE 'complete' END"""
TAGS = {
    "even": "n % 2 = 0",
    "odd": "n % 2 = 1",
    "old": "n <= :count / 10",
    "uncertain": f"{FUNNY} % 5 < 2",
    "rare": f"{FUNNY} % 10007 = 3",
}
SECONDS = {
    "received": "n / 10.0",
    "taken": f"{FUNNY} % 100000000 / 10.0",
    "changed": f"CASE WHEN {FUNNY} % 4 = 0 THEN {FUNNY} / 7 % 100000000 / 10.0 ELSE n / 10.0 END",
}


def fill(folder: Path, count: int) -> None:
    """Make the database in the folder of a loop, with one project of so many images."""
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_make_project(folder))
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-400000")
        [project_id] = connection.execute("SELECT id FROM projects").fetchone()
        known = {"project": project_id, "count": count}
        _fill_images(connection, known)
        _fill_facets(connection, known)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _fill_images(connection: sqlite3.Connection, known: dict[str, str | int]) -> None:
    tags = ", ".join(f"CASE WHEN {condition} THEN '{tag}' END" for tag, condition in TAGS.items())
    moments = ", ".join(
        f"strftime('%Y-%m-%d %H:%M:%f', 1700000000 + {seconds}, 'unixepoch') || '000'" for seconds in SECONDS.values()
    )
    connection.execute(
        "WITH RECURSIVE counting(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counting WHERE n < :count) "
        'INSERT INTO images (number, id, version, project_id, sha256, format, size_bytes, width, height, "set", '
        f"state, source, name, tags, properties, {', '.join(SECONDS)}) "
        "SELECT n, printf('%08x-0000-4000-8000-%012x', "
        f"{FUNNY}, n), 1, :project, printf('%064x', n), 'jpeg', 65536, 1920, 1080, "
        f"CASE WHEN {FUNNY} % 5 = 0 THEN 'test' ELSE 'train' END, {STATE}, 'cam ' || (n % 20), "
        f"printf('image_%d.jpg', {FUNNY}), "
        f"(SELECT json_group_array(value) FROM json_each(json_array({tags})) WHERE value IS NOT NULL), '{{}}', "
        f"{moments} FROM counting",
        known,
    )
    for detection in range(DETECTIONS):
        connection.execute(
            "INSERT INTO detections (image_number, kind, category_name, category_id, model_name, confidence, geometry) "
            "SELECT number, 'box', 'category', 'category ' || (number % 10), '1.' || (number * 5 / :count), "
            f'(number * 7919 + {detection} * 31) % 1000 / 1000.0, \'{{"x": 1, "y": 2, "width": 3, "height": 4}}\' '
            "FROM images",
            {"count": known["count"]},
        )
    connection.execute(
        "INSERT INTO annotations (id, project_id, version, image_number, kind, category_name, category_id, geometry, "
        "properties, created, changed) "
        "SELECT id, project_id, 1, number, 'box', 'category', 'category ' || (number % 10), "
        '\'{"x": 1, "y": 2, "width": 3, "height": 4}\', \'{}\', received, received FROM images '
        "WHERE state IN ('review', 'complete')"
    )


def _fill_facets(connection: sqlite3.Connection, known: dict[str, str | int]) -> None:
    annotated = "CASE WHEN state IN ('review', 'complete') THEN 'yes' ELSE 'no' END"
    kinds = {
        "state": ("state", "1"),
        "set": ('"set"', "1"),
        "source": ("source", "1"),
        "model": ("'1.' || (n * 5 / :count)", "1"),
        "category": ("'category ' || (n % 10)", "1"),
        "annotated": (annotated, "1"),
    }
    asked = [(kind, value, condition) for kind, (value, condition) in kinds.items()]
    asked += [("tag", f"'{tag}'", condition) for tag, condition in TAGS.items()]
    images = '(SELECT number AS n, state, "set", source FROM images)'
    for kind, value, condition in asked:
        connection.execute(
            "INSERT INTO facets (project_id, kind, value, count) "
            f"SELECT :project, '{kind}', {value}, count(*) FROM {images} WHERE {condition} GROUP BY {value}",
            known,
        )
        connection.execute(
            "INSERT INTO image_facets (facet_id, image_number) SELECT facets.id, n "
            f"FROM {images} JOIN facets ON facets.kind = '{kind}' AND facets.value = {value} WHERE {condition} "
            "ORDER BY facets.id, n",
            known,
        )


async def _make_project(folder: Path) -> None:
    database = Database(sqlite_url(folder))
    await database.open()
    async with database.writing() as session:
        await projects.add_project(session, ORGANIZATION, PROJECT)
    await database.aclose()
