"""Downloads what a training learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..client.data_exchanger import DataExchanger
from ..runtime.threads import io_bound


class TrainingsDownloader:
    """The images of a project that a query selects, by default those in the state `complete`."""

    def __init__(self, data_exchanger: DataExchanger, data_query_params: str | None = "state=complete") -> None:
        self.data_exchanger = data_exchanger
        self.data_query_params = data_query_params

    async def download_training_data(self, image_folder: str) -> tuple[list[dict[str, Any]], int]:
        """What the loop knows about the images that are in the folder now, and how many could not be used."""
        image_ids = await self.data_exchanger.fetch_image_uuids(query_params=self.data_query_params)
        return await self.download_images_and_annotations(image_ids, image_folder)

    async def download_images_and_annotations(
        self, image_ids: list[str], image_folder: str
    ) -> tuple[list[dict[str, Any]], int]:
        """The same for images that are chosen by id."""
        image_data = await self.data_exchanger.download_images_data(image_ids)
        await self.data_exchanger.download_images([str(image["id"]) for image in image_data], image_folder)
        usable = await io_bound(_with_file, image_data, Path(image_folder))
        return usable, len(image_ids) - len(usable)


def _with_file(image_data: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    there = {file.stem for file in folder.glob("*.jpg")}
    return [image for image in image_data if image["id"] in there]
