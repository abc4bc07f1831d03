"""Deploys a new model by itself, where its project says so and the model is better than the one that is deployed."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncSession

from ..errors import NodeError
from ..geometry.matching import macro_f1
from .names import RULE
from .storage import deployments, evaluation, models, projects
from .storage.evaluation import Question
from .storage.tables import ModelRow, ProjectRow
from .wire.models import DeployRule

if TYPE_CHECKING:
    from .loop import Loop

logger = logging.getLogger(__name__)

LONGEST_S = 20.0
"""The trainer waits for an answer meanwhile, those of former versions for 30 s."""

ROUNDING = 1e-9
"""So that 0.9 is 0.1 more than 0.8."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a model is to be deployed, and why, for people."""

    is_yes: bool
    reason: str


def rule_of(project: ProjectRow) -> DeployRule:
    """The rule of a project; one that deploys nothing, if nobody has set any."""
    kept = project.deploy_rule or {}
    return DeployRule.model_validate({name: kept[name] for name in DeployRule.model_fields if name in kept})


async def consider(
    loop: Loop, project: ProjectRow, model: ModelRow, *, longest_s: float = LONGEST_S
) -> Decision | None:
    """Deploy a model that has come out of a training, if the project's rule is in force and the model fulfils it.

    Call it once the trainer has done with it, detections included. The decision is kept with the model and told; None
    says that it was not up to the rule. A failure to decide is a decision, too: it never spoils the training.
    """
    try:
        decision = await _decide(loop, project.id, model.id, longest_s)
    except NodeError as error:
        decision = await _keep(loop, model.id, Decision(False, f"not deployed: could not be compared ({error})"))
    if decision is None:
        return None
    logger.info("%s/%s, model %s: %s", project.organization, project.name, model.version, decision.reason)
    loop.changes.tell("models", project.organization, project.name, [model.id])
    if decision.is_yes:
        loop.changes.tell("deployments", project.organization, project.name, [model.id])
    return decision


async def _decide(loop: Loop, project_id: str, model_id: str, longest_s: float) -> Decision | None:
    """Compare, which may take a while, and only then write; again, if something else was deployed meanwhile."""
    while True:
        async with loop.database.reading() as session:
            project, model = await session.get(ProjectRow, project_id), await session.get(ModelRow, model_id)
            if project is None or project.deleted is not None or model is None or not rule_of(project).automatic:
                return None
            former = await deployments.deployed(session, project.id)
            decision = await _judge(session, project, model, former, longest_s)
        async with loop.database.writing() as session:
            present = await deployments.deployed(session, project_id)
            if (present and present.id) != (former and former.id):
                continue
            await projects.refuse_gone(session, project)
            kept = await models.model_by_id(session, project_id, model_id)
            kept.deployment_decision = decision.reason
            if decision.is_yes:
                await deployments.deploy(session, kept, RULE)
        return decision


async def _keep(loop: Loop, model_id: str, decision: Decision) -> Decision | None:
    async with loop.database.writing() as session:
        model = await session.get(ModelRow, model_id)
        if model is None:
            return None
        model.deployment_decision = decision.reason
    return decision


async def _judge(
    session: AsyncSession, project: ProjectRow, model: ModelRow, former: ModelRow | None, longest_s: float
) -> Decision:
    rule = rule_of(project)
    if not (await models.formats_of(session, [model]))[model.id]:
        return Decision(False, "not deployed: it has no files")
    if await deployments.was_deployed(session, model):
        return Decision(False, "not deployed: it was deployed before, and people decide whether it is again")
    asked = [model] if former is None else [former, model]
    found = await evaluation.compare(session, project, asked, Question(set=rule.set), longest_s=longest_s)
    images = f"{found.compared_count} image{'' if found.compared_count == 1 else 's'} of the set {rule.set.value}"
    if found.compared_count < rule.min_images:
        who = "it was" if former is None else f"both it and {former.version} were"
        return Decision(False, f"not deployed: {who} evaluated on {images}, the rule asks for {rule.min_images}")
    *others, score = (macro_f1(entry.counts) for entry in found.scores)
    if math.isnan(score):
        return Decision(False, f"not deployed: nothing is annotated in the {images} on which it was evaluated")
    if score <= 0:
        return Decision(
            False, f"not deployed: macro F1 {score:.3f} on {images}; it has found nothing that is annotated"
        )
    if former is None:
        return Decision(True, f"deployed: macro F1 {score:.3f} on {images}, and no model was deployed")
    gain = score - others[0]
    told = f"macro F1 {score:.3f} against {others[0]:.3f} of {former.version} on {images}"
    if gain > 0 and gain >= rule.min_improvement - ROUNDING:
        return Decision(True, f"deployed: {told}")
    return Decision(False, f"not deployed: {told}; the rule asks for {rule.min_improvement:g} more")
