"""The administrator's pages in a real browser: deciding, trying, ending, and what nobody gets."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from exchange.v1 import grants_pb2
from portal.office.terms import read
from runtime.identity import Role
from seal.v1 import seal_pb2, trust_pb2
from tests.builders import county
from tests.builders.authorities import NAME
from tests.builders.authorities import terms as authority_terms
from tests.builders.portal import (
    LANGUAGES,
    SIZES,
    Site,
    chromium,
    faults,
    keep_picture,
    misfit,
    sign_in,
    site,
    window,
)
from tongban.demonstration import sharing
from tongban.demonstration.office import POLICE, furnish, put_materials
from tongban.demonstration.persons import Enrolled, enrol_one

SEAL = "departments/human-resources/seals/second"
SEAL_PAGE = "/office/seals/human-resources/second"
AUTHORITY_PAGE = f"/office/{NAME}"
SERVICE = "/office/services/public-security/cg2017-12"
BASIS = "《示范县政务数据共享管理办法》第三条"


@dataclass(frozen=True)
class Office:
    """A node with pages, its administrators, requests that wait and a grant that was used."""

    site: Site
    people: dict[str, Enrolled]
    sessions: dict[str, dict[str, object]]
    waiting: str
    other: str
    grant: str
    service: str


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Office]:
    with site(tmp_path_factory.mktemp("office") / "data") as found:
        scene = found.scene
        county.fill_catalog(scene, departments=False)
        sharing.publish_libraries(scene, 60, lambda _: None)
        granted = str(sharing.grant_access(scene)["grant"])
        sharing.query_and_verify(scene, granted)
        put_materials(scene)
        furnish(scene)
        asked = [
            sharing.ask(scene["employment"], sharing.POPULATION, items, purpose).name
            for items, purpose in (
                (["name", "phone"], sharing.PURPOSE),
                (["name", "birth_date"], "核实年龄"),
            )
        ]
        people = {
            key: enrol_one(scene, key, name, f"{key}.office", department, roles)
            for key, name, department, roles in (
                ("source", "冯户籍", POLICE, (Role.ADMINISTRATOR,)),
                ("second", "陈复核", POLICE, (Role.ADMINISTRATOR,)),
                ("owner", "沈人社", "departments/human-resources", (Role.ADMINISTRATOR,)),
                ("market", "褚工商", "departments/market-regulation", (Role.ADMINISTRATOR,)),
                ("auditor", "卫审计", "departments/audit", (Role.AUDITOR,)),
            )
        }
        yield Office(found, people, sessions(found, browser, people), *asked, granted, SERVICE)


def sessions(
    found: Site, browser: Browser, people: dict[str, Enrolled]
) -> dict[str, dict[str, object]]:
    """Each administrator's cookies; signing in is what takes long."""
    held = {}
    for key, person in people.items():
        with window(browser, "desktop") as context:
            sign_in(context.new_page(), found.url, person)
            held[key] = context.storage_state()
    return held  # type: ignore[return-value]  # a typed dict of the same


def address(name: str) -> str:
    _, department, kind, last = name.split("/")
    return f"/office/{'requests' if kind == 'accessRequests' else 'grants'}/{department}/{last}"


def client(office: Office, key: str) -> httpx.Client:
    found = office.site.client()
    for cookie in office.sessions[key]["cookies"]:  # type: ignore[attr-defined]
        found.cookies.set(cookie["name"], cookie["value"])
    return found


