"""No page needs the internet: each of everybody's is opened in a browser, and asks nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Error as PlaywrightError

from licenses.v1 import licenses_pb2
from tests.builders import county, portal_paths
from tests.builders.portal import Site, chromium, sign_in, site, window
from tongban.demonstration import sharing
from tongban.demonstration.persons import Enrolled, enrol_people

#: Names of all other hosts lead nowhere, as they do where there is no internet.
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@dataclass(frozen=True)
class Town:
    """A node with pages, and its people."""

    site: Site
    people: dict[str, Enrolled]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with site(tmp_path_factory.mktemp("portal") / "data") as found:
        scene = found.scene
        county.fill_catalog(scene, departments=False)
        sharing.publish_libraries(scene, 10, lambda _: None)
        sharing.query_and_verify(scene, sharing.grant_access(scene)["grant"])
        someone = sharing.applicant()
        scene["employment"].licenses.IssueLicense(
            licenses_pb2.IssueLicenseRequest(
                parent="departments/human-resources",
                license_type="licenseTypes/employment-registration",
                holder_name=someone.name,
                holder_code=someone.citizen_number,
                fields={"KZ_DJLX": "失业登记", "KZ_XLXX": "大学本科", "KZ_JYZT": "失业"},
                request_id="one",
            ),
            timeout=60,
        )
        yield Town(found, enrol_people(scene))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(ALONE) as found:
        yield found


@pytest.mark.parametrize("who", portal_paths.BEGINNINGS)
def test_no_page_asks_anybody_but_the_node(town, browser, who):
    own = urlsplit(town.site.url).netloc
    asked: list[str] = []
    told: list[str] = []
    with window(browser, "desktop") as context:
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.on("pageerror", lambda error: told.append(str(error)))
        if who in town.people:
            sign_in(page, town.site.url, town.people[who])

        def read(path: str) -> str:
            try:
                shown = page.goto(f"{town.site.url}{path}", wait_until="load")
            except PlaywrightError:  # a file to be saved is no page
                return ""
            kind = shown.headers.get("content-type", "") if shown is not None else ""
            return page.content() if kind.startswith("text/html") and shown.ok else ""

        paths = list(portal_paths.found(who, read))
    assert len(paths) >= (1 if who == "visitor" else 5), paths
    foreign = [
        url
        for url in asked
        if urlsplit(url).scheme not in ("data", "blob", "about") and urlsplit(url).netloc != own
    ]
    assert (foreign, told) == ([], [])
    assert len(asked) > len(paths)
