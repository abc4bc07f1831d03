"""What commands that work on the folder of a loop share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .output import stderr

if TYPE_CHECKING:
    from ..settings import LoopServerSettings

Data = Annotated[Path | None, typer.Option("--data", help="Folder of the loop [LOOP_DATA_FOLDER].", show_default=False)]


def loop_folder_settings(data: Path | None) -> LoopServerSettings:
    """The settings of the environment, with this folder if it is given. `MissingExtraError` without the loop."""
    from ..errors import MissingExtraError

    try:
        import_module("learning_loop_node.loop_server.loop")
    except ImportError as error:
        raise MissingExtraError(
            f"the loop needs {error.name or 'a library'}: pip install '.[loop]' in a checkout"
        ) from error
    from ..settings import load_settings

    settings = load_settings().loop_server
    return settings.model_copy(update={"data_folder": data}) if data is not None else settings


@contextmanager
def working_on_files(text: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; what it gives is told how many of how many contents are done.

    `SettingError` names a file that cannot be read or written.
    """
    from rich.progress import Progress

    from ..errors import SettingError

    try:
        with Progress(console=stderr(), transient=True) as progress:
            task = progress.add_task(text, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
    except OSError as error:
        raise SettingError(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}") from error
