"""A node with pages and people who sign in: an applicant with licenses, and another like them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page

from licenses.v1 import licenses_pb2
from tests.builders import county
from tests.builders.portal import (
    JUDGED,
    SIZES,
    Site,
    faults,
    keep_picture,
    overflow,
    sign_in,
    site,
    window,
)
from tongban.demonstration import sharing
from tongban.demonstration.persons import Enrolled, enrol_one, enrol_people
from tongban.demonstration.stage import Stage
from tongban.people import Person, people

OTHER = next(iter(people(100)))
State = dict[str, object]


@dataclass(frozen=True)
class Town:
    """A node with pages, its people, and two licenses of two of them."""

    site: Site
    people: dict[str, Enrolled]
    license: str
    of_other: str


@contextmanager
def town_in(folder: Path) -> Iterator[Town]:
    """The town, whose applicant was asked about by a department."""
    with site(folder) as found:
        scene = found.scene
        county.fill_catalog(scene, departments=False)
        sharing.publish_libraries(scene, 100, lambda _: None)
        grant = sharing.grant_access(scene)["grant"]
        sharing.query_and_verify(scene, grant)
        made = [issue(scene, one) for one in (sharing.applicant(), OTHER)]
        enrolled = enrol_people(scene)
        enrolled["other"] = enrol_one(scene, "other", OTHER.name, OTHER.citizen_number)
        yield Town(found, enrolled, made[0], made[1])


def issue(scene: Stage, of: Person, number: int = 1) -> str:
    """An employment registration, the same for the same number; its name."""
    return (
        scene["employment"]
        .licenses.IssueLicense(
            licenses_pb2.IssueLicenseRequest(
                parent="departments/human-resources",
                license_type="licenseTypes/employment-registration",
                holder_name=of.name,
                holder_code=of.citizen_number,
                fields={"KZ_DJLX": "失业登记", "KZ_XLXX": "大学本科", "KZ_JYZT": "失业"},
                request_id=f"license-{of.citizen_number[-4:]}-{number}",
            ),
            timeout=60,
        )
        .license.name
    )


def address(name: str) -> str:
    """The address of a license's page."""
    _, department, _, license_id = name.split("/")
    return f"/my/licenses/{department}/{license_id}"


def client(town: Town, context: BrowserContext | dict[str, object]) -> httpx.Client:
    """A program that has a browser's cookies."""
    state = context if isinstance(context, dict) else context.storage_state()
    found = town.site.client()
    for cookie in state["cookies"]:  # type: ignore[index,union-attr]
        found.cookies.set(cookie["name"], cookie["value"])
    return found


def session(town: Town, browser: Browser, who: str) -> State:
    """The cookies of somebody who signed in."""
    with window(browser, "desktop") as context:
        page = context.new_page()
        sign_in(page, town.site.url, town.people[who])
        return dict(context.storage_state())


def token_of(asked: httpx.Client, path: str) -> dict[str, str]:
    """The session's form token, and the fresh id of a page's form."""
    text = asked.get(path).text
    found = {
        name: match[1]
        for name in ("token", "request_id")
        if (match := re.search(rf'name="{name}" value="([^"]+)"', text))
    }
    assert "token" in found, path
    return found


def delegate(
    asked: httpx.Client, license_: str, name: str, code: str, *forms: str, purpose: str = "代办年检"
) -> str:
    """Delegate a license by the page; where it leads."""
    form = "/my/delegations/new"
    given = {
        **token_of(asked, form),
        "agent_name": name,
        "agent_code": code,
        "licenses": license_,
        "purpose": purpose,
        "forms": forms or ["code", "qr"],
        "until": "2027-01-31",
    }
    answer = asked.post(form, data=given)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def fit(page: Page, name: str, language: str, *, few: bool = False) -> None:
    """A page in both windows: axe finds nothing, nobody scrolls sideways; pictures are kept.

    With `few`, one picture a language.
    """
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        assert not faults(page), (name, size, language)
        assert overflow(page) <= 0, (name, size, language)
        if not few or (size, language) in JUDGED:
            keep_picture(page, f"applicant-{name}-{size}-{language}")


def past_the_edge(page: Page) -> int:
    """Of a page without scripts: by how many pixels its body is wider than the window."""
    box = page.locator("main").bounding_box()
    assert box is not None
    return round(box["x"] + box["width"] - SIZES["phone"][0])


def read_qr(page: Page, name: str, image: str = "img.qr") -> str:
    """What a QR code on a page says, as a camera reads it."""
    keep_picture(page, name)
    picture = Image.open(io.BytesIO(page.locator(image).screenshot()))
    read = zxingcpp.read_barcode(picture.resize((picture.width * 3, picture.height * 3)))
    assert read is not None
    return str(read.text)
