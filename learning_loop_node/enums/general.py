"""Words that every kind of node shares, spelled as on the wire."""

from enum import StrEnum


class CategoryType(StrEnum):
    """What a category marks in an image."""

    Box = "box"
    Point = "point"
    Segmentation = "segmentation"
    Classification = "classification"


class NodeState(StrEnum):
    """What a node is doing, as it tells the loop."""

    Idle = "idle"
    Offline = "offline"
    Online = "online"
    Preparing = "preparing"
    Running = "running"
    Stopping = "stopping"
    Detecting = "detecting"
    Uploading = "uploading"
