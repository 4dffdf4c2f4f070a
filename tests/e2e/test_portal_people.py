"""People who sign in, in a real browser: their journeys, and what nobody gets by trying."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pyotp import TOTP

from exchange.audit.told import accesses_from_json
from licenses.v1 import licenses_pb2, presentations_pb2
from runtime.identity import APPLICANTS, Role
from tests.builders import county
from tests.builders.openid import provider
from tests.builders.portal import (
    LANGUAGES,
    PICTURES,
    SIZES,
    Site,
    authenticator,
    chromium,
    faults,
    keep_picture,
    misfit,
    overflow,
    site,
    trusting_chromium,
    window,
)
from tongban.accounts import opened
from tongban.demonstration import sharing
from tongban.demonstration.persons import Enrolled, enrol_one, enrol_people
from tongban.people import people

OTHER = next(iter(people(100)))


@dataclass(frozen=True)
class Town:
    """A node with pages, its people, and two licenses of two of them."""

    site: Site
    people: dict[str, Enrolled]
    license: str
    of_other: str


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    officer = {"sub": "wu", "name": "吴平台", "roles": ["auditor"], "department": "audit"}
    with (
        provider(officer, {"sub": "nobody", "name": "郑某"}) as issuer,
        told_of_platform(issuer),
        site(tmp_path_factory.mktemp("portal") / "data") as found,
    ):
        scene = found.scene
        county.fill_catalog(scene, departments=False)
        sharing.publish_libraries(scene, 100, lambda _: None)
        grant = sharing.grant_access(scene)["grant"]
        sharing.query_and_verify(scene, grant)
        someone = sharing.applicant()
        made = [
            scene["employment"]
            .licenses.IssueLicense(
                licenses_pb2.IssueLicenseRequest(
                    parent="departments/human-resources",
                    license_type="licenseTypes/employment-registration",
                    holder_name=one.name,
                    holder_code=one.citizen_number,
                    fields={"KZ_DJLX": "失业登记", "KZ_XLXX": "大学本科", "KZ_JYZT": "失业"},
                    request_id=f"license-{place}",
                ),
                timeout=60,
            )
            .license.name
            for place, one in enumerate((someone, OTHER))
        ]
        enrolled = enrol_people(scene)
        enrolled["other"] = enrol_one(scene, "other", OTHER.name, OTHER.citizen_number)
        enrolled["leaver"] = enrol_one(
            scene, "leaver", "周离职", "zhou.lizhi", "departments/audit", (Role.AUDITOR,)
        )
        yield Town(found, enrolled, made[0], made[1])


@contextmanager
def told_of_platform(issuer: str) -> Iterator[None]:
    """A node that starts meanwhile knows of an identity platform."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TONGBAN_SIGN_IN__ISSUER", issuer)
        environment.setenv("TONGBAN_SIGN_IN__CLIENT_ID", "tongban")
        environment.setenv("TONGBAN_SIGN_IN__CLIENT_SECRET", "secret")
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def sign_in(page: Page, town: Town, key: str, path: str = "/sign-in") -> None:
    """Sign in as people do; a code that was used up is waited over."""
    person = town.people[key]
    for _ in range(3):
        page.goto(f"{town.site.url}{path}")
        page.fill("[name=login]", person.login)
        page.fill("[name=password]", person.password)
        page.fill("[name=code]", person.code)
        page.locator("form[action='/sign-in'] button").click()
        if "/sign-in" not in page.url:
            return
        time.sleep(31 - time.time() % 30)
    raise AssertionError(page.locator("main").inner_text())


@pytest.fixture(scope="module")
def signed_in(town: Town, browser: Browser) -> Iterator[dict[str, object]]:
    """The cookies of the applicant's session, made once."""
    with window(browser, "desktop") as context:
        page = context.new_page()
        sign_in(page, town, "applicant")
        yield context.storage_state()


@pytest.fixture
def page(browser: Browser, signed_in: dict[str, object]) -> Iterator[Page]:
    with window(browser, "desktop", state=signed_in) as context:
        yield context.new_page()


def address(name: str) -> str:
    _, department, _, license_id = name.split("/")
    return f"/my/licenses/{department}/{license_id}"


