"""People who sign in, in a real browser: their journeys, and what nobody gets by trying."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pyotp import TOTP

from runtime.identity import APPLICANTS, Role
from tests.builders.openid import provider
from tests.builders.portal import (
    LANGUAGES,
    SIZES,
    authenticator,
    chromium,
    faults,
    keep_picture,
    misfit,
    overflow,
    sign_in,
    trusting_chromium,
    window,
)
from tests.builders.portal_town import Town, address, client, town_in
from tongban.accounts import opened
from tongban.demonstration.persons import enrol_one
from tongban.people import people


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    officer = {"sub": "wu", "name": "吴平台", "roles": ["auditor"], "department": "audit"}
    with (
        provider(officer, {"sub": "nobody", "name": "郑某"}) as issuer,
        told_of_platform(issuer),
        town_in(tmp_path_factory.mktemp("portal") / "data") as found,
    ):
        scene = found.site.scene
        found.people["leaver"] = enrol_one(
            scene, "leaver", "周离职", "zhou.lizhi", "departments/audit", (Role.AUDITOR,)
        )
        found.people["second"] = enrol_one(
            scene, "second", "冯复核", "feng.fuhe", "departments/service-centre",
            (Role.ADMINISTRATOR,),
        )  # fmt: skip
        yield found


@contextmanager
def told_of_platform(issuer: str) -> Iterator[None]:
    """A node that starts meanwhile knows of an identity platform."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TONGBAN_SIGN_IN__ISSUER", issuer)
        environment.setenv("TONGBAN_SIGN_IN__CLIENT_ID", "tongban")
        environment.setenv("TONGBAN_SIGN_IN__CLIENT_SECRET", "secret")
        environment.setenv("TONGBAN_SIGN_IN__ROLES", '["auditor", "department"]')
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def signed_in(town: Town, browser: Browser) -> Iterator[dict[str, object]]:
    """The cookies of the applicant's session, made once."""
    with window(browser, "desktop") as context:
        page = context.new_page()
        sign_in(page, town.site.url, town.people["applicant"])
        yield context.storage_state()


@pytest.fixture
def page(browser: Browser, signed_in: dict[str, object]) -> Iterator[Page]:
    with window(browser, "desktop", state=signed_in) as context:
        yield context.new_page()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_to_sign_in_is_fit_for_everybody(
    town: Town, browser: Browser, size: str, language: str
) -> None:
    with window(browser, size) as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/sign-in?lang={language}")
        assert not faults(page)
        assert overflow(page) <= 0
        keep_picture(page, f"sign-in-{size}-{language}")
        for path in ("/", "/enrol", "/no-such-page"):
            page.goto(f"{town.site.url}{path}?lang={language}")
            assert not misfit(page), path
        page.goto(f"{town.site.url}/?lang={language}")
        keep_picture(page, f"start-{size}-{language}")


def test_a_person_does_not_open_what_is_for_other_roles(
    town: Town, signed_in: dict[str, object]
) -> None:
    with client(town, signed_in) as asked:
        for path in ("/office", "/office/requests", "/office/accounts", "/audit", "/data"):
            assert asked.get(path).status_code == 404, path


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


def test_a_wrong_password_says_nothing_of_who_there_is(town: Town) -> None:
    said = []
    with town.site.client() as asked:
        for login in (town.people["applicant"].login, "990101198001010022"):
            given = {"login": login, "password": "wrong words here", "code": "000000"}
            answer = asked.post("/sign-in", data=given)
            assert answer.status_code == 422
            assert not answer.cookies.get("__Host-session")
            said.append(re.sub(r"/answers/[\w-]+", "", answer.text.replace(login, "")))
    assert said[0] == said[1]


