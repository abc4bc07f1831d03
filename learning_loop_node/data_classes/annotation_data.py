"""Old path of `annotation_tool`."""

from .annotation_tool import AnnotationData, SegmentationAnnotation, ToolOutput, UserInput

__all__ = ["AnnotationData", "SegmentationAnnotation", "ToolOutput", "UserInput"]