def client(town: Town, context: BrowserContext | dict[str, object]) -> httpx.Client:
    state = context if isinstance(context, dict) else context.storage_state()
    found = town.site.client()
    for cookie in state["cookies"]:  # type: ignore[index,union-attr]
        found.cookies.set(cookie["name"], cookie["value"])
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_fit_for_everybody(
    town: Town, browser: Browser, signed_in: dict[str, object], size: str, language: str
) -> None:
    own = address(town.license)
    resource = "/my/corrections/new/public-security/population"
    pages = {
        "licenses": "/my/licenses",
        "license": own,
        "choose": f"{own}/present",
        "presentations": "/my/presentations",
        "looks": "/my/looks",
        "corrections": "/my/corrections",
        "object": resource,
    }
    someone = town.people["applicant"]
    with window(browser, size, state=signed_in) as context:
        page = context.new_page()
        for name, path in pages.items():
            answer = page.goto(f"{town.site.url}{path}?lang={language}")
            assert answer is not None
            assert answer.status == 200, path
            assert not misfit(page, size, language), path
            assert someone.login not in page.url
            keep_picture(page, f"applicant-{name}-{size}-{language}")
    with window(browser, size) as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/sign-in?lang={language}")
        assert not faults(page)
        assert overflow(page) <= 0
        keep_picture(page, f"sign-in-{size}-{language}")


def test_a_license_is_shown_to_somebody_and_found_in_the_list(town: Town, page: Page) -> None:
    page.goto(f"{town.site.url}{address(town.license)}")
    expect(page.locator("h1")).to_contain_text("就业创业登记证")
    expect(page.locator(".small-verdict")).to_contain_text("真实有效")
    assert page.locator(".page img").evaluate("one => one.naturalWidth") > 1000
    page.get_by_role("link", name="亮证", exact=True).click()
    page.fill("[name=purpose]", "办理公积金提取")
    page.get_by_role("button", name="生成亮证码").click()
    keep_picture(page, "applicant-code-desktop-zh")
    assert not faults(page)
    expect(page.locator("[data-left]")).to_contain_text(re.compile(r"\((4|5):\d\d\)"))
    code = page.locator("code.secret").inner_text()
    assert code not in page.url
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / "applicant-code-only.png"
    page.locator("img.qr").screenshot(path=path)
    read = zxingcpp.read_barcode(Image.open(path))
    assert read is not None
    assert read.text == code
    seen = town.site.scene["police"].presentations.VerifyPresentation(
        presentations_pb2.VerifyPresentationRequest(code=read.text, purpose="公积金"), timeout=30
    )
    assert set(seen.fields) == {"ZZMC", "CZZT", "ZZYXQJZRQ"}
    page.goto(f"{town.site.url}/my/presentations")
    shown = page.locator("li.card").filter(has_text="办理公积金提取")
    expect(shown).to_contain_text("1 次")
    page.goto(f"{town.site.url}/my/looks")
    expect(page.locator("main")).to_contain_text("示范县公安局")
    page.goto(f"{town.site.url}/my/presentations")
    shown.get_by_role("button", name="立即结束").click()
    expect(shown).to_have_count(0)


def test_who_looked_can_be_taken_away_and_verified(town: Town, page: Page) -> None:
    page.goto(f"{town.site.url}/my/looks")
    expect(page.locator("main")).to_contain_text("示范县人力资源和社会保障局")
    expect(page.locator("main")).to_contain_text("查询了您的数据")
    with page.expect_download() as started:
        page.get_by_role("button", name="下载证明").click()
    saved = accesses_from_json(started.value.path().read_text("utf-8"))
    assert saved.key == town.people["applicant"].login
    assert len(saved.accesses) >= 3
    assert all("c2sp.org/tlog-proof" in one.proven.proof for one in saved.accesses)


def test_a_wrong_record_is_objected_to_and_followed(town: Town, page: Page) -> None:
    page.goto(f"{town.site.url}/my/looks")
    page.get_by_role("link", name=re.compile("这条数据有误")).first.click()
    page.locator("[name=items]").first.check()
    page.fill("[name=statement]", "地址已变更")
    page.get_by_role("button", name="提交异议").click()
    expect(page).to_have_url(f"{town.site.url}/my/corrections")
    expect(page.locator("li.card")).to_contain_text("地址已变更")
    page.get_by_role("button", name="撤回").click()
    expect(page.locator("li.card")).to_contain_text("已撤回")


def test_nobody_opens_what_is_anothers(
    town: Town, browser: Browser, signed_in: dict[str, object]
) -> None:
    other = address(town.of_other)
    with client(town, signed_in) as asked:
        own = asked.get(address(town.license))
        assert own.status_code == 200
        token = re.search(r'name="token" value="([^"]+)"', own.text)
        assert token is not None
        for path in (other, f"{other}/picture", f"{other}/document.pdf", f"{other}/present"):
            assert asked.get(path).status_code == 404, path
        given = {"token": token[1], "fields": "CZZT", "purpose": "x", "request_id": "1"}
        assert asked.post(f"{other}/present", data=given).status_code == 404
        # Nor what is for other roles.
        for path in ("/office", "/office/requests", "/office/accounts"):
            assert asked.get(path).status_code == 404, path
    with window(browser, "desktop") as context:
        page = context.new_page()
        sign_in(page, town, "other")
        with client(town, context) as asked:
            assert asked.get(other).status_code == 200
            assert asked.get(address(town.license)).status_code == 404


