"""Models, and which one is deployed."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ...enums import ImageSet
from .conversions import ConversionRecord
from .ground import Asked, ShortText, Wire


class StoredModel(Wire):
    id: str
    version: str


class FormatFile(Wire):
    """The zip with a model in one format."""

    sha256: str
    size_bytes: int
    files: list[str]


class ParentModel(Wire):
    """The model from which a training went on; without a version, if that is gone."""

    id: str
    version: str | None


class ModelRecord(StoredModel):
    """`formats` are the names, `archives` what there is to download for each of them.

    `problems` are the formats that converters could not give to the model, and why. `deployment_decision` says what the
    project's rule made of it, null if it was not up to that.
    """

    host: str
    formats: list[str]
    created: str
    comment: str
    archives: dict[str, FormatFile]
    deployment_decision: str | None = None
    parent: ParentModel | None = None
    training: int | None = Field(default=None, description="The number of the training from which it comes.")
    confusion_matrix: dict[str, Any] | None = Field(
        default=None, description="What its trainer counted last: `tp`, `fp` and `fn` by the ids of categories."
    )
    problems: list[ConversionRecord]


class Models(Wire):
    models: list[ModelRecord]


class Target(Wire):
    """The model that the detectors of a project should run."""

    model_uuid: str
    version: str


class NewTarget(Asked):
    """Either of the two is enough."""

    version: ShortText | None = None
    model_uuid: ShortText | None = None


class DeployRule(Asked):
    """Whether a model that comes out of a training is deployed by itself, and when.

    It is if its macro F1 on the complete images of `set` is higher than that of the deployed model by at least
    `min_improvement`, both on the same images, at least `min_images` of them; and if it was never deployed before.
    """

    automatic: bool = Field(default=False, strict=True)
    min_improvement: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    set: ImageSet = ImageSet.Test
    min_images: int = Field(default=10, ge=1, le=20_000)


class DeploymentRecord(Target):
    """A model that was deployed; `until` is null for the one that is. `user` is who chose it, or `rule`."""

    number: int
    since: str
    until: str | None
    user: str | None


class Deployments(Wire):
    """Newest first. `next` is to be given as `before` for earlier ones; null at the end."""

    deployments: list[DeploymentRecord]
    next: int | None


class Rollback(Asked):
    """Without `number`, the last one of another model than the one that is deployed."""

    number: int | None = Field(default=None, ge=1, le=2**53, description="Of an entry of the history.")
