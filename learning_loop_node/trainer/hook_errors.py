"""Says in one line which hook of the user's logic raised what, and where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from ..errors import NodeError

OURS = Path(__file__).parent.parent
LONGEST_TEXT = 500


def text_of(error: Exception, logic: object) -> str:
    """What to show of an error: ours speak for themselves, of others hook, type, file and line are told.

    "`_resume` raised RuntimeError: nope (trainer.py, line 31)". The line is the deepest one in the user's own code.
    """
    if isinstance(error, NodeError):
        return str(error)
    said = " ".join(str(error).split())[:LONGEST_TEXT]
    places = list(_places_outside(error.__traceback__))
    names = [hasattr(type(logic), name) for name, _, _ in places]
    if not any(names):
        return said or type(error).__name__
    raised = f"{type(error).__name__}: {said}" if said else type(error).__name__
    inside = places[names.index(True) :]
    hook, own_file, _ = inside[0]
    _, file, line = [place for place in inside if _is_own(place[1], own_file.parent)][-1]
    return f"`{hook}` raised {raised} ({file.name}, line {line})"


def _places_outside(traceback: TracebackType | None) -> Iterator[tuple[str, Path, int]]:
    """Function, file and line of each frame that is not in this package, the deepest last."""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        file = Path(code.co_filename).absolute()
        if not file.is_relative_to(OURS):
            yield code.co_name, file, traceback.tb_lineno
        traceback = traceback.tb_next


def _is_own(file: Path, folder: Path) -> bool:
    """Whether a file belongs to the code in this folder, and not to a library that is installed below it."""
    return file.is_relative_to(folder) and "site-packages" not in file.relative_to(folder).parts
