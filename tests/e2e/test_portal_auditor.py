"""The auditor's journeys in a real browser: the log, its proofs, the life and uses of a seal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from exchange.audit.proved import LogProof, ProvenLeaf
from exchange.audit.verify import verify_leaves
from licenses.v1 import licenses_pb2
from tests.builders import county
from tests.builders.portal import (
    LANGUAGES,
    SIZES,
    Site,
    chromium,
    keep_picture,
    misfit,
    sign_in,
    site,
    window,
)
from tongban.demonstration import sharing
from tongban.demonstration.persons import Enrolled, enrol_people
from tongban.people import people

SEAL = "/audit/seals/human-resources/official"
PAGES = ("/audit", "/audit/log", "/audit/log/0", "/audit/seals", SEAL)


@dataclass(frozen=True)
class Town:
    """A node with a history, and its people."""

    site: Site
    people: dict[str, Enrolled]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with site(tmp_path_factory.mktemp("portal") / "data") as found:
        scene = found.scene
        county.fill_catalog(scene, departments=False)
        sharing.publish_libraries(scene, 10, lambda _: None)
        sharing.query_and_verify(scene, sharing.grant_access(scene)["grant"])
        someone = next(iter(people(1)))
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
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def signed_in(town: Town, browser: Browser) -> Iterator[dict[str, object]]:
    with window(browser, "desktop") as context:
        page = context.new_page()
        sign_in(page, town.site.url, town.people["auditor"])
        assert page.url == f"{town.site.url}/audit"
        yield context.storage_state()


@pytest.fixture
def page(browser: Browser, signed_in: dict[str, object]) -> Iterator[Page]:
    with window(browser, "desktop", state=signed_in) as context:
        yield context.new_page()


def client(town: Town, signed_in: dict[str, object]) -> httpx.Client:
    found = town.site.client()
    for one in signed_in["cookies"]:
        found.cookies.set(one["name"], one["value"])
    return found


def test_a_record_is_found_and_its_proof_holds_without_the_node(town, page, signed_in):
    url = town.site.url
    page.goto(f"{url}/audit")
    page.select_option("[name=kind]", "query")
    page.fill("[name=actor]", "human-resources")
    page.get_by_role("button", name="检索").click()
    rows = page.locator("ol.log li")
    expect(rows.first).to_contain_text("查询")
    assert {"departments/human-resources" in text for text in rows.all_inner_texts()} == {True}
    rows.first.get_by_role("link").click()
    expect(page.locator("dl")).to_contain_text("departments/public-security/resources/population")
    index = int(page.url.rpartition("/")[2])
    with client(town, signed_in) as asking:
        leaf = asking.get(f"/audit/log/{index}/leaf")
        proof = asking.get(f"/audit/log/{index}/proof")
        key = re.search(r"<code>([^<]+\+[0-9a-f]{8}\+[^<]+)</code>", asking.get("/audit").text)
    assert leaf.headers["content-disposition"] == f'attachment; filename="record-{index}.json"'
    assert json.loads(leaf.content)["kind"] == "query"
    held = LogProof(
        document="", leaves=(ProvenLeaf(index=index, leaf=leaf.content, proof=proof.text),)
    )
    told = verify_leaves(held, key[1].replace("&#43;", "+"))
    checks = {one.name: one.outcome.value for one in told.checks}
    assert {name: said for name, said in checks.items() if not name.startswith("document")} == {
        name: "PASSED" for name in checks if not name.startswith("document")
    }
    assert len(checks) > 3


def test_every_use_of_a_seal_leads_to_its_record(town, page):
    page.goto(f"{town.site.url}/audit/seals")
    page.locator(f"a[href='{SEAL}']").click()
    expect(page.locator("section[aria-labelledby=life]")).to_contain_text("批准")
    uses = page.locator("section[aria-labelledby=uses] li")
    assert uses.count() >= 2
    uses.first.get_by_role("link").click()
    found = page.locator("ol.log li")
    assert found.count() >= 1
    expect(found.first).to_contain_text(re.compile("盖章|证照"))


def test_a_search_that_finds_nothing_says_what_to_do(town, page):
    page.goto(f"{town.site.url}/audit/log?kind=grant_revoked&text=nothing")
    expect(page.locator("main")).to_contain_text("没有符合的记录")
    page.goto(f"{town.site.url}/audit/log?before=x")
    expect(page.locator("ol.log li").first).to_be_visible()
    page.goto(f"{town.site.url}/audit/log/999999")
    expect(page.locator("main")).to_contain_text("日志目前有")
    page.goto(f"{town.site.url}/audit/seals/human-resources/none")
    expect(page.locator("h1")).not_to_contain_text("none")


def test_further_back_goes_on_where_it_was(town, page):
    page.goto(f"{town.site.url}/audit/log?before=3")
    assert page.locator("ol.log a[href]").evaluate_all("l => l.map(a => a.pathname)") == [
        "/audit/log/2", "/audit/log/1", "/audit/log/0",
    ]  # fmt: skip
    assert page.get_by_role("link", name="继续向前检索").count() == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_is_for_everybody(town, browser, signed_in, size, lang):
    with window(browser, size, state=signed_in) as context:
        page = context.new_page()
        for path in PAGES:
            page.goto(f"{town.site.url}{path}?lang={lang}")
            keep_picture(page, f"auditor{path.replace('/', '-')}-{lang}-{size}")
            assert (path, misfit(page, size, lang)) == (path, [])


def test_nobody_else_opens_them(town, browser):
    with town.site.client() as nobody:
        for path in PAGES:
            answer = nobody.get(path)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/sign-in")
    with window(browser, "desktop") as context:
        page = context.new_page()
        sign_in(page, town.site.url, town.people["applicant"])
        for path in (*PAGES, "/audit/log/0/leaf", "/audit/log/0/proof"):
            assert page.goto(f"{town.site.url}{path}").status == 404
