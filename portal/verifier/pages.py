"""The verifier's pages: one that takes a code, a QR code or a file, and one with the answer.

1. What is sent is judged and forgotten: it is kept in no folder, and neither its name nor a code
   stands in an address or a log. The answer is kept for a while, for who got it (`portal.answers`).
   A file that is larger than memory should hold waits on disk while it is judged, without a name.
2. A visitor is nobody the node knows: what they learn of a license is what the node tells the
   portal, and the holder sees the look as a visitor's. Who is signed in for a department asks in
   its name, by a form with their session's token, and says what for wherever a look at a license
   would be recorded: nobody asks as a visitor by leaving that out.
3. Who asks too much is told so before anything is read (`limits`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from starlette.datastructures import FormData, UploadFile
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.answers import COOKIE
from portal.node import PART, NodeLink
from portal.pages import SCOPE_FILES, InLanguage, known, language_of, page, picture, to_save
from portal.sessions.keeping import Person, check_form_token, person_of
from portal.sessions.kept import note_files
from portal.verifier.asking import GREATEST_LICENSE, Asking, is_offline
from portal.verifier.coded import answer_to_code, with_license
from portal.verifier.downloads import (
    GREATEST_DOWNLOAD,
    ZIP,
    enclosed_in,
    not_verifiable,
    records_of,
    together,
)
from portal.verifier.limits import Visitors
from portal.verifier.model import Answer, Light, answer_of
from portal.verifier.offline import OfflinePages
from portal.verifier.pictures import GREATEST_DRAWN, Drawing, Shown
from portal.verifier.recorded import answer_to_record
from runtime.clock import CHINA
from runtime.errors import DomainError, InvalidArgument, Unauthenticated
from runtime.identity import Role
from seal.v1 import seal_pb2

LONGEST_NAME: Final = 200
LONGEST_CODE: Final = 8_000
LONGEST_PURPOSE: Final = 200
LONGEST_TIME: Final = 30
GREATEST_RECORD: Final = 3 * 1024 * 1024
_FIELD: Final = "document"
_EVIDENCE: Final = "EVIDENCE"
_HEAD: Final = 64
_IN_VAIN: Final = frozenset({"CODE_UNKNOWN", "FOREIGN_KEY", "SIGNATURE_WRONG", "QR_UNREADABLE"})
#: Which field a refusal is about, if not the code.
_FIELDS: Final = {
    "BAD_TEXT": "purpose",
    "PURPOSE_REQUIRED": "purpose",
    "BAD_HOLDER_CODE": "card",
    "BAD_TIME": "as_of",
}
_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z \t-]{20,48}")
#: How every identifier of GB/T 36904 begins.
_IDENTIFIER: Final = "1.2.156.3005.2"
#: Why a file is none that can be judged.
_NONE_OF_OURS: Final = frozenset({"NOT_VERIFIABLE", "PHOTO_NOT_VERIFIED"})
#: Says an answer in a language.
Answering = Callable[[str], Answer]
_PHOTOS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")


class Verifying:
    """What the pages share: the questions, the bounds, and who draws."""

    def __init__(self, node: NodeLink) -> None:
        self.node = node
        self.asking = Asking(node)
        self.visitors = Visitors()
        self.drawing = Drawing()
        self.offline = OfflinePages(self.asking)


async def ask(request: Request) -> Response:
    """The page that takes a code or a file."""
    asked = page(
        request, "verifier/ask.html", code="", purpose="", as_of="", file_purpose="", file_as_of=""
    )
    return asked if request.cookies.get(COOKIE) else known(asked)


async def judge_code(request: Request) -> Response:
    """The answer to a code that was typed or scanned."""
    room, address = _room(request), _address(request)
    room.visitors.begin(address, code=True)
    async with request.form(max_files=0, max_fields=6) as form:
        code, purpose = _text(form, "code", LONGEST_CODE), _text(form, "purpose", LONGEST_PURPOSE)
        card, token = _text(form, "card", 40).upper(), form.get("token")
        then = _text(form, "as_of", LONGEST_TIME)
    try:
        as_of, person = _time(then), _asker(request, token)
        _check_code(code)
        _check_purpose(person, purpose)
        visitor = room.visitors.word(address)
        found = await room.asking.code(code, purpose, card, visitor, person, as_of)
    except (InvalidArgument, Unauthenticated) as error:
        # What they typed stands there again, but for the number of a person.
        typed = "" if is_offline(code) else code
        return page(
            request, "verifier/ask.html", error=error, code=typed, purpose=purpose, as_of=then,
            file_purpose="", file_as_of="",
            wrong=_FIELDS.get(error.reason, "code"), status=_status(error),
        )  # fmt: skip
    if found.verdict.sub_indication in _IN_VAIN:
        room.visitors.in_vain(address)
    names = await room.asking.names(found.license_type_display_name)
    fields = await room.asking.fields(found.license_type_display_name)

    def answer(language: str) -> Answer:
        return answer_to_code(
            found, names, fields, english=language == "en", card_seen=bool(card),
            past=as_of is not None,
        )  # fmt: skip

    return _answered(request, answer, kind="qr" if is_offline(code) else "code")


async def judge_file(request: Request) -> Response:
    """The answer to a file that was sent."""
    room, address = _room(request), _address(request)
    room.visitors.begin(address)
    async with room.visitors.file(), request.form(max_files=1, max_fields=4) as form:
        note_files(request, form)
        try:
            return await _judge_file(request, room, form, room.visitors.word(address))
        except (InvalidArgument, Unauthenticated) as error:
            if error.reason in _NONE_OF_OURS:
                request.scope.pop(SCOPE_FILES)  # nothing comes of choosing it again
            purpose = _text(form, "purpose", LONGEST_PURPOSE)
            wrong = f"file-{_FIELDS[error.reason]}" if error.reason in _FIELDS else _FIELD
            return page(
                request, "verifier/ask.html", error=error, code="", purpose="", as_of="",
                file_purpose=purpose, file_as_of=_text(form, "as_of", LONGEST_TIME), wrong=wrong,
                status=_status(error),
            )  # fmt: skip


async def _judge_file(request: Request, room: Verifying, form: FormData, visitor: str) -> Response:
    """Raises InvalidArgument where there is nothing to judge, or nobody said what for."""
    document = form.get(_FIELD)
    if not isinstance(document, UploadFile) or not document.size:
        raise InvalidArgument(
            "choose a file first: an OFD, a PDF, a receipt, a seal (.esl) or a bundle of evidence",
            reason="FILE_REQUIRED",
            message_zh="请先选择文件：OFD、PDF、回执、印章文件（.esl）或证据包",
        )
    purpose = _text(form, "purpose", LONGEST_PURPOSE)
    name, size = (document.filename or "")[:LONGEST_NAME], document.size
    head = await document.read(_HEAD)
    await document.seek(0)
    if head.startswith(_PHOTOS):
        raise InvalidArgument(
            "this is a photo: only sealed files and receipts can be verified so; to read a "
            "QR code from a picture, choose it under “Scan a code”",
            reason="PHOTO_NOT_VERIFIED",
            message_zh="这是一张图片：此处只核验签章文件和回执；如需识别图片中的二维码，请在“扫码”处选择图片",
        )
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        records = [(name, await document.read(GREATEST_RECORD + 1))]
    elif head.startswith(ZIP) and size <= GREATEST_DOWNLOAD:
        records = await asyncio.to_thread(records_of, document.file, GREATEST_RECORD)
        await document.seek(0)
    else:
        records = []
    if records:
        answer = await _recorded(room, records)
        return _answered(request, answer, kind="record", name=name, size=size)
    as_of, person = _time(_text(form, "as_of", LONGEST_TIME)), _asker(request, form.get("token"))
    answer, shown = await _judged(room, document, purpose, visitor, person, as_of)
    return _answered(request, answer, kind="file", name=name, size=size, shown=shown)


def _asker(request: Request, token: object) -> Person | None:
    """Who asks in a department's name: signed in for one, by their own form."""
    person = person_of(request)
    if person is None:
        return None
    if not (person.has(Role.DEPARTMENT) or person.has(Role.COUNTER)):
        return None
    check_form_token(person, token)
    return person


