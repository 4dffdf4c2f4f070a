"""Answers to forms are had again by who got them, in the other language too, for a while."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from licenses.v1 import verifying_pb2
from portal.answers import COOKIE, MOST, MOST_BYTES, OF_ONE, SECONDS, Answer, Answers, visitor
from portal.app import make_app
from portal.node import NodeLink
from portal.sessions.keeping import Sessions
from portal.settings import LinkSettings
from portal.verifier.pages import Verifying

MINE, OTHERS = visitor("mine"), visitor("others")
BROWSER = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}


def an_answer(**facts: Any) -> Answer:
    return Answer(path="/x", template="x.html", status=200, error=None, wrong="", facts=facts)


def test_only_its_owner_has_an_answer_again_and_not_for_long() -> None:
    now = [0.0]
    kept = Answers(lambda: now[0])
    place = kept.keep(an_answer(said="a"), MINE).removeprefix("/answers/")
    assert kept.find(place, [MINE]) == an_answer(said="a")
    assert kept.find(place, [OTHERS]) is kept.find(place, []) is kept.find("x", [MINE]) is None
    now[0] = SECONDS
    assert kept.find(place, [MINE]) is None


def test_what_ended_early_is_forgotten_of_its_owner() -> None:
    kept = Answers(lambda: 0.0)
    mine, another, theirs = (
        kept.keep(an_answer(presentation=name), owner).removeprefix("/answers/")
        for name, owner in (("p/1", MINE), ("p/2", MINE), ("p/1", OTHERS))
    )
    kept.forget(MINE, "presentation", "p/1")
    assert kept.find(mine, [MINE]) is None
    assert kept.find(another, [MINE])
    assert kept.find(theirs, [OTHERS])


def test_what_is_kept_is_bounded() -> None:
    kept = Answers(lambda: 0.0)
    places = [kept.keep(an_answer(), MINE) for _ in range(OF_ONE + 1)]
    first, last = (places[at].removeprefix("/answers/") for at in (0, -1))
    assert kept.find(first, [MINE]) is None
    assert kept.find(last, [MINE])
    for at in range(MOST):
        kept.keep(an_answer(), at)
    assert kept.find(last, [MINE]) is None
    # One picture that is larger than all may be is still shown to who sent it; no other is kept.
    large = kept.keep(an_answer(pictures=("x" * MOST_BYTES,)), MINE).removeprefix("/answers/")
    assert kept.find(large, [MINE])
    assert len(kept._held) == 1


def test_what_was_of_a_session_that_is_over_goes() -> None:
    class Gone:
        is_over = False

    kept, gone = Answers(lambda: 0.0), Gone()
    kept.keep(an_answer(), gone)
    kept.sweep()
    assert kept._held
    gone.is_over = True
    kept.sweep()
    assert not kept._held


@pytest.fixture
def app() -> Starlette:
    node = NodeLink(LinkSettings(node="127.0.0.1:1", identity=None))  # type: ignore[arg-type]
    made = make_app(node, Sessions())
    made.state.verifying = Verifying(node)
    return made


def asking(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://pages.test")


async def test_a_refused_form_is_had_in_the_other_language_with_what_was_typed(
    app: Starlette,
) -> None:
    async with asking(app) as asked, asking(app) as other:
        said = await asked.post("/verify/code", data={"code": "1234", "purpose": "租房"})
        assert (said.status_code, "不是亮证码" in said.text) == (422, True)
        (address,) = re.findall(r'href="(/answers/[^"]*)"', said.text)
        assert asked.cookies[COOKIE]
        english = await asked.get(address)
        assert (english.status_code, english.headers["Content-Language"]) == (422, "en")
        assert "This is no code of a license" in english.text
        assert 'value="租房"' in english.text
        assert 'href="?lang=zh"' in english.text
        # The menu says where one is, as on the page of the form.
        assert 'href="/verify" class="here"' in english.text
        gone = await other.get(address)
        assert (gone.status_code, "ANSWER_GONE" in gone.text) == (404, True)


async def test_a_browser_is_sent_to_where_the_answer_stands(
    app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(*_: Any) -> Any:
        return verifying_pb2.VerifyLicenseResponse()

    async def no_types() -> None:
        pass

    monkeypatch.setattr(app.state.verifying.asking, "code", found)
    monkeypatch.setattr(app.state.verifying.asking, "_read_types", no_types)
    code = {"code": "A" * 26}
    async with asking(app) as asked:
        assert (await asked.post("/verify/code", data=code)).status_code == 200
        assert (await asked.post("/verify/code", data=code, headers=BROWSER)).status_code == 303
        asked.cookies.clear()
        # Who keeps no cookie has the answer all the same.
        assert (await asked.post("/verify/code", data=code, headers=BROWSER)).status_code == 200
