"""The verifier's pages in a real browser: a layman drops a file, and reads a verdict at once."""

from __future__ import annotations

import socket
import ssl
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from seal.v1 import seal_pb2
from tests.builders.ofd import plain_ofd
from tests.builders.portal import (
    LANGUAGES,
    SIZES,
    Site,
    chromium,
    faults,
    keep_picture,
    overflow,
    site,
    window,
)

WORDS = {
    ("sound", "zh"): "真实有效",
    ("sound", "en"): "Genuine",
    ("changed", "zh"): "不可信",
    ("changed", "en"): "Not genuine",
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("portal") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def files(node: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A document that the county sealed, the same with one page changed, and one without a seal."""
    folder = tmp_path_factory.mktemp("files")
    sealed = (
        node.scene["employment"]
        .seals.SealDocument(
            seal_pb2.SealDocumentRequest(
                seal="departments/human-resources/seals/official",
                document=plain_ofd(),
                format=seal_pb2.DOCUMENT_FORMAT_OFD,
                placements=[seal_pb2.Placement(
                    position=seal_pb2.StampPosition(page=1, x_mm=20, y_mm=20, size_mm=42))],
                reason="加盖",
                request_id="portal",
            )
        )
        .document
    )  # fmt: skip
    found = {name: folder / f"{name}.ofd" for name in ("sound", "changed", "plain")}
    found["sound"].write_bytes(sealed)
    found["plain"].write_bytes(plain_ofd())
    with zipfile.ZipFile(found["sound"]) as before, zipfile.ZipFile(found["changed"], "w") as after:
        for entry in before.infolist():
            data = before.read(entry)
            if entry.filename.endswith("Content.xml"):
                data = data.replace(b"</ofd:Page>", b"<!-- --></ofd:Page>")
            after.writestr(entry, data)
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_layman_reads_a_verdict(node, browser, files, size, language):
    with window(browser, size) as people:
        page = people.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{node.url}/")
        if language == "en":
            page.get_by_role("link", name="English").click()
        assert not faults(page)
        assert overflow(page) <= 0
        keep_picture(page, f"start-{size}-{language}")
        page.get_by_role("main").get_by_role("link").first.click()
        assert not faults(page)
        assert overflow(page) <= 0
        keep_picture(page, f"verify-{size}-{language}")
        for name in ("sound", "changed"):
            page.goto(f"{node.url}/verify")
            page.locator("#document").set_input_files(files[name])
            page.locator("button[type=submit]").click()
            expect(page.get_by_role("heading", level=1)).to_have_text(WORDS[name, language])
            assert page.url == f"{node.url}/verify"
            assert not faults(page)
            assert overflow(page) <= 0
            keep_picture(page, f"verdict-{name}-{size}-{language}")
        assert all(url.startswith(node.url) for url in asked)


def test_it_works_without_scripts_and_by_the_keyboard(node, browser, files):
    with window(browser, "desktop", scripts=False) as people:
        page = people.new_page()
        page.goto(f"{node.url}/verify")
        page.locator("#document").set_input_files(files["sound"])
        page.locator("#document").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("真实有效")


def test_a_file_without_a_seal_is_no_verdict_on_its_truth(node, browser, files):
    with window(browser, "desktop") as people:
        page = people.new_page()
        page.goto(f"{node.url}/verify")
        page.locator("#document").set_input_files(files["plain"])
        page.locator("button[type=submit]").click()
        expect(page.get_by_role("status")).to_contain_text("NOT_SIGNED")


def test_what_is_no_page_of_ours_changes_nothing(node, files):
    with node.client() as client:
        sent = {"document": ("x.ofd", files["sound"].read_bytes())}
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
            assert client.post("/verify", files=sent, headers=headers).status_code == 403
        assert client.post("/verify", files=sent, headers={"Origin": node.url}).status_code == 200
        assert client.get("/nowhere").status_code == 404
        refused = client.post("/verify", files={"document": ("x.ofd", b"")})
        assert refused.status_code == 400
        assert "FILE_REQUIRED" in refused.text
        assert client.post("/verify", data={"document": "text"}).status_code == 400
        for path in ("/", "/verify", "/nowhere", "/static/portal.css"):
            answer = client.get(path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_is_too_large_is_refused_before_it_is_read(node):
    host, _, port = node.url.removeprefix("https://").partition(":")
    around = ssl._create_unverified_context()  # noqa: S323  # the node's own authority
    head = f"POST /verify HTTP/1.1\r\nHost: {host}\r\nContent-Length: {1 << 40}\r\n\r\n"
    plain = socket.create_connection((host, int(port)), timeout=30)
    with around.wrap_socket(plain) as line:
        line.sendall(head.encode())
        assert line.recv(64).startswith(b"HTTP/1.1 413")