def _status(error: DomainError) -> int:
    return 403 if isinstance(error, Unauthenticated) else 0  # of a form of an earlier session


def _time(text: str) -> datetime | None:
    """A past minute as a field of a form has it, in China's time; None where there is none.

    Raises InvalidArgument, BAD_TIME.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text).replace(tzinfo=CHINA)
    except ValueError:
        found = None
    if found is None or found > datetime.now(UTC):
        raise InvalidArgument(
            "the time asked about is a past one, such as 2026-01-31 09:00, in China's time",
            reason="BAD_TIME",
            message_zh="所问时间应为过去的时间（北京时间），如 2026-01-31 09:00",
        )
    return found


def _check_purpose(person: Person | None, purpose: str) -> None:
    """Raises InvalidArgument (PURPOSE_REQUIRED) where a department looks and says not what for."""
    if person is not None and not purpose:
        raise InvalidArgument(
            "you are signed in for your department, and verify a license in its name: say what you "
            "need it for, as its holder sees who looked and what for",
            reason="PURPOSE_REQUIRED",
            message_zh="您已登录，将以所在部门的名义核验证照：请填写核验用途，持证人会看到核验部门和用途",
        )


def _check_code(code: str) -> None:
    """Raises InvalidArgument: CODE_REQUIRED, IDENTIFIER_SCANNED, NOT_A_CODE."""
    if not code:
        raise InvalidArgument(
            "scan a code, or type the one that you were shown",
            reason="CODE_REQUIRED",
            message_zh="请扫描二维码，或输入对方出示的亮证码",
        )
    if code.startswith(_IDENTIFIER):
        raise InvalidArgument(
            "this is the identifier that is printed on the license, and proves nothing: ask the "
            "holder to present the license, or verify its file",
            reason="IDENTIFIER_SCANNED",
            message_zh="这是印在证照上的标识，任何人都可以抄录：请持证人出示亮证码，或核验证照文件",
        )
    if not is_offline(code) and not _CODE.fullmatch(code):
        raise InvalidArgument(
            "this is no code of a license: one has 26 letters and digits",
            reason="NOT_A_CODE",
            message_zh="这不是亮证码：亮证码为 26 位字母和数字",
        )


async def offline(request: Request) -> Response:
    """The page that verifies without a network, as one file, of this moment."""
    room = _room(request)
    room.visitors.begin(_address(request))
    text = await room.offline.page(language_of(request))
    return to_save(text, "text/html; charset=utf-8", "tongban-verify.html")


async def _recorded(room: Verifying, records: list[tuple[str, bytes]]) -> Answering:
    """What proofs of the log are worth: of one file, or of all in a download."""
    departments = await room.asking.departments()
    found = [(name, await room.asking.record(data)) for name, data in records]

    def answer(language: str) -> Answer:
        english = language == "en"
        answers = [
            (name, answer_to_record(one, departments, english=english)) for name, one in found
        ]
        return answers[0][1] if len(answers) == 1 else together(answers)

    return answer


async def _judged(
    room: Verifying,
    document: UploadFile,
    purpose: str,
    visitor: str,
    person: Person | None,
    as_of: datetime | None,
) -> tuple[Answering, Shown]:
    """Seal, picture, and where it is a license of this node, what that is worth now."""
    size = document.size or 0
    verdict = await room.node.verify_document(size, _parts(document))
    if verdict.reason == "DOCUMENT_FORMAT":
        raise not_verifiable()
    sealed, found = answer_of(verdict), None
    if sealed.light is not Light.RED and (data := await _license_in(document, verdict)):
        _check_purpose(person, purpose)
        found = await room.asking.license(data, purpose, visitor, person, as_of)

    def answer(language: str) -> Answer:
        if found is None:
            return sealed
        english = language == "en"
        return with_license(
            sealed, found, english=english, asked=bool(purpose), named=person is not None,
            past=as_of is not None,
        )  # fmt: skip

    if size > GREATEST_DRAWN:
        return answer, Shown(reason="PICTURE_NONE")
    await document.seek(0)
    return answer, await room.drawing.first_pages(await document.read(size))


async def _license_in(document: UploadFile, verdict: seal_pb2.Verdict) -> bytes:
    """What may be a license: the file, or the document in a bundle of evidence; else empty."""
    await document.seek(0)
    if verdict.document_format == _EVIDENCE:
        return await asyncio.to_thread(enclosed_in, document.file, GREATEST_LICENSE)
    size = document.size or 0
    return await document.read(size) if size <= GREATEST_LICENSE else b""


def _answered(
    request: Request,
    answer: Answering,
    *,
    kind: str,
    name: str = "",
    size: int = 0,
    shown: Shown | None = None,
) -> Response:
    return page(
        request,
        "verifier/answer.html",
        answer=InLanguage(answer),
        kind=kind,
        name=name,
        size=size,
        shown=shown and replace(shown, pictures=()),
        pictures=tuple(map(picture, shown.pictures)) if shown else (),
        at=datetime.now(UTC),
        host=request.url.netloc,
    )


async def _parts(document: UploadFile) -> AsyncIterator[bytes]:
    while part := await document.read(PART):
        yield part


def _text(form: FormData, name: str, most: int) -> str:
    found = form.get(name, "")
    return found.strip()[:most] if isinstance(found, str) else ""


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _room(request: Request) -> Verifying:
    found: Verifying = request.app.state.verifying
    return found


ROUTES: Final = (
    Route("/verify", ask, methods=["GET"]),
    Route("/verify", judge_file, methods=["POST"]),
    Route("/verify/code", judge_code, methods=["POST"]),
    # Nothing in it is secret, and nothing of a request is repeated in it: so it may be compressed.
    Route(
        "/verify/offline.html", offline, methods=["GET"], middleware=[Middleware(GZipMiddleware)]
    ),
)
