"""Runs an iterator in a process of its own, one item ahead of who uses them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from ..errors import ChildCrashedError, ChildFailedError, NotPicklableError
from .threads import OwnThreads, io_bound

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Item:
    value: Any


@dataclass(frozen=True, slots=True)
class _Raised:
    """Carries what the iterator raised, or where that cannot be pickled, its text."""

    error: Exception | None
    text: str


class _End:
    """Nothing follows."""


@asynccontextmanager
async def iterator_cpu_bound(
    it: Callable[P, Iterator[T]], *args: P.args, **kwargs: P.kwargs
) -> AsyncIterator[AsyncGenerator[T, None]]:
    """The items that `it(*args, **kwargs)` yields in another process, which leaves ours free meanwhile.

        async with iterator_cpu_bound(batches, folder) as items:
            async for item in items: ...

    The next item is made while one is used, and no more. What the iterator raises is raised here; leaving the block
    ends the process at once. The function, its arguments and the items have to be picklable. Raises
    `NotPicklableError` if the function cannot be handed over, `ChildCrashedError` if the process ends in between.
    """
    name = getattr(it, "__name__", "iterator")
    context = multiprocessing.get_context("spawn")  # a fork would have our locks, threads and GPU
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, it, args, kwargs), name=name, daemon=True)
    threads = OwnThreads(f"items of {name}")
    try:
        await io_bound(_start, process, name)
        theirs.close()
        items = _received(ours, process, threads, name)
        try:
            yield items
        finally:
            await items.aclose()
    finally:
        theirs.close()
        if process.pid is not None:
            process.kill()
            await io_bound(process.join)
            process.close()
        await threads.aclose()
        ours.close()


async def _received(
    connection: Connection, process: multiprocessing.process.BaseProcess, threads: OwnThreads, name: str
) -> AsyncGenerator[Any, None]:
    while True:
        try:
            message = await threads.run(connection.recv)
        except (EOFError, ConnectionError):
            await io_bound(process.join)
            raise ChildCrashedError(_how_it_ended(name, process.exitcode)) from None
        match message:
            case _Item(value):
                connection.send(None)
                yield value
            case _Raised(Exception() as error, text):
                error.add_note(f"in the process of {name}:\n{text}")
                raise error
            case _Raised(_, text):
                raise ChildFailedError(f"{name} failed: {text}")
            case _:
                return


def _start(process: Any, name: str) -> None:
    try:
        process.start()
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NotPicklableError(
            f"{name} cannot run in a process of its own: {error}; give a function at the top of a module, and "
            "arguments that can be pickled"
        ) from error


def _how_it_ended(name: str, status: int | None) -> str:
    if status == -signal.SIGKILL:
        return f"the process of {name} was killed, perhaps since memory ran out; make its items smaller"
    how = f"by signal {-status}" if status is not None and status < 0 else f"with status {status}"
    return f"the process of {name} ended {how} before its last item"


def _run(connection: Connection, it: Callable[..., Iterator[Any]], args: Any, kwargs: Any) -> None:
    """What the other process does: send an item, and make the next one once it has arrived."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who uses the items, who ends us then
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):  # nobody wants more
        for message in _messages(it, args, kwargs):
            try:
                connection.send(message)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                connection.send(_raised(error))
                return
            connection.recv()


def _messages(it: Callable[..., Iterator[Any]], args: Any, kwargs: Any) -> Iterator[Any]:
    try:
        for item in it(*args, **kwargs):
            yield _Item(item)
    except Exception as error:
        yield _raised(error)
    else:
        yield _End()


def _end_with_parent() -> None:
    """Do not go on for hours when our parent was killed; between two items we would notice it ourselves."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)


def _raised(error: Exception) -> _Raised:
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # exceptions with a constructor of their own often fail here, with whatever it raises
        return _Raised(None, text)
    return _Raised(error, text)
