"""Calling the PDF library's coroutines, which wait for nothing once nothing may be fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_T = TypeVar("_T")


def run(make: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """The coroutine's result, also when this thread already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(lambda: asyncio.run(make())).result()
