"""Every page: nobody opens what is for others, and no form changes anything unasked."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
import structlog
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.routing import Route

from accounts.v1 import accounts_pb2
from exchange.v1 import delivery_pb2, grants_pb2
from portal.app import make, make_app
from portal.applicant import looks, proving
from portal.node import NodeLink
from portal.officer.subscribed import _chosen as chosen
from portal.officer.subscribed import _lag as lag
from portal.sessions.keeping import COOKIE, Sessions
from portal.sessions.keys import SessionKey
from portal.settings import LinkSettings
from portal.working import Works
from runtime.errors import InvalidArgument
from runtime.identity import Role

#: For everybody, signed in or not; whatever else there is is for who is signed in.
OPEN = {
    "/",
    "/sign-in",
    "/sign-in/passkey",
    "/sign-in/passkey/options",
    "/sign-in/platform",
    "/sign-in/platform/answer",
    "/sign-out",
    "/enrol",
    "/enrol/finish",
}
OPEN_BELOW = ("/answers/", "/verify", "/wallet", "/status/", "/static")
ROLES = sorted(
    role.value for role in (Role.DEPARTMENT, Role.ADMINISTRATOR, Role.AUDITOR, Role.COUNTER)
)


@pytest.fixture
def app():
    settings = LinkSettings(node="127.0.0.1:1", identity=None)
    return make_app(NodeLink(settings), Sessions())


def routes():
    settings = LinkSettings(node="127.0.0.1:1", identity=None)
    for route in make_app(NodeLink(settings), Sessions()).routes:
        if isinstance(route, Route):
            path = re.sub(
                r"\{(\w+)(:\w+)?\}", lambda found: "1" if found[2] == ":int" else "x1", route.path
            )
            for method in sorted(route.methods or ()):
                if method in ("GET", "POST"):
                    yield method, route.path, path


def is_open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_BELOW)


CLOSED = [(method, path) for method, pattern, path in routes() if not is_open(pattern)]


def test_there_are_pages():
    assert len(CLOSED) > 50


@pytest.mark.parametrize(("method", "path"), CLOSED)
async def test_who_is_not_signed_in_is_sent_to_sign_in(app, method, path):
    async with asking(app) as asked:
        answer = await asked.request(method, path)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize("path", [path for method, path in CLOSED if method == "POST"])
@pytest.mark.parametrize("token", [None, "x" * 43])
@pytest.mark.parametrize("roles", [ROLES, ["applicant"]])
async def test_a_form_without_the_sessions_token_is_refused(app, path, token, roles):
    cookie = await signed_in(app, roles)
    async with asking(app, cookie) as asked:
        answer = await asked.post(path, data={"token": token} if token else {})
    assert answer.status_code in (403, 404)  # 404: not a page of this role's
    assert answer.status_code == 404 or "FORM_EXPIRED" in answer.text


@pytest.mark.parametrize("path", [path for method, path in CLOSED if method == "POST"])
async def test_each_form_is_somebodys(app, path):
    """So that the test above does not pass by pages that nobody has."""
    seen = []
    for roles in (ROLES, ["applicant"]):
        async with asking(app, await signed_in(app, roles)) as asked:
            seen.append((await asked.post(path)).status_code)
    assert 403 in seen


def asking(app, cookie: str = "") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)
    headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
    return httpx.AsyncClient(transport=transport, base_url="https://pages.test", headers=headers)


async def signed_in(app, roles: list[str]) -> str:
    sessions = next(
        one.kwargs["sessions"] for one in app.user_middleware if "sessions" in one.kwargs
    )
    app.state.node, app.state.sessions = None, sessions
    begun = accounts_pb2.Session(
        certificate=b"certificate",
        account=accounts_pb2.Account(
            name="accounts/a",
            display_name="赵示例",
            system="departments/x/systems/person-a",
            roles=roles,
        ),
        holder_code="1" if roles == ["applicant"] else "",
        expire_time=Timestamp(seconds=2**33),
    )
    cookie, _ = await sessions.begin(begun, SessionKey(), authority=b"authority")
    return cookie


def test_of_dead_letters_none_is_not_all():
    for none in ([], ["x"]):
        with pytest.raises(InvalidArgument, match="tick"):
            chosen(none)
    assert chosen(["3", "x", "5"]) == [3, 5]


def test_under_a_grant_that_ended_nothing_more_is_delivered():
    revoked = grants_pb2.Grant(state=grants_pb2.GRANT_STATE_REVOKED)
    past = grants_pb2.Grant(state=grants_pb2.GRANT_STATE_ACTIVE, end_time=Timestamp(seconds=1))
    later = grants_pb2.Grant(state=grants_pb2.GRANT_STATE_ACTIVE, end_time=Timestamp(seconds=2**33))
    held = delivery_pb2.Subscription(undelivered=0)
    lags = [lag(held, one)[2] for one in (revoked, past, later)]
    assert lags == [*["授权已终止，不再交付"] * 2, "无待取变更"]


@pytest.mark.parametrize("roles", [[], ["applicant"], ["administrator"], ["counter"]])
async def test_the_start_page_leads_nobody_to_what_they_have_not(app, roles):
    async with asking(app, await signed_in(app, roles) if roles else "") as asked:
        text = (await asked.get("/")).text
    tiles = re.findall(r'class="tile" href="([^"]*)"', text)
    own = {"applicant": "/my/licenses", "administrator": "/office", "counter": "/counter/accounts"}
    others = [own[roles[0]]] if roles else ["/sign-in?back=/my/licenses", "/sign-in"]
    assert tiles == ["/verify", *others]


async def test_a_proof_that_takes_long_says_how_far_it_is_and_stays(app):
    cookie = await signed_in(app, ["applicant"])
    person = await app.state.sessions.find(cookie)
    begun, goes_on = proving.work_of("node"), asyncio.Event()

    async def run(work, _person):
        work.done = 7
        await goes_on.wait()
        work.about.file = b"PK"
        work.end("PASSED")

    begun.run, app.state.works = run, Works()
    async with asking(app, cookie) as asked:
        assert (await asked.get("/my/looks/proof")).headers["Location"] == "/my/looks"
        await app.state.works.begin(person, looks.PROOF, begun, seconds=0.01)
        under_way = (await asked.get("/my/looks/proof")).text
        assert "已取得证明的记录： 7" in under_way.replace("\n", " ")
        assert "progress.js" in under_way
        assert (await asked.get("/my/looks/proof/file")).status_code == 303
        goes_on.set()
        await begun.task
        made = (await asked.get("/my/looks/proof")).text
        assert 'href="/my/looks/proof/file"' in made
        assert "progress.js" not in made
        assert (await asked.get("/my/looks/proof/file")).content == b"PK"


async def test_a_page_that_fails_logs_nothing_of_what_it_held(monkeypatch, capsys):
    told = LinkSettings(node="127.0.0.1:1", identity=Path("portal"), log_level="ERROR")
    for name, value in told.environment().items():
        monkeypatch.setenv(name, value)
    app = make()
    try:

        async def failing(request):
            number = "9901011980" + "01010022"
            raise LookupError(len(number))

        app.router.routes.insert(0, Route("/fails", failing))
        async with asking(app) as asked:
            assert (await asked.get("/fails")).status_code == 500
    finally:
        structlog.reset_defaults()
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["route"]) == ("page_failed", "/fails")
    assert "LookupError" in line["exception"]
    assert "990101198001010022" not in str(line)


FORM = "/my/delegations/new"
TYPED = {"agent_name": "钱<示例>", "purpose": "代办年检", "licenses": "a", "token": "x" * 43}
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize("there", [True, False])
async def test_what_was_typed_into_a_form_that_came_too_late_is_given_back(app, there):
    cookie = await signed_in(app, ["applicant"])
    async with asking(app, cookie if there else "gone") as asked:
        answer = await asked.post(FORM, data=TYPED, headers=OURS)
    assert answer.status_code == 403
    assert "钱&lt;示例&gt;" in answer.text
    assert 'name="licenses" value="a"' in answer.text
    assert "x" * 43 not in answer.text
    person = await app.state.sessions.find(cookie)
    # Only who is signed in gets a token, and the form goes where it went.
    assert (person.form_token in answer.text) == there
    assert f'action="{FORM}"' in answer.text


@pytest.mark.parametrize("there", [True, False])
async def test_of_a_form_with_files_the_words_are_given_back_and_which_files_to_choose(app, there):
    cookie = await signed_in(app, ROLES)
    typed = {"title": "核<对>", "text": "问题", "token": "x" * 43}
    sent = {"files": ("a\\b/附件.txt", b"inhalt", "text/plain")}
    async with asking(app, cookie if there else "gone") as asked:
        answer = await asked.post("/data/inquiries/new", data=typed, files=sent, headers=OURS)
    assert answer.status_code == 403
    assert "核&lt;对&gt;" in answer.text
    assert "请重新选择文件：附件.txt" in answer.text
    assert 'enctype="multipart/form-data"' in answer.text
    assert 'name="files" type="file" multiple' in answer.text
    assert "inhalt" not in answer.text


async def test_a_file_that_is_too_large_loses_no_words(app, monkeypatch):
    monkeypatch.setattr("portal.officer.inquiring.GREATEST_FILE", 1)
    cookie = await signed_in(app, ROLES)
    person = await app.state.sessions.find(cookie)
    typed = {"title": "核对", "text": "问题", "token": person.form_token}
    async with asking(app, cookie) as asked:
        sent = {"files": ("large.txt", b"12", "text/plain")}
        answer = await asked.post("/data/inquiries/new", data=typed, files=sent, headers=OURS)
    assert (answer.status_code, "核对" in answer.text) == (422, True)
    assert "请重新选择文件：large.txt" in answer.text
    assert person.form_token in answer.text


@pytest.mark.parametrize(
    ("path", "more", "headers"),
    [
        (FORM, {}, {}),  # nobody says that a page of ours sent it
        (FORM, {"password": "geheim"}, OURS),
        ("/account/password", {"password": "geheim"}, OURS),
    ],
)
async def test_what_may_not_be_given_back_is_not(app, path, more, headers):
    async with asking(app, await signed_in(app, ["applicant"])) as asked:
        told = await asked.post(path, data={**TYPED, **more}, headers=headers)
    async with asking(app, "gone") as asked:
        sent = await asked.post(path, data={**TYPED, **more}, headers=headers)
    assert "FORM_EXPIRED" in told.text
    assert sent.status_code == 303
    for answer in (told, sent):
        assert "示例" not in answer.text.replace("赵示例", "")
        assert "geheim" not in answer.text
