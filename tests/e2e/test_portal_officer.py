"""The data officer's journeys in a real browser: what is doubted, asked, stale and undelivered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from exchange.v1 import (
    corrections_pb2,
    corrections_pb2_grpc,
    delivery_pb2,
    inquiries_pb2,
    inquiries_pb2_grpc,
)
from runtime.identity import Role
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
from tongban.demonstration.persons import Enrolled, enrol_one

POLICE, BUREAU = "departments/public-security", "departments/human-resources"
OWNER = sharing.applicant()


@dataclass(frozen=True)
class Town:
    """A node, an officer of the source and one of a receiver, and what waits for them."""

    site: Site
    source: Enrolled
    receiver: Enrolled
    doubt: str
    inquiry: str


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with site(tmp_path_factory.mktemp("portal") / "data") as found:
        scene = found.scene
        county.fill_catalog(scene, departments=False)
        sharing.publish_libraries(scene, 20, lambda _: None)
        grant = county.grant(scene)
        _undelivered(scene, grant)
        doubt = corrections_pb2_grpc.CorrectionServiceStub(scene["terminal"].channel)
        made = doubt.SubmitCorrection(
            corrections_pb2.SubmitCorrectionRequest(
                own=corrections_pb2.OwnRecord(
                    resource=sharing.POPULATION, key=OWNER.citizen_number, case_number="SF-1"
                ),
                items=["name"],
                fault=corrections_pb2.CORRECTION_FAULT_WRONG_VALUE,
                statement="与居民身份证不符",
                request_id="doubt",
            ),
            timeout=30,
        ).correction.name
        asked = inquiries_pb2_grpc.InquiryServiceStub(scene["employment"].channel)
        inquiry = asked.SendInquiry(
            inquiries_pb2.SendInquiryRequest(
                recipient=POLICE,
                title="户籍数据更新时间",
                text="请告知人口库每日更新的时点。",
                request_id="inquiry",
            ),
            timeout=30,
        ).inquiry.name
        roles = (Role.DEPARTMENT,)
        source = enrol_one(scene, "source", "李数据", "li.shuju", POLICE, roles)
        receiver = enrol_one(scene, "receiver", "周数据", "zhou.shuju", BUREAU, roles)
        yield Town(found, source, receiver, made, inquiry)


def _undelivered(scene, grant: str) -> None:
    """A subscription with a dead letter."""
    delivery = scene["employment"].delivery
    name = delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=BUREAU,
            subscription_id="residents",
            grant=grant,
            start=delivery_pb2.START_POSITION_EARLIEST,
            request_id="subscribe",
        ),
        timeout=30,
    ).subscription.name
    got = delivery.PullChanges(
        delivery_pb2.PullChangesRequest(subscription=name, consumer="w"), timeout=30
    )
    delivery.RejectChange(
        delivery_pb2.RejectChangeRequest(
            subscription=name,
            token=got.leases[0].token,
            offset=got.changes[0].offset,
            permanent=True,
            reason="SCHEMA_UNKNOWN",
            request_id="reject",
        ),
        timeout=30,
    )


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


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_is_for_everybody(town, browser, states, size, lang):
    shown = {
        "source": ("/data", "/data/corrections", address(town.doubt), "/data/inquiries",
                   address(town.inquiry)),
        "receiver": ("/data", "/data/subscriptions", "/data/corrections",
                     "/data/subscriptions/human-resources/residents"),
    }  # fmt: skip
    for key, paths in shown.items():
        with window(browser, size, state=states[key]) as context:
            page = context.new_page()
            for path in paths:
                page.goto(f"{town.site.url}{path}?lang={lang}")
                place = "-".join(path.split("/")[2:4]) or "start"
                keep_picture(page, f"officer-{key}-{place}-{lang}-{size}")
                assert (path, misfit(page, size, lang)) == (path, [])


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


def test_what_could_not_be_delivered_is_delivered_again(town, browser, states):
    with window(browser, "desktop", state=states["receiver"]) as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/data/subscriptions")
        expect(page.locator("main")).to_contain_text("1 条死信")
        page.get_by_role("link", name="residents").click()
        expect(page.locator("main")).to_contain_text("SCHEMA_UNKNOWN")
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
    with town.site.client() as nobody:
        answer = nobody.get("/data")
        assert answer.status_code == 303
        forged = nobody.post(address(town.doubt), data={"act": "accept"})
        assert forged.status_code == 303
