"""The converter node: turns the models of a loop from one format into another."""

from .converter_logic import ConverterLogic

__all__ = ["ConverterLogic"]