def test_a_form_without_the_sessions_token_changes_nothing(
    town: Town, signed_in: dict[str, object]
) -> None:
    path = f"{address(town.license)}/present"
    given = {"fields": "CZZT", "purpose": "不应出现", "request_id": "forged"}
    with client(town, signed_in) as asked:
        for token in ({}, {"token": "x" * 43}, {"token": ""}):
            assert asked.post(path, data={**given, **token}).status_code == 403
        from_elsewhere = {"Sec-Fetch-Site": "cross-site"}
        assert asked.post(path, data=given, headers=from_elsewhere).status_code == 403
        assert "不应出现" not in asked.get("/my/presentations?all=1").text


def test_cookies_and_headers_are_strict(town: Town, signed_in: dict[str, object]) -> None:
    cookies = {one["name"]: one for one in signed_in["cookies"]}  # type: ignore[attr-defined]
    held = cookies["__Host-session"]
    assert (held["secure"], held["httpOnly"], held["sameSite"]) == (True, True, "Lax")
    with client(town, signed_in) as asked:
        answer = asked.get("/my/licenses")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert town.people["applicant"].login not in answer.text
    assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=", answer.text)


def test_who_is_not_signed_in_comes_back_after_signing_in(town: Town) -> None:
    with town.site.client() as asked:
        answer = asked.get(address(town.license))
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/sign-in?back=/my/licenses/")
        for back in ("//evil.example", "https://evil.example", "/\\evil.example", "/a?b=c"):
            page = asked.get("/sign-in", params={"back": back})
            assert 'name="back" value=""' in page.text


def test_signing_out_ends_the_session_everywhere(town: Town, browser: Browser) -> None:
    with window(browser, "phone") as context:
        page = context.new_page()
        sign_in(page, town, "auditor")
        expect(page.locator("header")).to_contain_text("孙审计")
        with client(town, context) as kept:
            page.get_by_role("button", name="退出").click()
            expect(page.get_by_role("link", name="登录", exact=True)).to_be_visible()
            assert kept.get("/my/licenses").headers["Location"].startswith("/sign-in")


def test_a_wrong_password_says_nothing_of_who_there_is(town: Town) -> None:
    said = []
    with town.site.client() as asked:
        for login in (town.people["applicant"].login, "990101198001010022"):
            given = {"login": login, "password": "wrong words here", "code": "000000"}
            answer = asked.post("/sign-in", data=given)
            assert answer.status_code == 422
            assert not answer.cookies.get("__Host-session")
            said.append(answer.text.replace(login, ""))
    assert said[0] == said[1]


# --- the administrator ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_office(town: Town, browser: Browser) -> Iterator[dict[str, object]]:
    """The cookies of the administrator's session, with a request that waits."""
    sharing.ask(
        town.site.scene["employment"], sharing.POPULATION, ["name", "phone"], sharing.PURPOSE
    )
    with window(browser, "desktop") as context:
        page = context.new_page()
        sign_in(page, town, "administrator")
        yield context.storage_state()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_of_the_office_is_fit_for_everybody(
    town: Town, browser: Browser, in_office: dict[str, object], size: str, language: str
) -> None:
    pages = {
        "overview": "/office",
        "requests": "/office/requests",
        "catalog": "/office/catalog",
        "resource": "/office/catalog/public-security/population",
        "sharing": "/office/sharing",
        "accounts": "/office/accounts",
        "disable": f"/office/accounts/{town.people['auditor'].account.split('/')[1]}/disable",
        "invite": "/counter/accounts",
    }
    with window(browser, size, state=in_office) as context:
        page = context.new_page()
        for name, path in pages.items():
            answer = page.goto(f"{town.site.url}{path}?lang={language}")
            assert answer is not None
            assert answer.status == 200, path
            assert not misfit(page, size, language), path
            keep_picture(page, f"office-{name}-{size}-{language}")


def test_an_administrator_sees_who_is_late_and_what_was_asked(
    town: Town, browser: Browser, in_office: dict[str, object]
) -> None:
    with window(browser, "desktop", state=in_office) as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/office")
        expect(page.locator("tbody tr")).to_contain_text("示范县公安局")
        expect(page.locator("tbody tr")).to_contain_text("个工作日")
        page.get_by_role("link", name="答复数据申请").click()
        expect(page.locator("main")).to_contain_text(sharing.PURPOSE)
        expect(page.locator("main")).to_contain_text("法定时限")
        assert not faults(page)
        keep_picture(page, "office-request-desktop-zh")
        page.goto(f"{town.site.url}/office/catalog")
        page.fill("[name=words]", "人口")
        page.get_by_role("button", name="搜索").click()
        page.get_by_role("link", name="人口基础信息").first.click()
        expect(page.locator("table")).to_contain_text("公民身份号码")


