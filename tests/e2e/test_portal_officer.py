"""The data officer's journeys in a real browser: what is doubted, asked, stale and undelivered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from exchange.v1 import catalog_pb2
from portal.officer.pages import ROUTES
from runtime.identity import Role
from tests.builders import county
from tests.builders.portal import (
    LANGUAGES,
    SIZES,
    Site,
    chromium,
    faults,
    keep_picture,
    overflow,
    sign_in,
    site,
    window,
)
from tongban.demonstration import sharing, upkeep
from tongban.demonstration.persons import Enrolled, enrol_one

POLICE, BUREAU = "departments/public-security", "departments/human-resources"
OWNER = sharing.applicant()
QUALITY = "/data/quality/public-security/population"


@dataclass(frozen=True)
class Town:
    """A node, an officer of the source and one of a receiver, and what waits for them."""

    site: Site
    source: Enrolled
    receiver: Enrolled
    doubt: str
    inquiry: str
    run: str


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with site(tmp_path_factory.mktemp("portal") / "data") as found:
        scene = found.scene
        county.fill_catalog(scene, departments=False)
        sharing.publish_libraries(scene, 20, lambda _: None)
        grant = county.grant(scene)
        put = upkeep.furnish(scene, grant)
        roles = (Role.DEPARTMENT,)
        source = enrol_one(scene, "source", "李数据", "li.shuju", POLICE, roles)
        receiver = enrol_one(scene, "receiver", "周数据", "zhou.shuju", BUREAU, roles)
        yield Town(found, source, receiver, put.doubt, put.inquiry, put.run)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def states(town: Town, browser: Browser) -> dict[str, object]:
    found = {}
    for key, person in (("source", town.source), ("receiver", town.receiver)):
        with window(browser, "desktop") as context:
            page = context.new_page()
            sign_in(page, town.site.url, person)
            assert page.url == f"{town.site.url}/data"
            found[key] = context.storage_state()
    return found


@pytest.fixture
def page(browser: Browser, states: dict[str, object]) -> Iterator[Page]:
    with window(browser, "desktop", state=states["source"]) as context:
        yield context.new_page()


def address(name: str) -> str:
    _, department, collection, ident = name.split("/")
    return f"/data/{collection}/{department}/{ident}"


def runs(town: Town) -> str:
    return f"/data/runs/public-security/{town.run.rpartition('/')[2]}"


def named(place: str) -> str:
    """A name for a picture: the same whatever ids were given."""
    return re.sub(r"[a-z2-7]{16}", "one", place)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_is_for_everybody(town, browser, states, size, lang):
    shown = {
        "source": ("/data", "/data/corrections", address(town.doubt), "/data/inquiries",
                   address(town.inquiry), "/data/inquiries/new", QUALITY, "/data/runs",
                   runs(town), f"{runs(town)}/rejects/1"),
        "receiver": ("/data", "/data/subscriptions", "/data/corrections",
                     "/data/subscriptions/human-resources/residents"),
    }  # fmt: skip
    for key, paths in shown.items():
        with window(browser, size, state=states[key]) as context:
            page = context.new_page()
            for path in paths:
                page.goto(f"{town.site.url}{path}?lang={lang}")
                place = "-".join(path.split("/")[2:]) or "start"
                place = place.replace(town.run.rpartition("/")[2], "run")
                keep_picture(page, f"officer-{key}-{named(place)}-{lang}-{size}")
                assert (path, faults(page), max(0, overflow(page))) == (path, [], 0)


def test_an_objection_is_taken_up_and_answered(town, page):
    url = town.site.url
    page.goto(f"{url}/data/corrections")
    page.locator(f"a[href='{address(town.doubt)}']").click()
    expect(page.locator("main")).to_contain_text(OWNER.citizen_number)
    assert OWNER.citizen_number not in page.url
    page.get_by_role("button", name="受理").click()
    expect(page.locator("h1")).to_contain_text("核实中")
    page.get_by_role("button", name="不予更正").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.fill("[name=answer]", "与户籍档案一致")
    page.fill("[name=basis]", "示范县政务数据共享办法第九条")
    page.get_by_role("button", name="不予更正").click()
    expect(page.locator("h1")).to_contain_text("维持原数据")
    expect(page.locator("main")).to_contain_text("与户籍档案一致")
    assert page.locator("textarea").count() == 0


def test_an_inquiry_is_answered(town, page):
    page.goto(f"{town.site.url}/data/inquiries")
    page.get_by_role("link", name="户籍数据更新时间").click()
    page.fill("[name=answer]", "每日六时。")
    page.get_by_role("button", name="发送答复").click()
    expect(page.locator("h1")).to_contain_text("已答复")
    expect(page.locator("main")).to_contain_text("每日六时。")


def test_a_department_is_asked_with_a_file_that_it_opens(town, browser, states, tmp_path):
    note = tmp_path / "说明.txt"
    note.write_text("见附件", encoding="utf-8")
    with window(browser, "desktop", state=states["receiver"]) as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/data/inquiries")
        page.get_by_role("link", name="发起函询").click()
        page.select_option("#recipient", POLICE)
        page.fill("#title", "人口数据字段含义")
        page.fill("#text", "请说明现住址的填写规则。")
        page.set_input_files("#files", note)
        page.get_by_role("button", name="发送").click()
        expect(page.locator("h1")).to_contain_text("待答复")
        expect(page.locator("main")).to_contain_text("还剩")
        place = page.url
    with window(browser, "desktop", state=states["source"]) as context:
        page = context.new_page()
        page.goto(place)
        with page.expect_download() as got:
            page.get_by_role("link", name="说明.txt").click()
        assert Path(got.value.path()).read_text(encoding="utf-8") == "见附件"
        link = page.get_by_role("link", name="说明.txt").get_attribute("href")
        page.fill("[name=answer]", "见附件二。")
        page.set_input_files("#files", note)
        page.get_by_role("button", name="发送答复").click()
        expect(page.locator("h1")).to_contain_text("已答复")
        assert page.get_by_role("link", name="说明.txt").count() == 2
    with window(browser, "desktop", state=states["receiver"]) as context:
        page = context.new_page()
        page.goto(place)
        page.get_by_role("button", name="办结").click()
        expect(page.locator("h1")).to_contain_text("已办结")
    with town.site.client() as nobody:
        assert nobody.get(link).status_code == 303


def test_what_is_rejected_is_corrected_and_run_again(town, page):
    page.goto(f"{town.site.url}/data/runs")
    expect(page.locator("main")).to_contain_text("1 条待更正")
    page.locator("tbody a").first.click()
    page.get_by_role("link", name="population").click()
    name = page.get_by_label("信息资源名称").first
    assert name.input_value() == ""
    summary = page.get_by_label("信息资源摘要").first
    summary.fill("示范县常住人口，今年更正")
    page.get_by_role("button", name="重新运行").click()
    expect(page.get_by_role("alert")).to_contain_text("信息资源名称为空")
    assert summary.input_value() == "示范县常住人口，今年更正"
    name.fill("人口基础信息")
    page.get_by_role("button", name="重新运行").click()
    rejects = page.locator("section[aria-labelledby=rejects]")
    expect(rejects).to_contain_text("已更正")
    rejects.get_by_role("link", name="population").click()
    expect(page.locator("main")).to_contain_text("目录已采纳：人口基础信息。文件中的相关行不再留存")
    page.get_by_role("link", name="人口基础信息").click()
    assert page.url.endswith("/data/quality/public-security/population")
    held = (
        town.site.scene["police"]
        .catalog.GetDataResource(
            catalog_pb2.GetDataResourceRequest(name=sharing.POPULATION), timeout=30
        )
        .resource
    )
    assert (held.display_name, held.abstract) == ("人口基础信息", "示范县常住人口，今年更正")


def test_quality_is_measured_by_the_node(town, page):
    page.goto(f"{town.site.url}/data")
    page.locator(f"a[href='{QUALITY}']").first.click()
    expect(page.locator("main")).to_contain_text("尚未测量")
    page.get_by_role("button", name="立即测量").click()
    expect(page.locator("#work h2")).to_contain_text("已测量")
    row = page.locator("section[aria-labelledby=items] tbody tr").first
    assert row.locator("td").all_inner_texts()[:2] == ["100%", "100%"]
    keep_picture(page, "officer-quality-measured")
    assert faults(page) == []


def test_what_could_not_be_delivered_is_delivered_again(town, browser, states):
    with window(browser, "desktop", state=states["receiver"]) as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/data/subscriptions")
        expect(page.locator("main")).to_contain_text("1 条死信")
        row = page.locator("tbody tr").first
        expect(row).to_contain_text("条变更待取")
        expect(row).to_contain_text("分钟")
        page.get_by_role("link", name="residents").click()
        expect(page.locator("main")).to_contain_text("SCHEMA_UNKNOWN")
        page.get_by_role("button", name="查看其数据").click()
        expect(page.locator("main")).to_contain_text("授权当前可见的数据")
        expect(page.locator("dt", has_text="姓名").locator("code")).to_have_text("name")
        keep_picture(page, "officer-letter")
        assert faults(page) == []
        page.go_back()
        page.get_by_role("button", name="重新投递所选").click()
        expect(page.get_by_role("alert")).to_contain_text("请先勾选")
        page.get_by_role("button", name="全部重新投递").click()
        expect(page.locator("main")).to_contain_text("重新投递中")


def test_nobody_reaches_what_is_anothers(town, browser, states):
    with window(browser, "desktop", state=states["receiver"]) as context:
        page = context.new_page()
        assert page.goto(f"{town.site.url}{address(town.doubt)}").status == 404
        expect(page.locator("main")).not_to_contain_text(OWNER.citizen_number)
    with window(browser, "desktop", state=states["source"]) as context:
        page = context.new_page()
        theirs = f"{town.site.url}/data/subscriptions/human-resources/residents"
        assert page.goto(theirs).status == 404
    with window(browser, "desktop", state=states["receiver"]) as context:
        page = context.new_page()
        for path in (QUALITY, runs(town), f"{runs(town)}/rejects/1"):
            assert (path, page.goto(f"{town.site.url}{path}").status) == (path, 404)
    with town.site.client() as nobody:
        answer = nobody.get("/data")
        assert answer.status_code == 303
        for route in ROUTES:
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            for method in route.methods - {"HEAD"}:
                assert (path, nobody.request(method, path).status_code) == (path, 303)
    with town.site.client() as asking:
        for cookie in states["source"]["cookies"]:
            asking.cookies.set(cookie["name"], cookie["value"])
        for route in ROUTES:
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            if "POST" in route.methods:
                assert (path, asking.post(path, data={"token": "x"}).status_code) == (path, 403)
