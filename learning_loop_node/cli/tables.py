"""Prints tables so that nothing is cut off, however narrow the terminal is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .output import stdout

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Column, Table


def print_table(table: Table, empty: str = "") -> None:
    """Print a table of texts; of one without rows, what is said then.

    Nothing is cut off: where not even its longest words fit beside each other, as on a narrow terminal, each row
    becomes a block of lines, one for each cell that is not empty.
    """
    from rich.console import Console

    console = stdout()
    if not table.row_count:
        console.print(empty, soft_wrap=True)
    elif not console.is_terminal:
        Console(highlight=False, markup=False, width=max(console.width, *_widths(table))).print(table)
    elif _fit(table, console.width):
        console.print(table)
    else:
        for number, cells in enumerate(zip(*(column.cells for column in table.columns), strict=True)):
            if number:
                console.print()
            console.print(_block(table, cells))


def _fit(table: Table, width: int) -> bool:
    """Make the widest columns narrower until the table fits, but none than its longest word; False if it does not."""
    natural, words = _widths(table)
    if words > width:
        return False
    columns = [(_longest(column, whole=True), _longest(column, whole=False)) for column in table.columns]
    sizes, least = [list(each) for each in zip(*columns, strict=True)]
    for _ in range(natural - width):
        widest = max(range(len(sizes)), key=lambda place: sizes[place] if sizes[place] > least[place] else -1)
        sizes[widest] -= 1
    for column, size in zip(table.columns, sizes, strict=True):
        column.width = size
    return True


def _widths(table: Table) -> tuple[int, int]:
    """Of a whole table: with each cell in one line, and with each word in a line of its own."""
    frame = 3 * len(table.columns) + 1
    natural, words = (sum(_longest(column, whole=whole) for column in table.columns) for whole in (True, False))
    return natural + frame, words + frame


def _longest(column: Column, *, whole: bool) -> int:
    from rich.cells import cell_len

    texts = [str(cell) for cell in (column.header, *column.cells)]
    parts = [part for text in texts for part in (text.splitlines() if whole else text.split())]
    return max(map(cell_len, parts), default=0)


def _block(table: Table, cells: Sequence[RenderableType]) -> Table:
    from rich.table import Table

    block = Table.grid("name", "value", padding=(0, 2))
    for column, cell in zip(table.columns, cells, strict=True):
        if cell:
            block.add_row(column.header, cell)
    block.columns[1].overflow = "fold"
    return block