# --- the administrator ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_office(town: Town, browser: Browser) -> Iterator[dict[str, object]]:
    """The cookies of the administrator's session."""
    with window(browser, "desktop") as context:
        page = context.new_page()
        sign_in(page, town.site.url, town.people["administrator"])
        yield context.storage_state()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_of_the_office_is_fit_for_everybody(
    town: Town, browser: Browser, in_office: dict[str, object], size: str, language: str
) -> None:
    pages = {
        "accounts": "/office/accounts",
        "disable": f"/office/accounts/{town.people['auditor'].account.split('/')[1]}/disable",
        "invite": "/counter/accounts",
        "reset": "/counter/accounts/reset",
        "resets": "/counter/acts",
        "acts": "/office/acts?all=1",
        "account": "/account",
    }
    with window(browser, size, state=in_office) as context:
        page = context.new_page()
        for name, path in pages.items():
            answer = page.goto(f"{town.site.url}{path}?lang={language}")
            assert answer is not None
            assert answer.status == 200, path
            assert not misfit(page), path
            keep_picture(page, f"office-{name}-{size}-{language}")


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
    secret_of_link = link.partition("/enrol#")[2]
    with window(browser, "phone") as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/enrol#{secret_of_link}")
        expect(page.locator("h1")).to_have_text("设置账户")
        expect(page.locator("code.secret")).to_be_visible()
        assert secret_of_link not in page.url
        assert not faults(page)
        assert overflow(page) <= 0
        keep_picture(page, "enrol-phone-zh")
        secret = page.locator("code.secret").inner_text()
        page.fill("#code", TOTP(secret).at(time.time()))
        page.fill("#password", "几个 词语 连在 一起 就好")
        page.get_by_role("button", name="完成设置").click()
        expect(page.locator("h1")).to_have_text("账户已设置")
        assert not faults(page)
        page.goto(f"{town.site.url}/enrol")
        page.fill("#link", f"{town.site.url}/enrol#{secret_of_link}")
        page.get_by_role("button", name="继续").click()
        expect(page.locator("[role=alert]")).to_contain_text("链接已使用")
        assert not faults(page)
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
        sign_in(page, town.site.url, town.people["leaver"])
        office = own.new_page()
        account = town.people["leaver"].account.split("/")[1]
        office.goto(f"{town.site.url}/office/accounts/{account}/disable")
        office.fill("[name=reason]", "离职")
        office.get_by_role("button", name="提交").click()
        expect(office.locator("[role=status]")).to_contain_text("请另一位管理员")
        keep_picture(office, "office-acts-desktop-zh")
        office.get_by_role("link", name="停用账户").click()
        expect(office.locator("main")).to_contain_text("须由另一位管理员确认")
        assert not faults(office)
        act = office.url
        page.goto(f"{town.site.url}/office")
        assert page.url.endswith("/office")  # nothing was done yet
        confirm(town, browser, act)
        time.sleep(0.6)
        page.goto(f"{town.site.url}/office")
        expect(page.locator("[role=status]")).to_contain_text("会话已结束")


def test_a_session_is_fresh_and_signing_out_ends_it_everywhere(
    town: Town, browser: Browser
) -> None:
    """Who plants a cookie before somebody signs in has nothing of the session that begins."""
    planted = "x" * 43
    with window(browser, "desktop") as context:
        context.add_cookies(
            [
                {
                    "name": "__Host-session", "value": planted, "url": town.site.url,
                    "secure": True, "httpOnly": True, "sameSite": "Lax",
                }
            ]
        )  # fmt: skip
        page = context.new_page()
        sign_in(page, town.site.url, town.people["auditor"])
        held = {one["name"]: one["value"] for one in context.cookies()}
        assert held["__Host-session"] != planted
        with client(town, {"cookies": [{"name": "__Host-session", "value": planted}]}) as asked:
            assert asked.get("/audit").status_code == 303
        expect(page.locator("header")).to_contain_text("孙审计")
        with client(town, context) as kept:
            assert kept.get("/account").status_code == 200
            page.get_by_role("button", name="退出").click()
            expect(page.get_by_role("link", name="登录", exact=True)).to_be_visible()
            assert kept.get("/account").headers["Location"].startswith("/sign-in")


def test_two_of_a_counter_reset_an_account_whose_owner_is_told_first(
    town: Town, browser: Browser, in_office: dict[str, object]
) -> None:
    newcomer, scene = list(people(5))[4], town.site.scene
    person = enrol_one(scene, "reset", newcomer.name, newcomer.citizen_number)
    with window(browser, "phone") as context:
        page = context.new_page()
        sign_in(page, town.site.url, person)
        act = asked_reset(town, browser, in_office, person.login)
        page.goto(f"{town.site.url}/account")  # nothing was done yet
        expect(page.locator(".notice").first).to_contain_text("窗口曾发起重置此账户")
        token = confirmed_reset(town, browser, act, f"{newcomer.name} …{person.login[-4:]}")
        with opened(scene.settings) as server:
            offered = server.enrolling.begin(token)
            server.enrolling.finish(
                token,
                flow=offered.flow,
                password=person.password,
                totp_code=TOTP(offered.totp_secret).at(time.time()),
                passkey="",
            )
        time.sleep(0.6)
        page.goto(f"{town.site.url}/my/licenses")
        expect(page.locator("[role=status]")).to_contain_text("会话已结束")
        sign_in(page, town.site.url, replace(person, secret=offered.totp_secret))
        expect(page.locator("h1")).to_have_text("我的账户")
        expect(page.locator(".notice").first).to_contain_text("此账户曾被重置")
        expect(page.locator(".notice").first).to_contain_text("原因：手机遗失。")
        assert not faults(page)
        keep_picture(page, "account-reset-phone-zh")


