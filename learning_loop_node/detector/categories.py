"""Old path of `data_classes.categories`."""

from ..data_classes.categories import category_by_index, category_by_name

__all__ = ["category_by_index", "category_by_name"]
