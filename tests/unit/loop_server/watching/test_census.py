"""The loop counts what it holds, but rests in proportion to what that took."""

from __future__ import annotations

from pathlib import Path

from learning_loop_node.loop_server.storage.database import Database, sqlite_url
from learning_loop_node.loop_server.watching.census import Census
from tests.clock import ManualClock


class SlowDatabase(Database):
    """Takes two seconds for each look."""

    def __init__(self, url: str, clock: ManualClock) -> None:
        super().__init__(url)
        self.looks = 0
        self._clock = clock

    def reading(self):
        self.looks += 1
        self._clock.advance(2)
        return super().reading()


async def test_an_empty_loop(tmp_path: Path):
    database = Database(sqlite_url(tmp_path))
    await database.open()
    census = Census(database, tmp_path, tmp_path)
    await census.refresh()
    await database.aclose()
    figures = census.figures
    assert figures.images == {}
    assert figures.image_bytes == figures.models == figures.model_bytes == figures.projects == 0
    assert figures.detectors == {"5m": 0, "1h": 0, "1d": 0, "older": 0}
    assert figures.database_bytes > 0


async def test_a_slow_count_is_made_rarely(tmp_path: Path, clock: ManualClock):
    database = SlowDatabase(sqlite_url(tmp_path), clock)
    await database.open()
    census = Census(database, tmp_path, tmp_path, clock)
    await census.refresh()  # ends two seconds later
    for pause_s, looks in ((0, 1), (199, 1), (2, 2)):
        clock.advance(pause_s)
        await census.refresh()
        assert database.looks == looks, pause_s
    await database.aclose()


async def test_a_folder_that_cannot_be_read_leaves_the_figures_as_they_were(tmp_path: Path):
    database = Database(sqlite_url(tmp_path))
    await database.open()
    census = Census(database, tmp_path, tmp_path / "gone")
    before = census.figures
    await census.refresh()
    await database.aclose()
    assert not census.is_complete
    assert census.figures is before