def asked_reset(town: Town, browser: Browser, state: dict[str, object], code: str) -> str:
    """Somebody of a counter asks that an account be reset; the address of the act."""
    with window(browser, "desktop", state=state) as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/counter/accounts/reset")
        page.fill("[name=code]", code)
        page.fill("[name=reason]", "手机遗失")
        page.get_by_role("button", name="提交").click()
        expect(page.locator("[role=status]")).to_contain_text("另一位窗口人员")
        assert not faults(page)
        keep_picture(page, "counter-acts-desktop-zh")
        page.get_by_role("link", name="重置申请人账户").click()
        expect(page.locator("main")).to_contain_text("须由本部门另一位窗口人员确认")
        expect(page.get_by_role("button", name="确认执行")).to_have_count(0)
        assert not faults(page)
        return page.url


def confirmed_reset(town: Town, browser: Browser, act: str, whose: str) -> str:
    """Another one confirms, by the keyboard, and is shown the link; its secret."""
    with window(browser, "phone") as context:
        page = context.new_page()
        sign_in(page, town.site.url, town.people["clerk"])
        page.get_by_role("link", name="查看待确认操作").click()
        page.goto(act)
        expect(page.locator("main")).to_contain_text(whose)
        assert not misfit(page)
        keep_picture(page, "counter-act-phone-zh")
        page.get_by_role("button", name="确认执行").press("Enter")
        link = page.locator("code.secret").inner_text()
        assert not misfit(page)
        keep_picture(page, "counter-link-phone-zh")
        page.goto(act)
        expect(page.locator(".badge")).to_contain_text("已确认执行")
        return link.partition("/enrol#")[2]


def test_a_page_of_somebody_else_signs_nobody_in_at_the_platform(town: Town) -> None:
    with town.site.client() as asked:
        answer = asked.get("/sign-in/platform", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 200  # the page that asks, and no way there
        assert "__Host-flow" not in answer.cookies
        begun = asked.get("/sign-in/platform?back=/account")
        assert begun.status_code == 303
        said = asked.get("/sign-in/platform/answer?error=access_denied")
        assert "统一身份认证未完成" in said.text
        assert 'name="back" value="/account"' in said.text
    with town.site.client() as other:  # a browser that was given no flow
        said = other.get("/sign-in/platform/answer?state=x&code=y")
        assert said.status_code == 422


def test_somebody_is_asked_before_their_session_ends(
    town: Town, browser: Browser, signed_in: dict[str, object]
) -> None:
    with window(browser, "phone", state=signed_in) as context:
        page = context.new_page()
        page.clock.install()
        page.goto(f"{town.site.url}/account")
        page.clock.fast_forward("27:50")
        expect(page.locator("dialog")).to_be_hidden()
        page.clock.fast_forward("00:30")
        expect(page.locator("dialog")).to_contain_text("您还在操作吗")
        expect(page.get_by_role("button", name="继续使用")).to_be_focused()
        assert not faults(page)
        keep_picture(page, "session-ends-phone-zh")
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_be_hidden()
        page.clock.fast_forward("31:00")
        expect(page.locator("dialog")).to_contain_text("已填写的内容仍在本页")


def test_an_owner_sees_their_account_and_is_told_what_was_wrong(town: Town, page: Page) -> None:
    page.goto(f"{town.site.url}/account")
    expect(page.locator("main")).to_contain_text("完成账户设置")
    page.get_by_text("修改密码", exact=True).click()
    page.fill("#password", "not the right one")
    page.fill("#code", "000000")
    page.fill("#new_password", "几个 全新的 词语 连在 一起")
    page.get_by_role("button", name="修改").click()
    expect(page.locator("#said")).to_contain_text("原密码或动态码不正确")
    assert page.locator("#password").get_attribute("aria-describedby") == "said"
    assert not faults(page)
    keep_picture(page, "account-refused-desktop-zh")


def confirm(town: Town, browser: Browser, act: str) -> None:
    with window(browser, "phone") as context:
        second = context.new_page()
        sign_in(second, town.site.url, town.people["second"])
        second.goto(act)
        assert not faults(second)
        keep_picture(second, "office-act-phone-zh")
        second.get_by_role("button", name="确认执行").click()
        expect(second.locator(".badge")).to_contain_text("已确认执行")


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
        page.goto(f"{origin}/enrol#{made.token}")
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
        expect(page.locator(".notice.bad:visible")).to_contain_text("统一身份认证未完成")
    with window(browser, "desktop") as context:
        page = context.new_page()
        page.goto(f"{origin}/sign-in/platform")
        page.get_by_role("button", name="nobody", exact=True).click()
        expect(page.locator(".notice.bad:visible")).to_contain_text("未赋予您")
