"""The verifier's pages: one to drop a file on, one with the answer.

What is sent is judged and forgotten: it is kept in no folder, and its name in no address or log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.node import PART, NodeLink
from portal.pages import page
from portal.verifier.model import answer_of
from runtime.errors import InvalidArgument

LONGEST_NAME: Final = 200
_FIELD: Final = "document"


async def ask(request: Request) -> Response:
    """The page to drop a file on."""
    return page(request, "verifier/ask.html")


async def judge(request: Request) -> Response:
    """The answer to a file that was sent."""
    node: NodeLink = request.app.state.node
    async with request.form(max_files=1, max_fields=1) as form:
        document = form.get(_FIELD)
        if not isinstance(document, UploadFile) or not document.size:
            raise InvalidArgument(
                "choose a file first: an OFD, a PDF, a seal (.esl) or an evidence bundle",
                reason="FILE_REQUIRED",
                message_zh="请先选择文件：OFD、PDF、印章文件（.esl）或证据包",
            )
        verdict = await node.verify_document(document.size, _parts(document))
        name = (document.filename or "")[:LONGEST_NAME]
        size = document.size
    return page(request, "verifier/answer.html", answer=answer_of(verdict), name=name, size=size)


async def _parts(document: UploadFile) -> AsyncIterator[bytes]:
    while part := await document.read(PART):
        yield part


ROUTES: Final = (
    Route("/verify", ask, methods=["GET"]),
    Route("/verify", judge, methods=["POST"]),
)
