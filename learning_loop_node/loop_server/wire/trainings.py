"""How the models of a project came to be."""

from __future__ import annotations

from .ground import Wire


class ChartPoint(Wire):
    """A model in a chart."""

    model_id: str
    version: str
    created: str


class Chart(Wire):
    """Models that belong together, the newest first."""

    data: list[ChartPoint]


class Charts(Wire):
    charts: list[Chart]
