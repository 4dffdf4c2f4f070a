"""A form that was not taken: what was typed is given back to who typed it, and is not lost.

So it is where the session was over, and where a file was too large. Files are not given back: it is
told by their names which to choose again.

1. The answer shows what was typed and sends it on only at its reader's own click, with the token of
   the session that they have then. Nothing of it is kept here meanwhile.
2. Only what a page of this portal sent is given back: the browser says that it did
   (`Sec-Fetch-Site`). What says nothing of where it comes from is refused as ever.
3. What signs somebody in, a password or a code, is never given back, and no form that holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from portal.pages import SCOPE_FILES, page
from runtime.errors import DomainError

#: Where a request's scope keeps what its form held.
SCOPE_SENT: Final = "tongban.sent"
GREATEST_FILES: Final = 1100
GREATEST_FIELDS: Final = 100
LONGEST_NAME: Final = 200
GREATEST_TEXT: Final = 65_536
_PLACES: Final = ("/my/", "/office/", "/data/", "/audit/")
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_SECRET: Final = frozenset({"password", "new_password", "passkey", "options", "flow"})
#: What a form carries for the portal itself.
_OURS: Final = frozenset({"token", "request_id"})
#: What people type, English and Chinese; choices by tick are carried on and not shown.
_TYPED: Final[Mapping[str, tuple[str, str]]] = {
    "purpose": ("What for", "用途"),
    "receiver": ("For whom", "提供给"),
    "agent_name": ("The agent's name", "受托人姓名"),
    "agent_code": ("The agent's number", "受托人号码"),
    "until": ("Last day", "截止日"),
    "valid_to": ("Last day", "截止日"),
    "statement": ("In your words", "情况说明"),
    "answer": ("Answer", "答复"),
    "basis": ("By law", "依据"),
    "reason": ("Reason", "理由"),
    "note": ("Note", "说明"),
    "text": ("Text", "内容"),
    "title": ("Title", "标题"),
    "refusal": ("Reason", "理由"),
}
_ENTRY: Final = "entry-"
_ENTERED: Final = ("You entered", "您填写")


async def read(request: Request) -> None:
    """Note what a form held, where it may be given back; what it holds else is not read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMS or not _may_be_given_back(request):
        return
    try:
        async with request.form(
            max_files=GREATEST_FILES, max_fields=GREATEST_FIELDS, max_part_size=GREATEST_TEXT
        ) as form:
            note(request, form)
    except HTTPException:
        return  # more than any form of ours has


def note(request: Request, form: FormData) -> None:
    """The same, of a form that was read already; and the names of its files."""
    sent = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    note_files(request, form)
    if _may_be_given_back(request) and _SECRET.isdisjoint(name for name, _ in sent):
        request.scope[SCOPE_SENT] = [one for one in sent if one[0] != "token"]


def note_files(request: Request, form: FormData) -> None:
    """Note what files of a form are called, to be told which to choose again."""
    request.scope[SCOPE_FILES] = [
        (name, called(value))
        for name, value in form.multi_items()
        if not isinstance(value, str) and value.filename
    ]


def called(file: UploadFile) -> str:
    """What a browser calls a file: a word to show, never a path."""
    return (file.filename or "").replace("\\", "/").rpartition("/")[2][:LONGEST_NAME]


def given_back(
    request: Request, *, signed_in: bool, error: DomainError | None = None
) -> Response | None:
    """The page with what was typed; None where nothing was, or may be.

    `error`: why it was not taken, where that is not the session.
    """
    sent: list[tuple[str, str]] = request.scope.get(SCOPE_SENT) or []
    files = request.scope.get(SCOPE_FILES) if SCOPE_SENT in request.scope else None
    if not files and not any(name not in _OURS for name, _ in sent):
        return None
    return page(
        request,
        "kept.html",
        status=422 if error else 403,
        error=error,
        files=_by_field(files or []),
        sent=sent,
        typed=[
            (*(_ENTERED if name.startswith(_ENTRY) else _TYPED[name]), value)
            for name, value in sent
            if value.strip() and (name in _TYPED or name.startswith(_ENTRY))
        ],
        signed_in=signed_in,
    )


def _by_field(files: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for field, name in files:
        found.setdefault(field, []).append(name)
    return found


def _may_be_given_back(request: Request) -> bool:
    ours = request.headers.get("sec-fetch-site") == "same-origin"
    return ours and request.method == "POST" and request.url.path.startswith(_PLACES)
