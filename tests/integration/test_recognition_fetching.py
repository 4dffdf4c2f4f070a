"""Fetching the lists of recognised authorities from a real server, by a node that is set to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import FixedClock
from runtime.config import SealSettings
from runtime.objects import FileStore
from seal.recognition.fetching import ListFetching
from seal.server import SealServer
from seal.v1 import trust_pb2 as pb
from tests.builders.authorities import (
    DAY,
    NAME,
    crl,
    proposal,
    recognise,
    shown,
    terms,
    withdraw,
)
from tests.builders.seal_node import ADMINISTRATOR, NOW, SealNode, settings_in, start
from tests.builders.seal_pki import issue, pki


@dataclass
class Site:
    """What a web site answers, by path; what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    seen: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            found.seen.set()
            body = found.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def fetching(node: SealNode, **changes: Any) -> ListFetching:
    server = node.server
    return ListFetching(
        server.database,
        server.recognition,
        server.material,
        actor="departments/data-bureau/systems/node",
        **changes,
    )


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SealNode]:
    found = start(tmp_path / "data", at=NOW + 20 * DAY)
    yield found
    found.server.database.close()


def kinds(node: SealNode) -> list[tuple[str, str]]:
    wish = pb.ListAuthorityEventsRequest(parent=NAME)
    found = node.trust("ListAuthorityEvents", wish, ADMINISTRATOR).events
    return [(one.kind, one.actor.rpartition("/")[2]) for one in found]


def test_newer_lists_are_taken_and_nothing_else(node: SealNode, site: Site) -> None:
    made = pki()
    stranger = issue("示范根", None, is_ca=True)
    site.files = {
        "/root.crl": crl(made.root, 1, NOW),
        "/strangers.crl": crl(stranger, 1, NOW),
        "/page.html": b"<html>",
        "/empty": b"",
        "/huge": b"\x30" + bytes(13 * 1024 * 1024),
    }
    paths = [*site.files, "/absent"]
    urls = [site.url + path for path in paths] + ["http://127.0.0.1:1/closed"]
    recognise(node, terms=terms(list_urls=urls))
    here = fetching(node)
    assert here.round() == 1
    assert site.asked == paths
    (held,) = shown(node).revocation_lists
    assert held.issuer.endswith("示范根")
    assert here.round() == 0, "nothing newer"
    site.files["/root.crl"] = crl(made.root, 2, NOW + DAY)
    assert here.round() == 1
    assert kinds(node) == [
        ("list_added", "node"), ("list_added", "node"), ("approved", "seal-registry"),
        ("proposed", "front"),
    ]  # fmt: skip
    assert len(node.server.material.current().crls) == 3, "in force at once"


def test_who_is_only_asked_for_is_not_asked(node: SealNode, site: Site) -> None:
    asked = proposal(terms=terms(list_urls=[site.url + "/root.crl"]))
    node.trust("ProposeAuthority", asked, ADMINISTRATOR)
    assert fetching(node).round() == 0
    assert site.asked == []


def test_lists_of_the_withdrawn_are_still_fetched(node: SealNode, site: Site) -> None:
    """What was signed before the withdrawal is judged by them."""
    site.files = {"/root.crl": crl(pki().root, 1, NOW)}
    recognise(node, terms=terms(list_urls=[site.url + "/root.crl"]))
    withdraw(node, NOW)
    assert fetching(node).round() == 1


def test_rounds_go_on_after_one_that_failed(
    node: SealNode, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seal.recognition.fetching._FIRST_AFTER", 0.0)
    site.files = {"/root.crl": crl(pki().root, 1, NOW)}
    here = fetching(node, every=0.05)
    here.start()
    recognise(node, terms=terms(list_urls=["http://127.0.0.1:1/", site.url + "/root.crl"]))
    deadline = time.monotonic() + 10
    while not shown(node).revocation_lists and time.monotonic() < deadline:
        time.sleep(0.02)
    here.stop()
    assert len(shown(node).revocation_lists) == 1


@pytest.mark.parametrize("wanted", [False, True])
async def test_a_node_fetches_only_where_it_is_set(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    monkeypatch.setattr("seal.recognition.fetching._FIRST_AFTER", 0.0)
    site.files = {"/root.crl": crl(pki().root, 1, NOW)}
    settings = settings_in(tmp_path / "data").model_copy(
        update={"seal": SealSettings(revocation_fetch=wanted)}
    )
    clock = FixedClock(datetime.now(UTC).replace(microsecond=0))
    objects = FileStore(tmp_path / "objects")
    first = SealNode(SealServer(settings, objects, clock), clock, objects)
    first.server.migrate()
    first.server.open()
    recognise(first, terms=terms(list_urls=[site.url + "/root.crl"]))
    server = SealServer(settings, objects, clock)
    await server.start()
    await asyncio.to_thread(site.seen.wait, 10 if wanted else 1)
    await server.stop()
    assert bool(site.asked) is wanted
    assert len(shown(first).revocation_lists) == (1 if wanted else 0)
    assert SealSettings().revocation_fetch is False
    first.server.database.close()
