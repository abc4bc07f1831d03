"""Which model the detectors of a project should run, and which they should have run before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..data_classes.codec import from_dict
from ..errors import InvalidRequestError, LoopRefusedError, NoTargetError
from .place import Place, entries_of

PAGE = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentTarget:
    """A model by its id and by its version (`1.3`)."""

    model_uuid: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentEntry(DeploymentTarget):
    """A model that was deployed; `until` is None for the one that is. `user` is who chose it, or `rule`."""

    number: int
    since: str
    until: str | None = None
    user: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeployRule:
    """Whether a model that comes out of a training is deployed by itself.

    With `automatic` it is if its macro F1 on the images of `set` is higher than that of the deployed model by at least
    `min_improvement`, both on the same images, at least `min_images` of them; and if it was never deployed before.
    """

    automatic: bool = False
    min_improvement: float = 0.0
    set: str = "test"
    min_images: int = 10


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

    async def history(self, limit: int | None = None) -> Sequence[DeploymentEntry]:
        """What was deployed, newest first; all of it, or so many. Only our own loop tells."""
        found: list[DeploymentEntry] = []
        before: int | None = None
        while limit is None or len(found) < limit:
            parameters = {"limit": PAGE if limit is None else min(PAGE, limit - len(found))}
            if before is not None:
                parameters["before"] = before
            answer = await self._place.http.json("GET", self._place.path("/deployment/history"), params=parameters)
            found += [from_dict(DeploymentEntry, entry) for entry in entries_of(answer, "deployments")]
            before = answer.get("next")
            if before is None:
                break
        return found

    async def roll_back(self, number: int | None = None) -> DeploymentTarget:
        """Deploy again what this entry of the history names, or the last model before the present one.

        Raises `RefusedError` if there was none.
        """
        body = {"number": number} if number is not None else {}
        path = self._place.path("/deployment/rollback")
        return from_dict(DeploymentTarget, await self._place.http.json("POST", path, json=body))

    async def rule(self) -> DeployRule:
        """Whether a better model is deployed by itself. Only our own loop does that."""
        return from_dict(DeployRule, await self._place.http.json("GET", self._place.path("/deployment/rule")))

    async def set_rule(self, rule: DeployRule) -> DeployRule:
        """Replace the rule; it is applied to each model whose training finishes from now on."""
        path = self._place.path("/deployment/rule")
        return from_dict(DeployRule, await self._place.http.json("PUT", path, json=asdict(rule)))
