"""What stands before every page: bounds, where a request comes from, plain words, headers."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from portal.guarding import SMALL_BODY, Guard
from portal.plain import plain_words, sentences
from portal.settings import LinkSettings
from runtime.errors import DomainError, InvalidArgument, NotFound, Unavailable
from runtime.identity import Principal, Role
from seal.rpc_verifying import share_of

NUMBER = "990101199003070015"


async def told(request: Request) -> PlainTextResponse:
    body = await request.body()
    return PlainTextResponse(f"{request.client and request.client.host} {len(body)}")


async def broken(_: Request) -> PlainTextResponse:
    raise RuntimeError(f"of {NUMBER}")


def client(origin: str = "", proxies: tuple[str, ...] = (), peer: str = "10.0.0.9", **more: str):
    settings = LinkSettings(node="", identity=None, origin=origin, proxies=proxies)  # type: ignore[arg-type]
    app = Starlette(
        routes=[
            Route("/broken", broken),
            Route("/{rest:path}", told, methods=["GET", "POST"]),
        ],
        middleware=[Middleware(Guard, settings=settings)],
    )
    transport = httpx.ASGITransport(app, client=(peer, 1), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=more.get("base", "https://pages.test"))


@pytest.mark.parametrize(
    ("origin", "base", "headers", "status"),
    [
        ("", "https://pages.test", {}, 200),
        ("", "https://pages.test", {"Origin": "https://pages.test"}, 200),
        ("", "https://pages.test", {"Origin": "https://evil.test"}, 403),
        ("", "https://pages.test", {"Origin": "null"}, 403),
        ("", "https://pages.test", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("", "https://pages.test", {"Sec-Fetch-Site": "same-site"}, 403),
        ("https://pages.test", "https://pages.test", {"Origin": "https://pages.test"}, 200),
        # Who sends another host along is still from elsewhere.
        ("https://pages.test", "https://evil.test", {"Origin": "https://evil.test"}, 403),
        ("https://pages.test", "https://127.0.0.1:9", {"Origin": "https://127.0.0.1:9"}, 200),
    ],
)
async def test_what_changes_something_comes_from_here(origin, base, headers, status):
    async with client(origin, base=base) as asked:
        answer = await asked.post("/x", headers=headers)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_page_takes_no_more_than_it_needs():
    async with client() as asked:
        assert (await asked.post("/x", content=b"a" * SMALL_BODY)).status_code == 200
        assert (await asked.post("/x", content=b"a" * (SMALL_BODY + 1))).status_code == 413
        assert (await asked.post("/verify", content=b"a" * (SMALL_BODY + 1))).status_code == 200

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"a" * (SMALL_BODY // 2)

        answer = await asked.post("/x", content=parts())  # of a length that nobody told
        assert answer.status_code == 413
        assert "上限" in answer.text


@pytest.mark.parametrize(
    ("peer", "named", "seen"),
    [
        ("10.0.0.9", "1.2.3.4", "10.0.0.9"),
        ("192.168.1.1", "1.2.3.4", "1.2.3.4"),
        ("192.168.1.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("192.168.1.1", "1.2.3.4, 192.168.1.2", "1.2.3.4"),
        ("192.168.1.1", "evil, 192.168.1.2", "192.168.1.2"),
        ("192.168.1.1", "", "192.168.1.1"),
    ],
)
async def test_proxies_are_believed_that_are_named(peer, named, seen):
    async with client(proxies=("192.168.0.0/16",), peer=peer) as asked:
        answer = await asked.get("/x", headers={"X-Forwarded-For": named})
    assert answer.text.split()[0] == seen


@pytest.mark.parametrize("path", [f"/x?text={NUMBER}", f"/{NUMBER}", "/x?t=9901011990030700%315"])
async def test_a_number_in_an_address_is_refused_and_not_repeated(path):
    async with client() as asked:
        answer = await asked.get(path)
    assert answer.status_code == 400
    assert NUMBER not in answer.text
    assert "身份证号" in answer.text


async def test_what_breaks_is_a_page_with_every_header(caplog):
    async with client() as asked:
        answer = await asked.get("/broken")
    assert answer.status_code == 500
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "已记录" in answer.text
    assert NUMBER not in answer.text


async def test_localhost_is_not_bound_to_tls_for_a_year():
    for origin, bound in (("", False), ("https://localhost:8443", False), ("https://a.b", True)):
        async with client(origin) as asked:
            answer = await asked.get("/x")
        assert ("Strict-Transport-Security" in answer.headers) == bound


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unavailable("no answer at 127.0.0.1:9", reason="NODE_UNREACHABLE"), "does not answer"),
        (NotFound("none: list them with `tongban account list`"), "not yours to see"),
        (DomainError("x", reason="INTERNAL"), "was noted"),
        (InvalidArgument("choose a file first"), "choose a file first"),
        (InvalidArgument("give `purpose`", message_zh="请填写 `purpose`"), "give purpose"),
    ],
)
def test_laymen_are_told_no_commands_and_addresses(error, said):
    assert said in plain_words(error)[0]
    assert "`" not in "".join(plain_words(error))


def test_laymen_read_no_names_of_a_programs_fields():
    for name, called in (("purpose", "用途"), ("holder_code", "证件号码")):
        error = InvalidArgument(f"{name}: required", message_zh=f"{name} 必填")
        assert plain_words(error)[1] == f"{called}必填"
        assert "_" not in plain_words(error)[0]


def test_strangers_documents_take_no_places_of_the_nodes_department():
    office = "departments/data-office"
    portal = Principal(
        system=f"{office}/systems/portal",
        department=office,
        roles=frozenset({Role.PORTAL}),
        serial=1,
    )
    system = Principal(
        system=f"{office}/systems/node", department=office, roles=frozenset(), serial=2
    )
    assert share_of(portal) != share_of(system) == office


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (("say why", "请说明原因"), ("Say why.", "请说明原因。")),
        (("Try again. Is it yours?", "请重试！"), ("Try again. Is it yours?", "请重试！")),
        (("tab_no 3 is not known", "序号 3 不存在"), ("tab_no 3 is not known.", "序号 3 不存在。")),
    ],
)
def test_what_went_wrong_is_said_in_sentences(given, shown):
    assert sentences(InvalidArgument(given[0], reason="X", message_zh=given[1])) == shown
