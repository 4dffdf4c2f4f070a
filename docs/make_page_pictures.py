"""Draws the pictures of the pages in the README: plays the demonstration, and looks at it.

`python docs/make_page_pictures.py` writes `docs/images/pages-*.png`. It needs what the tests need
(Playwright, Chromium). People, companies and departments are those of the demonstration.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from pyotp import TOTP

IMAGES: Final = Path(__file__).parent / "images"
WIDE, NARROW = {"width": 1180, "height": 760}, {"width": 390, "height": 760}
COLOURS: Final = 128
PATIENCE: Final = 180  # seconds for the story before the pages are there


@contextmanager
def demonstration(folder: Path) -> Iterator[dict[str, Any]]:
    """A node with its pages after the story was played; who can sign in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        portal = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "tongban", "demo", "--people", "200", "--keep", "--json"]
    with subprocess.Popen(
        [*command, "--data", str(folder / "demo-data"), "--portal", portal],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TONGBAN_LANG": "zh"},
    ) as process:
        try:
            yield _told(process)
        finally:
            process.terminate()


def _told(process: subprocess.Popen[str]) -> dict[str, Any]:
    text, until = "", time.monotonic() + PATIENCE
    for line in process.stdout or ():
        text += line
        try:
            found: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError:
            if time.monotonic() > until:
                break
        else:
            return found
    raise RuntimeError("the demonstration ended before its pages were there")


def signed_in(browser: Browser, facts: dict[str, Any], who: str, size: dict[str, int]) -> Page:
    """A window in which one of the people has signed in."""
    person = next(one for one in facts["people"] if one["who"] == who)
    context = browser.new_context(
        ignore_https_errors=True, viewport=size, locale="zh-CN", base_url=facts["portal"]
    )
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("[name=login]", person["login"])
    page.fill("[name=password]", person["password"])
    page.fill("[name=code]", TOTP(person["secret"]).now())
    page.locator("form[action='/sign-in'] button").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def draw(page: Page, name: str) -> None:
    """What the window shows, in few colours."""
    page.wait_for_load_state("networkidle")
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    target = IMAGES / f"pages-{name}.png"
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    sys.stdout.write(f"{target.name}: {picture.width} × {picture.height}, ")
    sys.stdout.write(f"{target.stat().st_size:,} B\n")


def draw_all(browser: Browser, facts: dict[str, Any]) -> None:
    """The pages that the README shows."""
    applicant = signed_in(browser, facts, "applicant", NARROW)
    applicant.goto("/my/licenses")
    applicant.locator("a.tile:has(.badge.green)").first.click()
    draw(applicant, "license")
    applicant.locator("a[href$='/present']").first.click()
    applicant.fill("[name=purpose]", "办理入职手续")
    applicant.locator("main form button").last.click()
    draw(applicant, "code")
    applicant.goto("/my/looks")
    draw(applicant, "looks")
    office = signed_in(browser, facts, "administrator", WIDE)
    office.goto("/office/sharing")
    draw(office, "sharing")
    auditor = signed_in(browser, facts, "auditor", WIDE)
    auditor.goto("/audit")
    draw(auditor, "audit")


def main() -> None:
    """Play, look and draw."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        demonstration(Path(folder)) as facts,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        draw_all(browser, facts)
        browser.close()


if __name__ == "__main__":
    main()
