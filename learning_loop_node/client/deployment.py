"""Which model the detectors of a project should run."""

from __future__ import annotations

from dataclasses import dataclass

from ..data_classes.codec import from_dict
from ..errors import InvalidRequestError, LoopRefusedError, NoTargetError
from .place import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentTarget:
    """A model by its id and by its version (`1.3`)."""

    model_uuid: str
    version: str


class Deployment:
    """The deployment target of a project."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def target(self) -> DeploymentTarget | None:
        """The model that should run, None if nobody has chosen one.

        Our loop says by `NotFoundError` that there is no such project. Others answer 404 for both; then it is None.
        """
        try:
            answer = await self._place.http.json("GET", self._place.path("/deployment/target"))
        except NoTargetError:
            return None
        except LoopRefusedError as error:
            if error.status == 404:
                return None
            raise
        return from_dict(DeploymentTarget, answer)

    async def set(self, *, version: str | None = None, model_uuid: str | None = None) -> DeploymentTarget:
        """Let the detectors run this model, given by one of the two."""
        if (version is None) == (model_uuid is None):
            raise InvalidRequestError("name the model by its version or by its id")
        body = {"version": version} if version is not None else {"model_uuid": model_uuid}
        return from_dict(
            DeploymentTarget, await self._place.http.json("PUT", self._place.path("/deployment/target"), json=body)
        )
