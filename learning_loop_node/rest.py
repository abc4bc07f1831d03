"""Old path of the routes that every node has; a node adds them itself, so including this router adds nothing."""

from fastapi import APIRouter

router = APIRouter()
