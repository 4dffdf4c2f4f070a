"""A form whose session was over: what was typed is given back to who typed it, and is not lost.

1. The answer shows what was typed and sends it on only at its reader's own click, with the token of
   the session that they have then. Nothing of it is kept here meanwhile.
2. Only what a page of this portal sent is given back: the browser says that it did
   (`Sec-Fetch-Site`). What says nothing of where it comes from is refused as ever.
3. What signs somebody in, a password or a code, is never given back, and no form that holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from portal.pages import page

#: Where a request's scope keeps what its form held.
SCOPE_SENT: Final = "tongban.sent"
GREATEST_FIELDS: Final = 100
GREATEST_TEXT: Final = 65_536
_PLACES: Final = ("/my/", "/office/", "/data/", "/audit/")
_FORM: Final = "application/x-www-form-urlencoded"
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
    if kind != _FORM or not _may_be_given_back(request):
        return
    try:
        async with request.form(
            max_files=0, max_fields=GREATEST_FIELDS, max_part_size=GREATEST_TEXT
        ) as form:
            note(request, [(name, str(value)) for name, value in form.multi_items()])
    except HTTPException:
        return  # more than any form of ours has


def note(request: Request, sent: list[tuple[str, str]]) -> None:
    """The same, of a form that was read already."""
    if _may_be_given_back(request) and _SECRET.isdisjoint(name for name, _ in sent):
        request.scope[SCOPE_SENT] = [one for one in sent if one[0] != "token"]


def given_back(request: Request, *, signed_in: bool) -> Response | None:
    """The page with what was typed; None where nothing was, or may be."""
    sent: list[tuple[str, str]] = request.scope.get(SCOPE_SENT) or []
    if not any(name not in _OURS for name, _ in sent):
        return None
    return page(
        request,
        "kept.html",
        status=403,
        sent=sent,
        typed=[
            (*(_ENTERED if name.startswith(_ENTRY) else _TYPED[name]), value)
            for name, value in sent
            if value.strip() and (name in _TYPED or name.startswith(_ENTRY))
        ],
        signed_in=signed_in,
    )


def _may_be_given_back(request: Request) -> bool:
    ours = request.headers.get("sec-fetch-site") == "same-origin"
    return ours and request.method == "POST" and request.url.path.startswith(_PLACES)
