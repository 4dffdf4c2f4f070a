"""The picture of a document that was sent: drawn in a process of its own, or not at all.

1. Whoever sends a document may have made it to harm its reader: a process that holds nothing draws
   it, with bounds of its own (`licenses.pages.showing`), and is killed after some seconds.
2. At most two are drawn at once and few wait; a verdict never waits for its picture for long.
3. What has no picture says why, and never shows another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass
from typing import Final

PROGRAM: Final = "licenses.pages.showing"
SECONDS: Final = 12.0
AT_ONCE: Final = 2
MOST_WAITING: Final = 6
GREATEST_DRAWN: Final = 32 << 20
GREATEST_PICTURE: Final = 8 << 20
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH",
                     "PYTHONDONTWRITEBYTECODE")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The first pages, each as a PNG, or why there is none."""

    pictures: tuple[bytes, ...] = ()
    pages: int = 0
    #: PICTURE_NONE, PICTURE_LATE, or what the program said.
    reason: str = ""


class Drawing:
    """Draws for all visitors of one portal."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def first_pages(self, document: bytes) -> Shown:
        """The first pages of an OFD, a PDF, or a bundle's. Never raises on what they hold."""
        if len(document) > GREATEST_DRAWN or self._waiting >= MOST_WAITING:
            return Shown(reason="PICTURE_NONE" if self._waiting < MOST_WAITING else "PICTURE_LATE")
        self._waiting += 1
        try:
            async with asyncio.timeout(SECONDS), self._places:
                return await _drawn(document)
        except TimeoutError:
            return Shown(reason="PICTURE_LATE")
        finally:
            self._waiting -= 1


async def _drawn(document: bytes) -> Shown:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _INHERITED if name in os.environ},
        cwd="/",
        limit=GREATEST_PICTURE,
    )  # fmt: skip
    try:
        out, _ = await process.communicate(document)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return read_pictures(out)


def read_pictures(out: bytes) -> Shown:
    """What the program told; it may have been ended by its own bounds at any byte."""
    found = Shown(reason="PICTURE_NONE")
    while out:
        line, _, out = out.partition(b"\n")
        try:
            told = json.loads(line)
        except ValueError:
            break
        size = int(told.get("size", 0))
        if not 0 < size <= len(out):
            return found if found.pictures else Shown(reason=told.get("reason", found.reason))
        found = Shown(pictures=(*found.pictures, out[:size]), pages=int(told["pages"]))
        out = out[size:]
    return found
