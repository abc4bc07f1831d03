"""What a line of the log looks like: text for people, or a JSON object for programs; never with a login in it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from .redaction import redacted

FORMAT = "%(asctime)s %(levelname)-8s [%(filename)s:%(lineno)d] %(message)s"

OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
"""Attributes that are no extra fields; `color_message` is uvicorn's own text once more, for a terminal."""


class RedactingFormatter(logging.Formatter):
    """Lets another formatter write the line, and takes logins and tokens out of it."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        return redacted(self._formatter.format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per line: `time` (RFC 3339, UTC), `level`, `logger`, `message`, `place`, `exception`, `stack`.

    What a program gives as `extra` stands beside these, under a name with an underscore behind it where they collide.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
            "place": f"{record.filename}:{record.lineno}",
        }
        if record.exc_info:
            entry["exception"] = redacted(self.formatException(record.exc_info))
        if record.stack_info:
            entry["stack"] = redacted(self.formatStack(record.stack_info))
        for name, value in vars(record).items():
            if name not in OF_EVERY_RECORD:
                entry[f"{name}_" if name in entry else name] = _plain(value)
        return json.dumps(entry)  # ASCII only, so that no text can be one that the terminal's encoding does not know


def _plain(value: Any) -> Any:
    """A value as JSON can hold it; what it cannot becomes a text."""
    if value is None or isinstance(value, bool | int):
        return value
    try:
        return json.loads(redacted(json.dumps(value, default=str, allow_nan=False)))
    except (ValueError, TypeError, RecursionError):
        return redacted(str(value))
