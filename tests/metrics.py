"""Reads `/metrics` as Prometheus does."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


class Samples:
    """What one look at the metrics has shown."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._samples = [sample for family in self.families.values() for sample in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """The sum over all samples of this name that have these labels; 0 if there is none."""
        return sum(sample.value for sample in self._samples if sample.name == name and has(sample.labels, labels))

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The same for each value of a label."""
        found = [sample.labels for sample in self._samples if sample.name == name and has(sample.labels, labels)]
        return {value: self.sum(name, **labels | {label: value}) for value in sorted({entry[label] for entry in found})}


async def samples_of(url: str, **options: str) -> Samples:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics", headers=options) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/plain"
        return Samples(await answer.text())


def has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())
