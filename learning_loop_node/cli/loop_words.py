"""Says what the loop refuses in words of the command line: options instead of fields, commands instead of requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

COMMANDS: Sequence[tuple[str, str, Sequence[str]]] = (
    (r"GET …/trainings lists those that are", "`{}` lists those that are", ("trainings", "list")),
    (
        r"complete some first",
        "label some, and say that they are complete: `{}`",
        ("images", "move", "IDS", "--to-state", "complete"),
    ),
    (r"set `set` of some to (train|test)", "choose some for it: `{}`", ("images", "move", "IDS", "--to-set", r"\1")),
    (r"its history names those that are", "`{}` shows those that are", ("models", "history")),
    (r"choose one with PUT", "`{}` chooses one", ("models", "deploy", "VERSION")),
    (r"restore it first \(POST …/images/restore\)", "restore it first: `{}`", ("images", "restore", "IDS")),
    (
        r"PUT …/\{model_format\}/file \(learning-loop models push --to (\S+)\)",
        "`{}`",
        ("models", "push", "--to", r"\1", "FILES", "--format", "FORMAT"),
    ),
)
"""What texts of the loop say of its interface for programs, what is said instead, and with which command."""


def in_words_of_commands(text: str, options: Mapping[str, str], command: Callable[..., str]) -> str:
    """A text of the loop for somebody who has typed a command.

    `options` are those of the command by the names of fields; `command` makes a whole line of some words.

    >>> line = lambda *words: " ".join(("learning-loop", *words))
    >>> in_words_of_commands("body.category_ids.0: no such thing", {"category_ids": "--category"}, line)
    '--category: no such thing'
    >>> in_words_of_commands("choose others with category_ids", {"category_ids": "--category"}, line)
    'choose others with --category'
    >>> in_words_of_commands("there is no training 9; GET …/trainings lists those that are", {}, line)
    'there is no training 9; `learning-loop trainings list` lists those that are'
    >>> in_words_of_commands("`learning-loop trainings abort 9` ends it", {}, lambda *words: line(*words, "-p"))
    '`learning-loop trainings abort 9 -p` ends it'
    >>> in_words_of_commands("no connection to the loop at a:1 (LOOP_HOST) for GET /api/projects: refused", {}, line)
    'no connection to the loop at a:1 (LOOP_HOST): refused'
    """
    text = re.sub(r" for [A-Z]+ /api/[^\s:]*", "", text)
    text = re.sub(r"`learning-loop ([^`]*)`", lambda found: f"`{command(*found[1].split())}`", text)
    for name, option in options.items():
        text = re.sub(rf"^(?:(?:body|query|path)\.)?{name}(?:\.[^\s:]+)*(?=:| must | is )", option, text)
        if "_" in name:  # other names are words of the language, too
            text = re.sub(rf"\b{name}\b", option, text)
    for pattern, saying, words in COMMANDS:
        found = re.search(pattern, text)
        if found is not None:
            line = command(*(found.expand(word) for word in words))
            text = f"{text[: found.start()]}{saying.format(line)}{text[found.end() :]}"
    return text