def token_of(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


@pytest.fixture
def page(office: Office, browser: Browser) -> Iterator[Page]:
    """The source administrator's window."""
    with window(browser, "desktop", state=office.sessions["source"]) as context:
        yield context.new_page()


def opened(context: BrowserContext, office: Office, path: str) -> Page:
    page = context.new_page()
    page.goto(f"{office.site.url}{path}")
    return page


PAGES = {
    "overview": "/office",
    "clock": "/office/clock",
    "cases": "/office/cases",
    "requests": "/office/requests",
    "grants": "/office/grants",
    "catalog": "/office/catalog",
    "resource": "/office/catalog/public-security/population",
    "what-if": "/office/catalog/public-security/population?removed=name",
    "responsibilities": "/office/responsibilities",
    "sharing": "/office/sharing",
    "map": "/office/map",
    "services": "/office/services",
    "savings": "/office/savings",
    "seals": "/office/seals",
    "seal": "/office/seals/human-resources/official",
    "authorities": "/office/authorities",
    "systems": "/office/systems",
    "systems-ending": "/office/systems?ending=1",
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_fit_for_everybody(
    office: Office, browser: Browser, size: str, language: str
) -> None:
    pages = {
        **PAGES,
        "request": address(office.waiting),
        "grant": address(office.grant),
        "revoke": f"{address(office.grant)}/revoke",
        "service": office.service,
    }
    with window(browser, size, state=office.sessions["source"]) as context:
        page = context.new_page()
        for name, path in pages.items():
            joined = f"{path}{'&' if '?' in path else '?'}lang={language}"
            answer = page.goto(f"{office.site.url}{joined}")
            assert answer is not None
            assert answer.status == 200, path
            assert not misfit(page), path
            text = page.locator("main").inner_text()
            assert "departments/" not in text, path
            keep_picture(page, f"office-{name}-{size}-{language}")


def test_a_request_is_granted_as_it_was_previewed(office: Office, page: Page) -> None:
    page.goto(f"{office.site.url}/office")
    expect(page.locator("main")).to_contain_text("个工作日")
    page.goto(f"{office.site.url}{address(office.waiting)}")
    expect(page.locator("main")).to_contain_text("法定时限")
    expect(page.get_by_role("button", name="同意授权")).to_have_count(0)
    # Nothing chosen is not everything, and a last day that is past is told before anything else.
    asked = page.locator("[name=operation]")
    for at in range(asked.count()):
        asked.nth(at).uncheck()
    page.get_by_role("button", name="预览对方所见").click()
    expect(page.locator("[role=alert]")).to_contain_text("请至少选择一种允许的操作")
    expect(page.get_by_role("button", name="同意授权")).to_have_count(0)
    for at in range(asked.count()):
        asked.nth(at).check()
    until = page.input_value("#until")
    page.fill("#until", "2020-01-01")
    page.get_by_role("button", name="预览对方所见").click()
    expect(page.locator("[role=alert]")).to_contain_text("截止日期已过")
    page.fill("#until", until)
    page.get_by_label("联系电话").select_option("phone:last_four")
    page.get_by_text("限定记录范围").click()
    page.locator("#fi0").select_option("birth_date")
    page.locator("#fv0").fill("19")
    page.fill("#reason", "仅需成年人记录")
    page.get_by_role("button", name="预览对方所见").click()
    shown = page.locator("#preview")
    expect(shown).to_contain_text("张示例")
    expect(shown).to_contain_text("****1234")
    expect(shown.locator("tr.unseen")).to_have_count(2)
    expect(shown).to_contain_text("条可见（共查看 60 条记录")
    assert not faults(page)
    keep_picture(page, "office-preview-desktop-zh")
    # What was changed after the preview is previewed anew, and nothing is granted.
    page.fill("#quota", "50")
    page.get_by_role("button", name="同意授权").click()
    expect(page.locator("#preview")).to_be_visible()
    expect(page.locator("#quota")).to_have_value("50")
    expect(page.locator("#reason")).to_have_value("仅需成年人记录")
    page.get_by_role("button", name="同意授权").click()
    page.wait_for_url("**/office/grants/human-resources/*")
    expect(page.locator("[role=status]")).to_contain_text("已同意授权")
    expect(page.locator("[role=status]")).to_be_focused()
    expect(page.locator("main")).to_contain_text("仅后四位")
    expect(page.locator("main")).to_contain_text("50 条")


def test_a_refusal_needs_its_legal_basis_and_keeps_what_was_typed(
    office: Office, page: Page
) -> None:
    page.goto(f"{office.site.url}{address(office.other)}")
    page.locator("summary", has_text="不同意").click()
    page.fill("#refusal", "用途不明确")
    page.fill("#basis", " ")
    page.get_by_role("button", name="不同意申请").click()
    expect(page.locator("[role=alert]")).to_contain_text("请更正：依据的法律法规")
    expect(page.locator("#basis")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#refusal")).to_have_value("用途不明确")
    assert not faults(page)
    page.fill("#basis", BASIS)
    page.get_by_role("button", name="不同意申请").click()
    expect(page.locator("[role=status]")).to_contain_text("已不同意该申请")
    expect(page.locator("h1")).to_contain_text("未同意")
    expect(page.locator("main")).to_contain_text("用途不明确")


def test_a_grant_is_tried_and_narrowed(office: Office, page: Page) -> None:
    page.goto(f"{office.site.url}{address(office.grant)}")
    asked = page.locator("[name=operation]")
    for at in range(asked.count()):
        asked.nth(at).uncheck()
    page.get_by_role("button", name="推演影响").click()
    expect(page.locator("[role=alert]")).to_contain_text("如需全部停止，请撤销授权")
    expect(page.get_by_role("button", name="收窄授权")).to_have_count(0)
    for at in range(asked.count()):
        asked.nth(at).check()
    page.get_by_label("户籍地址").select_option("")
    page.get_by_role("button", name="推演影响").click()
    expect(page.locator("#trial")).to_contain_text("不再提供该项")
    expect(page.locator("#trial")).to_contain_text("示范县人力资源和社会保障局")
    assert not faults(page)
    keep_picture(page, "office-trial-desktop-zh")
    page.fill("#reason", "用途不需要地址")
    page.get_by_role("button", name="收窄授权").click()
    expect(page.locator("[role=status]")).to_contain_text("授权已收窄")
    expect(page.get_by_label("户籍地址")).to_have_count(0)
    # Who narrowed it is called by name.
    expect(page.locator("[aria-labelledby=versions]")).to_contain_text("冯户籍")


def test_a_grant_is_ended_by_two(office: Office, browser: Browser, page: Page) -> None:
    name = county.grant(office.site.scene, lasting=timedelta(days=2))
    page.goto(f"{office.site.url}{address(name)}/revoke")
    expect(page.locator("main")).to_contain_text("受影响的部门")
    page.fill("#reason", "部门职能调整")
    page.get_by_role("button", name="提交").click()
    page.wait_for_url("**/office/acts*")
    grants = office.site.scene["police"].grants
    held = grants_pb2.GetGrantRequest(name=name)
    # Who asked does not end it by the address of the other's button either.
    page.get_by_role("link", name=re.compile("撤销授权")).first.click()
    token = page.locator("input[name=token]").first.input_value()
    refused = page.request.post(f"{page.url}/confirm", form={"token": token})
    assert "须由第二人确认" in refused.text()
    assert grants.GetGrant(held, timeout=30).grant.state == grants_pb2.GRANT_STATE_ACTIVE
    with window(browser, "desktop", state=office.sessions["second"]) as context:
        other = opened(context, office, "/office/acts")
        other.get_by_role("link", name=re.compile("撤销授权")).click()
        other.get_by_role("button", name="确认执行").click()
        expect(other.locator("h1")).to_contain_text("已确认")
    revoked = grants.GetGrant(held, timeout=30).grant
    assert revoked.state == grants_pb2.GRANT_STATE_REVOKED
    assert revoked.revoke_reason == "部门职能调整"


def test_another_departments_administrator_decides_nothing(office: Office) -> None:
    request = sharing.ask(
        office.site.scene["employment"], sharing.POPULATION, ["name"], "不应由他人决定"
    ).name
    path, grant = address(request), address(office.grant)
    with client(office, "market") as asked:
        token = token_of(asked.get(path).text)
        terms = {"token": token, "item": "name:", "operation": "query", "until": "2027-01-01"}
        # What nobody showed them, as if they had been shown it.
        seen = read({key: [value] for key, value in terms.items()}).digest()
        approving = {**terms, "act": "approve", "seen": seen}
        tries = {
            path: approving,
            f"{path}/refuse": {"token": token, "refusal": "x", "basis": BASIS},
            f"{path}/return": {"token": token, "note": "x"},
            f"{grant}/revoke": {"token": token, "reason": "x"},
        }
        for number, (place, given) in enumerate(tries.items()):
            answer = asked.post(place, data={**given, "request_id": f"another-{number}"})
            assert answer.status_code == 404, place
        assert asked.get(f"{grant}/revoke").status_code == 404
        assert asked.get("/office/acts").text.count("撤销授权") <= 1  # the heading of the list
    assert state_of(office, request) == grants_pb2.ACCESS_REQUEST_STATE_PENDING
    with client(office, "auditor") as asked:
        page = asked.get(path)
        assert page.status_code == 200
        assert "同意授权" not in page.text
        assert asked.post(path, data={"token": token_of(page.text)}).status_code == 404


def test_a_form_without_the_sessions_token_changes_nothing(office: Office) -> None:
    request = sharing.ask(
        office.site.scene["employment"], sharing.POPULATION, ["name"], "伪造请求"
    ).name
    given = {"refusal": "x", "basis": BASIS, "note": "x", "reason": "x", "act": "approve"}
    with client(office, "source") as asked:
        for path in (
            address(request),
            *(f"{address(request)}/{verb}" for verb in ("refuse", "return", "endorse")),
            address(office.grant),
            f"{address(office.grant)}/revoke",
            PAGES["seal"],
            AUTHORITY_PAGE,
        ):
            for token in ({}, {"token": "x" * 43}):
                assert asked.post(path, data={**given, **token}).status_code == 403, path
    assert state_of(office, request) == grants_pb2.ACCESS_REQUEST_STATE_PENDING


def state_of(office: Office, request: str) -> int:
    asked = grants_pb2.GetAccessRequestRequest(name=request)
    answer = office.site.scene["police"].grants.GetAccessRequest(asked, timeout=30)
    return int(answer.access_request.state)


def test_what_is_promised_is_held_against_what_is_delivered(office: Office, page: Page) -> None:
    page.goto(f"{office.site.url}/office/responsibilities")
    rows = page.locator("tbody tr")
    expect(rows.filter(has_text="机动车登记信息")).to_contain_text("从未发布数据")
    expect(rows.filter(has_text="人口基础信息")).to_contain_text("授权缺少信息项")
    # What a page does not offer is refused, and not left out in silence.
    with client(office, "source") as asked:
        for path in (
            "catalog?library=none", "catalog?department=departments/none", "clock?year=26",
            "catalog/public-security/population?removed=none", "cases?kind=none",
            "requests?state=none", "grants?receiver=none", "responsibilities?department=none",
        ):  # fmt: skip
            answer = asked.get(f"/office/{path}")
            assert (path, answer.status_code) == (path, 400)
            assert "不在可选范围内" in answer.text
    page.goto(f"{office.site.url}/office/catalog")
    page.get_by_label("基础库").select_option("population")
    page.get_by_role("button", name="搜索").click()
    hit = page.locator("li").filter(has_text="人口基础信息").first
    expect(hit).to_contain_text("基础库：人口库")
    expect(hit.locator(".badge")).to_have_text("按期更新")
    expect(page.locator("main")).not_to_contain_text("法人单位基础信息")
    page.get_by_label("关键词").fill(sharing.applicant().citizen_number)
    page.get_by_role("button", name="搜索").click()
    expect(page.locator("[role=alert]")).to_contain_text("疑似身份证号")
    assert sharing.applicant().citizen_number not in page.url + page.content()


def fits(office: Office, page: Page, path: str, name: str) -> None:
    for language in LANGUAGES:
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{office.site.url}{path}?lang={language}")
            assert not misfit(page), (path, size, language)
            keep_picture(page, f"office-{name}-{size}-{language}")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{office.site.url}{path}?lang=zh")


def press(page: Page, act: str, reason: str = "") -> None:
    """Open what is folded, say why, and press the button of an act."""
    form = page.locator(f"form:has(button[value={act}])")
    if reason:
        folded = page.locator(f"details:not([open]):has(button[value={act}]) > summary")
        if folded.count():
            folded.click()
        form.locator("[name=reason]").fill(reason)
    form.locator("button").click()


def test_a_seal_is_approved_frozen_and_thawed(office: Office, browser: Browser) -> None:
    with window(browser, "desktop", state=office.sessions["owner"]) as context:
        _live(office, context.new_page())
    # Another department's administrator is told who acts, and offered nothing.
    with client(office, "market") as asked:
        told = asked.get(SEAL_PAGE).text
    assert "此印章由示范县人力资源和社会保障局、其上级部门" in told
    assert 'name="act"' not in told


def _live(office: Office, page: Page) -> None:
    seals = office.site.scene["centre"].seals
    held = seal_pb2.GetSealRequest(name=SEAL)
    wish = seal_pb2.CreateSealRequest(
        parent="departments/human-resources", seal_id="second", request_id="one",
        display_name="示范县人力资源和社会保障局", credit_code="11990101000000035K",
    )  # fmt: skip
    wish.end_time.FromDatetime(datetime.now(UTC) + timedelta(days=30))
    seals.CreateSeal(wish, timeout=60)
    fits(office, page, SEAL_PAGE, "seal-asked")
    press(page, "approve")
    expect(page.locator("h1 .badge")).to_have_text("使用中，29 天后到期")
    expect(page.locator(".notice", has_text="印章即将到期")).to_be_visible()
    assert seals.GetSeal(held, timeout=30).seal.state == seal_pb2.SEAL_STATE_ACTIVE
    press(page, "freeze", "年度核查")
    expect(page.locator("h1 .badge")).to_have_text("已冻结，29 天后到期")
    assert seals.GetSeal(held, timeout=30).seal.state == seal_pb2.SEAL_STATE_FROZEN
    # Who froze it does not thaw it: the centre does, freezes it itself, and its owner thaws.
    expect(page.locator("button[value=unfreeze]")).to_have_count(0)
    expect(page.locator(".notice", has_text="此印章由您冻结")).to_be_visible()
    about = {"name": SEAL, "reason": "核查"}
    seals.UnfreezeSeal(seal_pb2.UnfreezeSealRequest(request_id="thaw", **about), timeout=30)
    seals.FreezeSeal(seal_pb2.FreezeSealRequest(request_id="freeze", **about), timeout=30)
    page.reload()
    press(page, "unfreeze", "核查完毕")
    expect(page.locator("h1 .badge")).to_have_text("使用中，29 天后到期")
    expect(page.locator("ol.log").first).to_contain_text("核查完毕")
    # That it ends soon is told where an administrator comes in, and among all seals.
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("/office", "/office/seals?ending=1"):
        page.goto(office.site.url + path)
        expect(page.locator(".badge", has_text="使用中，29 天后到期")).to_have_count(1)
        assert not misfit(page), path
        keep_picture(page, f"office-ending-{len(path)}")


def test_an_authority_is_recognised_its_change_compared_and_its_recognition_ended(
    office: Office, page: Page
) -> None:
    trust = office.site.scene["centre"].trust
    held = trust_pb2.GetAuthorityRequest(name=NAME)
    first = authority_terms()
    trust.ProposeAuthority(
        trust_pb2.ProposeAuthorityRequest(
            authority_id="shifan-city", terms=first, request_id=str(uuid.uuid4())
        ),
        timeout=60,
    )
    page.goto(f"{office.site.url}{AUTHORITY_PAGE}")
    press(page, "approve")
    expect(page.locator("h1 .badge")).to_have_text("已认可")
    change = trust_pb2.ProposeAuthorityChangeRequest(
        name=NAME, terms=authority_terms(legal_basis="续签的互认协议"), request_id=str(uuid.uuid4())
    )
    trust.ProposeAuthorityChange(change, timeout=60)
    fits(office, page, AUTHORITY_PAGE, "authority-change")
    rows = page.locator(".preview tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(first.legal_basis)
    expect(rows).to_contain_text("续签的互认协议")
    press(page, "reject", "依据不足")
    expect(page.locator(".preview")).to_have_count(0)
    press(page, "withdraw", "协议终止")
    expect(page.locator("h1 .badge")).to_have_text("已撤销认可")
    state = trust.GetAuthority(held, timeout=30).authority.state
    assert state == trust_pb2.AUTHORITY_STATE_WITHDRAWN
