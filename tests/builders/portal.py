"""A node with its web pages, and a browser before them: Chromium, as people have it."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from axe_playwright_python.sync_playwright import Axe
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pyotp import TOTP

from tests.builders import county, programs
from tongban.demonstration import sharing, stage
from tongban.demonstration.persons import Enrolled
from tongban.demonstration.stage import Stage

#: Width and height of what people look at: an office PC, a phone.
SIZES: Final[Mapping[str, tuple[int, int]]] = {"desktop": (1280, 800), "phone": (360, 740)}
LANGUAGES: Final = ("zh", "en")
#: Two that differ in all, where a picture of each would be too many.
JUDGED: Final = frozenset({("desktop", "zh"), ("phone", "en")})
_AXE: Final = Axe()
#: Only what is wrong is asked for: to tell of all that is right takes longer than to find it.
_RUN_AXE: Final = """async () =>
  (await axe.run(document, {resultTypes: ["violations"]})).violations"""
#: Where pictures of the pages are kept, for people to look at: if they ask for them, since to take
#: one takes longer than to open the page.
PICTURES: Final = os.environ.get("TONGBAN_PICTURES", "")


@dataclass(frozen=True, slots=True)
class Site:
    """A node and the address of its pages."""

    scene: Stage
    url: str

    def client(self) -> httpx.Client:
        """A program that asks as no browser would."""
        return httpx.Client(base_url=self.url, verify=False, timeout=30)  # noqa: S501  # the node's own authority


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A running node with the county's departments, and its pages."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    scene = stage.prepare_folder(folder, portal=address)
    stage.enrol(scene)
    with stage.running(scene, programs.start):
        sharing.set_up(scene)
        county.seal(scene)
        yield Site(scene, f"https://{address}")


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """The system's Chromium, without a window; `more` are switches of its own."""
    found = shutil.which("chromium") or "chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", *more])
        yield browser
        browser.close()


@contextmanager
def trusting_chromium(browser: Browser, found: Site, folder: Path) -> Iterator[BrowserContext]:
    """A browser to which the node's pages have a right certificate, as an operator's have."""
    pem = (found.scene.data / "identity" / "portal" / "cert.pem").read_bytes()
    key = x509.load_pem_x509_certificate(pem).public_key()
    public = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pin = base64.b64encode(hashlib.sha256(public).digest()).decode()
    context = browser.browser_type.launch_persistent_context(
        folder / "profile",
        executable_path=shutil.which("chromium") or "chromium",
        args=["--no-sandbox", f"--ignore-certificate-errors-spki-list={pin}"],
    )
    try:
        yield context
    finally:
        context.close()


def authenticator(page: Page) -> None:
    """Give a page an authenticator in software, whose user is always there and verified."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def window(
    browser: Browser, size: str, *, scripts: bool = True, state: Any = None
) -> BrowserContext:
    """A window of a size, in which nothing of an earlier one is left but `state`, if given."""
    width, height = SIZES[size]
    return browser.new_context(
        ignore_https_errors=True,
        java_script_enabled=scripts,
        viewport={"width": width, "height": height},
        storage_state=state,
    )


def sign_in(page: Page, url: str, person: Enrolled, path: str = "/sign-in") -> None:
    """Sign in as people do; a code that was used up is followed by the next, or waited over."""
    for ahead in (0, 30, 0, 30):
        page.goto(f"{url}{path}")
        page.fill("[name=login]", person.login)
        page.fill("[name=password]", person.password)
        page.fill("[name=code]", TOTP(person.secret).at(int(time.time()) + ahead))
        page.locator("form[action='/sign-in'] button").click()
        if "/sign-in" not in page.url:
            return
        if ahead:
            time.sleep(31 - time.time() % 30)
    raise AssertionError(page.locator("main").inner_text())


def faults(page: Page) -> list[str]:
    """What axe finds on a page, by WCAG 2.2 AA and its own good practice."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_AXE.axe_script)
    found = page.evaluate(_RUN_AXE)
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]


def misfit(page: Page) -> list[str]:
    """What keeps a page from fitting its window."""
    found = faults(page)
    wider = overflow(page)
    return [*found, f"{wider} pixels wider than the window"] if wider > 0 else found


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than its window: nobody should scroll sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def keep_picture(page: Page, name: str) -> None:
    """A picture of the whole page, for people to look at, where TONGBAN_PICTURES names a folder."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)
