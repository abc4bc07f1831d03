"""What a person does with mouse and keys while annotating, spelled as on the wire."""

from enum import StrEnum


class AnnotationEventType(StrEnum):
    """One input of a person who annotates."""

    LeftMouseDown = "left_mouse_down"
    RightMouseDown = "right_mouse_down"
    MouseMove = "mouse_move"
    LeftMouseUp = "left_mouse_up"
    RightMouseUp = "right_mouse_up"
    KeyUp = "key_up"
    KeyDown = "key_down"
