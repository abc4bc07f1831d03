"""What somebody who has a tool for annotating implements."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from ..data_classes import ToolOutput, UserInput

if TYPE_CHECKING:
    from .annotator_node import AnnotatorNode


class AnnotatorLogic:
    """A tool with which people annotate. Derive from it; its methods are called in this order:

    1. `init(node)`: once, when the node is made.
    2. `create_empty_history()`: before the first input of a person, and after Escape or an error.
    3. `handle_user_input(user_input, history)`: for each input. Those of one person come one after the other, those of
       different people at the same time. The image is in the folder of the node by then.
    4. `logout_user(sid)`: when a person has left, or has done nothing for long.

        class Dot(AnnotatorLogic):
            async def handle_user_input(self, user_input: UserInput, history: dict[str, Any]) -> ToolOutput:
                at = user_input.data.coordinate
                return ToolOutput(svg=f'<circle cx="{at.x}" cy="{at.y}" r="3"/>')

    What takes longer than a moment belongs into a thread (`runtime.threads`), so that other people do not wait for it.
    """

    _node: AnnotatorNode | Any = None

    def init(self, node: AnnotatorNode) -> None:
        """Get to know the node; `node.download_image` and `node.image_file` bring and find images."""
        self._node = node

    def create_empty_history(self) -> dict[str, Any]:
        """What the tool remembers of a person before the first input; it may put into it whatever it wants."""
        return {}

    @abstractmethod
    async def handle_user_input(self, user_input: UserInput, history: dict[str, Any]) -> ToolOutput:
        """What to draw over the image, as SVG in its pixels, and the annotation once it is finished.

        Whatever this raises is told to the person, and the history begins anew.
        """
        raise NotImplementedError(f"{type(self).__name__} has no handle_user_input")

    def logout_user(self, sid: str) -> bool:
        """Forget a person, given by their `frontend_id`; returns whether that went well."""
        return True