def test_a_counter_makes_an_account_and_its_owner_enrols_and_signs_in(
    town: Town, browser: Browser, in_office: dict[str, object]
) -> None:
    newcomer = list(people(3))[2]
    with window(browser, "desktop", state=in_office) as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/counter/accounts")
        page.fill("[name=code]", newcomer.citizen_number)
        page.fill("[name=name]", newcomer.name)
        page.get_by_role("button", name="开户").click()
        link = page.locator("code.secret").inner_text()
        assert newcomer.citizen_number not in page.url
        assert not faults(page)
    path = link.partition("/enrol/")[2]
    with window(browser, "phone") as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/enrol/{path}")
        assert not faults(page)
        assert overflow(page) <= 0
        keep_picture(page, "enrol-phone-zh")
        secret = page.locator("code.secret").inner_text()
        page.fill("#code", TOTP(secret).at(time.time()))
        page.fill("#password", "几个 词语 连在 一起 就好")
        page.get_by_role("button", name="完成设置").click()
        expect(page.locator("h1")).to_have_text("账户已设置")
        assert page.goto(f"{town.site.url}/enrol/{path}").status == 404  # type: ignore[union-attr]
        page.goto(f"{town.site.url}/sign-in")
        page.fill("[name=login]", newcomer.citizen_number)
        page.fill("[name=password]", "几个 词语 连在 一起 就好")
        page.fill("[name=code]", TOTP(secret).at(time.time() + 30))  # none is taken twice
        page.locator("form[action='/sign-in'] button").click()
        expect(page.locator("main")).to_contain_text("暂无证照")
        assert not faults(page)
        keep_picture(page, "applicant-none-phone-zh")


def test_a_disabled_account_is_signed_out_at_once(
    town: Town, browser: Browser, in_office: dict[str, object]
) -> None:
    with window(browser, "desktop") as context, window(browser, "desktop", state=in_office) as own:
        page = context.new_page()
        sign_in(page, town, "leaver")
        office = own.new_page()
        account = town.people["leaver"].account.split("/")[1]
        office.goto(f"{town.site.url}/office/accounts/{account}/disable")
        office.fill("[name=reason]", "离职")
        office.get_by_role("button", name="停用").click()
        expect(office.locator("tr").filter(has_text="周离职")).to_contain_text("已停用")
        time.sleep(0.6)
        page.goto(f"{town.site.url}/office")
        expect(page.locator("[role=status]")).to_contain_text("会话已结束")


def test_a_passkey_enrols_and_signs_in(town: Town, browser: Browser, tmp_path: Path) -> None:
    """By Chromium's own authenticator in software; it makes none where the certificate is wrong."""
    newcomer = list(people(4))[3]
    with opened(town.site.scene.settings) as server, server.database.unit_of_work() as work:
        made = server.administering.create(
            work,
            actor="test",
            department=APPLICANTS,
            roles=(),
            login=newcomer.citizen_number,
            display_name=newcomer.name,
        )
    origin = town.site.url.replace("127.0.0.1", "localhost")
    with trusting_chromium(browser, town.site, tmp_path) as context:
        page = context.new_page()
        authenticator(page)
        page.goto(f"{origin}/enrol/{made.token}")
        page.get_by_role("button", name="创建通行密钥").click()
        expect(page.locator("h1")).to_have_text("账户已设置")
        page.goto(f"{origin}/sign-in")
        page.get_by_role("button", name="使用通行密钥").click()
        expect(page.locator("header")).to_contain_text(newcomer.name)
        page.get_by_role("button", name="退出").click()
        expect(page.get_by_role("link", name="登录", exact=True)).to_be_visible()


def test_somebody_signs_in_at_the_identity_platform(town: Town, browser: Browser) -> None:
    origin = town.site.url.replace("127.0.0.1", "localhost")
    with window(browser, "desktop") as context:
        page = context.new_page()
        page.goto(f"{origin}/sign-in")
        keep_picture(page, "sign-in-platform-desktop-zh")
        page.get_by_role("link", name="通过统一身份认证平台登录").click()
        page.get_by_role("button", name="wu", exact=True).click()
        expect(page.locator("header")).to_contain_text("吴平台")
        # The answer is of this browser's flow, and was taken once.
        page.goto(f"{origin}/sign-in/platform/answer?state=x&code=y")
        expect(page.locator(".notice.bad:visible")).to_contain_text("登录信息不正确")
    with window(browser, "desktop") as context:
        page = context.new_page()
        page.goto(f"{origin}/sign-in/platform")
        page.get_by_role("button", name="nobody", exact=True).click()
        expect(page.locator(".notice.bad:visible")).to_contain_text("未赋予您")
