"""Words for images at a loop, spelled as on the wire."""

from enum import StrEnum


class ImageState(StrEnum):
    """Where an image stands between arriving and being ready for training."""

    Inbox = "inbox"
    Annotate = "annotate"
    Review = "review"
    Complete = "complete"
    Trash = "trash"


class ImageSet(StrEnum):
    """What an image is for."""

    Train = "train"
    Val = "val"
    Test = "test"
