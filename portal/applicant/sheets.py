"""The sheets of a license or of a copy as pictures: drawn when they are asked for, and kept.

1. Who opens the page has the first ones drawn at once; a browser asks for the others when they come
   into sight, or are to be printed. The page itself waits for none.
2. A picture that was drawn before is shown only after the node said that the session lasts, and for
   five minutes. As long is the file kept of which more sheets may be asked for: to open it is a
   look, which is told of once.
3. One sheet is drawn at a time: PDFium does no two, and whoever waits takes no thread meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from portal.applicant.asking import Asking
from portal.applicant.pictures import drawn_sheet, sizes_of
from portal.sessions.keeping import Person

#: Seconds for which a drawn picture is shown again.
KEPT: Final = 300
#: So many sheets are drawn before they are asked for.
AT_ONCE: Final = 2
#: A larger file is not kept, but read anew for each of its sheets.
GREATEST_KEPT: Final = 4 << 20
_FILE: Final = 0
_Drawings = dict[tuple[str, str, int], asyncio.Task[bytes]]


async def begin(
    request: Request, person: Person, name: str, document: bytes
) -> list[tuple[int, int]]:
    """Width and height of a file's sheets, of which the first ones begin to be drawn."""
    sizes = await asyncio.to_thread(sizes_of, document)
    if len(sizes) > 1 and len(document) <= GREATEST_KEPT:
        keep(person, name, _FILE, document)
    for number in range(1, min(len(sizes), AT_ONCE) + 1):
        if _kept(person, name, number) is None:
            _drawing(request, person, name, document, number)
    return sizes


async def picture(
    request: Request, person: Person, name: str, ask: Asking, read: Callable[[], Awaitable[bytes]]
) -> Response:
    """The sheet that the address asks for, PNG; the first one where it asks for none."""
    number = _number(request)
    begun = _drawings(request).get((person.account, name, number))
    if begun is not None:
        await asyncio.wait([begun])
    drawn = await kept(person, name, number, ask)
    if drawn is None:
        document = await kept(person, name, _FILE, ask) or await read()
        try:
            drawn = await asyncio.shield(_drawing(request, person, name, document, number))
        except IndexError:
            raise HTTPException(404) from None
    return Response(drawn, media_type="image/png", headers={"Cache-Control": "no-store"})


def _number(request: Request) -> int:
    asked = request.query_params.get("sheet", "1")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 4 and int(asked)):
        raise HTTPException(404)
    return int(asked)


def _drawings(request: Request) -> _Drawings:
    """Pictures that are being drawn, by account, name and sheet."""
    state = request.app.state
    if not hasattr(state, "drawings"):
        state.drawings, state.drawing = {}, asyncio.Lock()
    held: _Drawings = state.drawings
    return held


def _drawing(
    request: Request, person: Person, name: str, document: bytes, number: int
) -> asyncio.Task[bytes]:
    """A sheet that is being drawn from now on, if it is not yet."""
    drawings, place = _drawings(request), (person.account, name, number)
    one_at_a_time: asyncio.Lock = request.app.state.drawing

    async def draw() -> bytes:
        async with one_at_a_time:
            drawn = await asyncio.to_thread(drawn_sheet, document, number)
        keep(person, name, number, drawn)
        return drawn

    def over(done: asyncio.Task[bytes]) -> None:
        drawings.pop(place, None)
        if not done.cancelled():
            done.exception()  # who asks for the picture tries again, and is told

    if place not in drawings:
        drawings[place] = asyncio.create_task(draw())
        drawings[place].add_done_callback(over)
    return drawings[place]


def keep(person: Person, name: str, number: int, drawn: bytes) -> None:
    """Keep a picture for as long as rule 2 says."""
    person.keep_picture(_place(name, number), drawn)


async def kept(person: Person, name: str, number: int, ask: Asking) -> bytes | None:
    """A picture that was kept, after the node was asked whether the session lasts."""
    drawn = _kept(person, name, number)
    if drawn is not None:
        await ask.lasts()
    return drawn


def _kept(person: Person, name: str, number: int) -> bytes | None:
    return person.pictures.get(_place(name, number))


def _place(name: str, number: int) -> tuple[str, int]:
    return f"{name} {number}", int(time.monotonic()) // KEPT
