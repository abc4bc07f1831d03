"""Everything that a program can ask its loop for, by resource."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from ..data_classes import Context
from .annotations import Annotations
from .categories import Categories
from .deployment import Deployment
from .detectors import Detectors
from .events import Change, Events
from .http import LoopHttp
from .images import Images
from .models import Models
from .place import Place
from .projects import Projects
from .tokens import Tokens
from .users import Users


class LoopClient:
    """One project at a loop, and the list of all projects.

        async with LoopHttp(settings.loop) as http:
            loop = LoopClient(http)
            for model in await loop.models.list():
                print(model.version, model.formats)

    Without `context`, the project is that of the settings (`LOOP_ORGANIZATION`, `LOOP_PROJECT`).
    """

    def __init__(self, http: LoopHttp, context: Context | None = None) -> None:
        self.http = http
        self.context = context or Context(organization=http.settings.organization, project=http.settings.project)
        place = Place(http, self.context)
        self.projects = Projects(http)
        self.categories = Categories(place)
        self.images = Images(place)
        self.annotations = Annotations(place)
        self.models = Models(place)
        self.deployment = Deployment(place)
        self.detectors = Detectors(place)
        self.users = Users(http)
        self.tokens = Tokens(http)

    def events(self, *subjects: str) -> AsyncGenerator[Change, None]:
        """Changes in this project from now on, of these subjects (`images`, `models`, …) or of all.

            async for change in loop.events("images"):
                print(change.count, "images changed:", change.ids)

        Lost connections are made anew; a change with the subject `missed` says that some could not be told. For other
        places than this project there is `client.events.Events`.
        """
        organization, project = self.context.organization, self.context.project
        return Events(self.http).listen(organization=organization, project=project, subjects=subjects)
