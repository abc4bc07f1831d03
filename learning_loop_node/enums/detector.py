"""Words of the detector, spelled as on the wire."""

from enum import StrEnum


class VersionMode(StrEnum):
    """Which model a detector should run: the loop's choice, a fixed version, or the one it has."""

    FollowLoop = "follow_loop"
    SpecificVersion = "specific_version"
    Pause = "pause"


class OperationMode(StrEnum):
    """What a detector may be interrupted for: models are changed only while it is `idle`."""

    Startup = "startup"
    Idle = "idle"
    Detecting = "detecting"


class OutboxMode(StrEnum):
    """Whether the outbox drains to the loop."""

    CONTINUOUS_UPLOAD = "continuous_upload"
    STOPPED = "stopped"


class Autoupload(StrEnum):
    """Which detected images are kept for the loop: the relevant ones, all, or none."""

    FILTERED = "filtered"
    ALL = "all"
    DISABLED = "disabled"
