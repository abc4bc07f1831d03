"""Words of conversions, spelled as on the wire."""

from enum import StrEnum


class ConversionState(StrEnum):
    """How far a converter is with a format of a model."""

    Waiting = "waiting"
    """Somebody has asked for it again."""

    Running = "running"
    Failed = "failed"
    Done = "done"
