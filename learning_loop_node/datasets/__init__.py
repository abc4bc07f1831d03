"""Data sets in folders: COCO and YOLO, read and written.

`read_dataset` finds out what a folder holds; `dataset_writer` writes one that appears when it is complete.
"""

from ..enums.datasets import Format, Shapes
from .dataset import (
    Box,
    Dataset,
    DatasetAnnotation,
    DatasetCategory,
    DatasetImage,
    Images,
    Outline,
    Point,
    Whole,
)
from .formats import dataset_writer, find_format, read_dataset, write_dataset
from .writer import Writer, Written

__all__ = [
    "Box",
    "Dataset",
    "DatasetAnnotation",
    "DatasetCategory",
    "DatasetImage",
    "Format",
    "Images",
    "Outline",
    "Point",
    "Shapes",
    "Whole",
    "Writer",
    "Written",
    "dataset_writer",
    "find_format",
    "read_dataset",
    "write_dataset",
]
