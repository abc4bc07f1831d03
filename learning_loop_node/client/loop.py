"""Everything that a program can ask its loop for, by resource."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import cached_property
from typing import TYPE_CHECKING

from ..data_classes import Context
from .deployment import Deployment
from .detectors import Detectors
from .http import LoopHttp
from .models import Models
from .place import Place

if TYPE_CHECKING:
    from .annotation_tools import AnnotationTools
    from .annotations import Annotations
    from .categories import Categories
    from .conversions import Conversions
    from .evaluation import Evaluations
    from .events import Change
    from .images import Images
    from .nodes import Nodes
    from .projects import Projects
    from .tokens import Tokens
    from .trainings import Trainings
    from .users import Users


class LoopClient:
    """One project at a loop, and the list of all projects.

        async with LoopHttp(settings.loop) as http:
            loop = LoopClient(http)
            for model in await loop.models.list():
                print(model.version, model.formats)

    Without `context`, the project is that of the settings (`LOOP_ORGANIZATION`, `LOOP_PROJECT`).
    What a node never asks for is loaded with its first use, so that nodes start sooner.
    """

    def __init__(self, http: LoopHttp, context: Context | None = None) -> None:
        self.http = http
        self.context = context or Context(organization=http.settings.organization, project=http.settings.project)
        self._place = place = Place(http, self.context)
        self.models = Models(place)
        self.deployment = Deployment(place)
        self.detectors = Detectors(place)

    @cached_property
    def projects(self) -> Projects:
        """All projects."""
        from .projects import Projects

        return Projects(self.http)

    @cached_property
    def categories(self) -> Categories:
        """What can be found in images of this project."""
        from .categories import Categories

        return Categories(self._place)

    @cached_property
    def conversions(self) -> Conversions:
        """What converters did with the models of this project."""
        from .conversions import Conversions

        return Conversions(self._place)

    @cached_property
    def images(self) -> Images:
        """The images of this project."""
        from .images import Images

        return Images(self._place)

    @cached_property
    def annotations(self) -> Annotations:
        """What people, and models, have said about them."""
        from .annotations import Annotations

        return Annotations(self._place)

    @cached_property
    def trainings(self) -> Trainings:
        """What is trained for this project."""
        from .trainings import Trainings

        return Trainings(self._place)

    @cached_property
    def evaluations(self) -> Evaluations:
        """How good the models of this project are."""
        from .evaluation import Evaluations

        return Evaluations(self._place)

    @cached_property
    def annotation_tools(self) -> AnnotationTools:
        """Tools with which people annotate."""
        from .annotation_tools import AnnotationTools

        return AnnotationTools(self._place)

    @cached_property
    def users(self) -> Users:
        """Who may log in."""
        from .users import Users

        return Users(self.http)

    @cached_property
    def nodes(self) -> Nodes:
        """Trainers, annotators and converters that are connected, for whichever project."""
        from .nodes import Nodes

        return Nodes(self.http)

    @cached_property
    def tokens(self) -> Tokens:
        """What programs log in with."""
        from .tokens import Tokens

        return Tokens(self.http)

    def events(self, *subjects: str) -> AsyncGenerator[Change, None]:
        """Changes in this project from now on, of these subjects (`images`, `models`, …) or of all.

            async for change in loop.events("images"):
                print(change.count, "images changed:", change.ids)

        Lost connections are made anew; a change with the subject `missed` says that some could not be told. For other
        places than this project there is `client.events.Events`.
        """
        from .events import Events

        organization, project = self.context.organization, self.context.project
        return Events(self.http).listen(organization=organization, project=project, subjects=subjects)
