"""What an answer to "who asked" says of itself: up to when it is complete, and what was erased."""

from datetime import UTC, datetime, timedelta

import pytest
from starlette.requests import Request

from exchange.v1 import query_pb2
from portal.pages import page, sayer
from portal.sessions.keeping import Person
from runtime.identity import Credentials, Role
from tongban.commands import audit_access
from tongban.console import out

PERSON = Person(
    account="accounts/a",
    display_name="示例",
    system="departments/applicants/systems/person-a",
    roles=frozenset({Role.APPLICANT}),
    holder_code="",
    form_token="",
    ends=0.0,
    used=0.0,
    credentials=Credentials(authority=b"", certificate=b"", key=b""),
)
THEN = datetime(2026, 1, 5, 4, 0, tzinfo=UTC)


def answer(*, behind: bool, erased: int) -> query_pb2.MyAccessResponse:
    message = query_pb2.MyAccessResponse(complete_size=42, erased=erased)
    message.complete_time.FromDatetime(datetime.now(UTC) - timedelta(seconds=60 if behind else 1))
    if erased:
        act = message.erasures.add(actor="departments/office/systems/a", erased=erased, index=7)
        for field in (act.time, act.first_time, act.last_time):
            field.FromDatetime(THEN)
    return message


@pytest.mark.parametrize(("language", "until", "later", "gone"), [
    ("en", "Complete up to", "is still being indexed", "nobody can tell any more"),
    ("zh", "完整截至", "仍在编入索引", "已无人能说明"),
])  # fmt: skip
def test_the_command_says_what_its_answer_does_not_hold(monkeypatch, language, until, later, gone):
    monkeypatch.setattr(audit_access, "say", sayer(language))

    def said(**how) -> str:
        with out.capture() as printed:
            audit_access._print_limits(answer(**how), any_found=False)
        return printed.get().replace("\n", " ")

    whole = said(behind=False, erased=0)
    assert until in whole
    assert "42" in whole
    assert later not in whole
    assert gone not in whole
    assert later in said(behind=True, erased=0)
    assert gone in said(behind=False, erased=3)


@pytest.mark.parametrize(("language", "until", "later", "gone"), [
    ("en", "Complete up to", "still being put in order", "does not mean that nobody asked"),
    ("zh", "完整截至", "仍在整理中", "不表示没有人查询过"),
])  # fmt: skip
def test_the_page_says_what_its_list_does_not_hold(language, until, later, gone):
    def shown(**how) -> str:
        found = answer(**how)
        facts = {
            "until": found.complete_time.ToDatetime(UTC), "behind": how["behind"],
            "erased": found.erased,
            "erasures": [(one, ("A", "甲"), THEN, THEN, THEN) for one in found.erasures],
        }  # fmt: skip
        scope = {
            "type": "http", "method": "GET", "path": "/my/looks", "headers": [],
            "query_string": f"lang={language}".encode(), "tongban.person": PERSON,
        }  # fmt: skip
        shown_page = page(
            Request(scope), "applicant/looks.html", accesses=[], looks=[], following="",
            following_looks="", later=False, later_looks=False, own=False, of="", proof=None,
            **facts,
        )  # fmt: skip
        return bytes(shown_page.body).decode()

    whole = shown(behind=False, erased=0)
    assert until in whole
    assert later not in whole
    assert gone not in whole
    assert later in shown(behind=True, erased=0)
    erased = shown(behind=False, erased=3)
    assert gone in erased
    assert "2026-01-05 12:00:00" in erased
