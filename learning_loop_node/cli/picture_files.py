"""Which files are meant by the names that people type: files, folders, patterns."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

import typer

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
"""What is taken from a folder; files that are named are sent whatever they are called."""


def picture_files(names: Sequence[str]) -> list[Path]:
    """Files, the pictures of folders, and what patterns match, which the shell left to us."""
    files: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
        elif path.exists():
            found = [path]
        else:
            found = sorted(file for file in map(Path, glob.glob(name, recursive=True)) if file.is_file())  # noqa: PTH207
        if not found:
            raise typer.BadParameter(f"there is no image {name}", param_hint="IMAGES")
        files += found
    return files
