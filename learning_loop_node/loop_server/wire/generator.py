"""Projects with drawn images, for tests and to try things out."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ...enums import CategoryType
from ...generator.scenes import Style
from .ground import Wire
from .projects import ProjectRecord

ImageCount = Annotated[int, Field(ge=0, le=2000)]
KindCount = Annotated[int, Field(ge=0, le=50)]
ThingCount = Annotated[int, Field(ge=0, le=50)]

MAX_IMAGES = 2000


class GeneratorRequest(Wire):
    """How a generated project should be. Everything but its name may be missing.

    There are as many images as the states say together. Each shows at least one thing per category and has its
    `…_detections` by the newest model, close to what is there. Without `…_annotations` everything is annotated in the
    states review and complete, else as many things in each image. `categories`, `detections` and `annotations` are
    older names: for boxes, boxes, and every kind.
    """

    project_name: str
    inbox: ImageCount = 0
    annotate: ImageCount = 0
    review: ImageCount = 0
    complete: ImageCount = 0
    image_style: Style = Style.Plain
    box_categories: KindCount = 0
    point_categories: KindCount = 0
    segmentation_categories: KindCount = 0
    classification_categories: KindCount = 0
    box_detections: ThingCount = 0
    point_detections: ThingCount = 0
    segmentation_detections: ThingCount = 0
    classification_detections: ThingCount = 0
    box_annotations: ThingCount | None = None
    point_annotations: ThingCount | None = None
    segmentation_annotations: ThingCount | None = None
    classification_annotations: ThingCount | None = None
    tags: KindCount = Field(default=0, description="So many different tags; each image has one of them.")
    trainings: KindCount = Field(default=0, description="So many models in the format `mocked`.")
    thumbs: bool = Field(default=False, description="Understood; the loop makes thumbnails when they are asked for.")
    skeleton: bool = Field(default=False, description="Understood; there are none.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Another one gives other pictures and other ids.")
    width: int = Field(default=640, ge=64, le=4096)
    height: int = Field(default=480, ge=64, le=4096)

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        kinds = [kind.value for kind in CategoryType]
        older = {
            "categories": ["box_categories"],
            "detections": ["box_detections"],
            "annotations": [f"{kind}_annotations" for kind in kinds],
        }
        added = {name: values[key] for key, names in older.items() if key in values for name in names}
        return added | values

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        count = self.inbox + self.annotate + self.review + self.complete
        if count > MAX_IMAGES:
            raise ValueError(f"{count} images; at most {MAX_IMAGES} are made at once")
        return self

    def count_of(self, kind: CategoryType, what: str) -> int | None:
        """One of the counts: `what` is `categories`, `detections` or `annotations`."""
        count: int | None = getattr(self, f"{kind.value}_{what}")
        return count


class GeneratedProject(ProjectRecord):
    """What was made. `models` are the versions of the models, oldest first."""

    image_ids: list[str]
    models: list[str]
