"""Choices for data sets in folders, as they are spelled on the command line."""

from enum import StrEnum


class Format(StrEnum):
    """A format of data sets."""

    Coco = "coco"
    Yolo = "yolo"


class Shapes(StrEnum):
    """What to take where COCO has both a box and an outline. The other one is kept in the properties."""

    Auto = "auto"
    Boxes = "boxes"
    Outlines = "outlines"
