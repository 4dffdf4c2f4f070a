"""A thread for one act, so that what libraries keep for each thread goes when the act is done.

lxml keeps every XML name that a thread has met until the thread ends: whoever judges files of
strangers in a thread that lives on gives each of them memory for good.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

_T = TypeVar("_T")


def in_passing_thread(act: Callable[[], _T]) -> _T:
    """What `act` returns or raises, done in a thread of its own; it sees the context variables."""
    future: Future[_T] = Future()
    context = copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(act))
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            future.set_exception(error)

    thread = Thread(target=run, name="passing")
    thread.start()
    thread.join()
    return future.result()
