"""Lines of the command line, as messages and texts name them."""

from __future__ import annotations

import shlex
from typing import Any

import typer
from typer.core import TyperGroup

from learning_loop_node.cli import app

USAGE_ERROR: Any = typer.BadParameter.__bases__[0]


def is_command(line: str) -> bool:
    """Whether `learning-loop …` takes these arguments; nothing is run."""
    name, *arguments = shlex.split(line)
    command: Any = typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        word = arguments.pop(0) if arguments else ""
        if word not in command.commands:
            return False
        command = command.commands[word]
    try:
        context = command.make_context(name, arguments)
    except USAGE_ERROR:
        return False
    context.close()
    return True
