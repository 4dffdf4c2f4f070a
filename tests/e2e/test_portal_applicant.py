"""What applicants do on their pages, in a real browser, and what nobody gets by trying."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from exchange.audit.told import accesses_from_json
from licenses.v1 import licenses_pb2, presentations_pb2, verifying_pb2
from portal.applicant.pages import ROUTES
from seal.v1 import seal_pb2
from tests.builders import materials
from tests.builders.portal import LANGUAGES, chromium, keep_picture, window
from tests.builders.portal_things import BENEFIT, REGISTRATION, pages_of, things_of
from tests.builders.portal_town import (
    OTHER,
    State,
    Town,
    address,
    client,
    delegate,
    fit,
    issue,
    past_the_edge,
    read_qr,
    session,
    token_of,
    town_in,
)
from tongban import collecting
from tongban.demonstration import sharing


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town_in(tmp_path_factory.mktemp("applicant") / "data") as found:
        materials.put_materials(found.site.scene)
        materials.grant(found.site.scene, "employment")
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def mine(town: Town, browser: Browser) -> State:
    """The cookies of the applicant's session, made once."""
    return session(town, browser, "applicant")


@pytest.fixture(scope="module")
def others(town: Town, browser: Browser) -> State:
    """The cookies of another applicant's session."""
    return session(town, browser, "other")


@pytest.fixture
def page(browser: Browser, mine: State) -> Iterator[Page]:
    with window(browser, "desktop", state=mine) as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def made(town: Town, mine: State, others: State) -> dict[str, str]:
    return things_of(town, mine, others)


# --- for everybody -------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_fit_for_everybody(
    town: Town, browser: Browser, mine: State, made: dict[str, str], language: str
) -> None:
    someone = town.people["applicant"]
    with window(browser, "desktop", state=mine) as context:
        page = context.new_page()
        for name, path in pages_of(town, made).items():
            answer = page.goto(f"{town.site.url}{path}{'&' if '?' in path else '?'}lang={language}")
            assert answer is not None
            assert answer.status == (404 if name == "refusal" else 200), path
            assert someone.login not in page.url
            fit(page, name, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_empty_pages_and_refused_forms_are_fit_for_everybody(
    town: Town, browser: Browser, others: State, language: str
) -> None:
    own = address(town.of_other)
    with window(browser, "desktop", state=others) as context:
        page = context.new_page()
        for name in ("presentations", "copies", "collections", "corrections"):
            page.goto(f"{town.site.url}/my/{name}?lang={language}")
            expect(page.locator("main section.card h2")).to_be_visible()
            fit(page, f"empty-{name}", language, few=True)
        forms = {
            "choose": (f"{own}/present", "purpose"),
            "copy-new": (f"{own}/copy", "receiver"),
            "delegate": ("/my/delegations/new", "agent_code"),
            "object": ("/my/corrections/new/public-security/population", "statement"),
        }
        for name, (path, field) in forms.items():
            page.goto(f"{town.site.url}{path}?lang={language}")
            page.locator("form.card").evaluate("form => { form.noValidate = true; }")
            for box in page.locator("form.card [type=checkbox]").all():
                box.set_checked(name == "object")
            page.locator(f"form.card [name={field}]").fill("\u3000" if name == "object" else "x")
            page.locator("form.card button[type=submit]").click()
            expect(page.locator("#said")).to_be_visible()
            fit(page, f"refused-{name}", language, few=True)


# --- showing -------------------------------------------------------------------------------------


def test_a_license_is_shown_once_and_found_in_the_list(town: Town, page: Page) -> None:
    page.goto(f"{town.site.url}{address(town.license)}")
    expect(page.locator("h1")).to_contain_text("就业创业登记证")
    expect(page.locator(".small-verdict")).to_contain_text("真实有效")
    expect(page.locator(".page img")).to_have_js_property("complete", True)
    assert page.locator(".page img").evaluate("one => one.naturalWidth") > 1000
    page.get_by_role("link", name="亮证", exact=True).click()
    page.fill("[name=purpose]", "办理公积金提取")
    page.get_by_role("button", name="生成亮证码").click()
    fit(page, "code", "zh")
    expect(page.locator("span[data-left]")).to_contain_text(re.compile(r"\((4|5):\d\d\)"))
    code = page.locator("code.secret").inner_text()
    assert code not in page.url
    assert read_qr(page, "applicant-code-only") == code
    # Loaded anew, and in English, it is the same code.
    page.reload()
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert page.locator("code.secret").inner_text() == code
    page.get_by_role("link", name="中文").click()

    def verified() -> presentations_pb2.VerifyPresentationResponse:
        request = presentations_pb2.VerifyPresentationRequest(code=code, purpose="公积金")
        answer: presentations_pb2.VerifyPresentationResponse = town.site.scene[
            "police"
        ].presentations.VerifyPresentation(request, timeout=30)
        return answer

    assert set(verified().fields) == {"ZZMC", "CZZT", "ZZYXQJZRQ"}
    assert verified().verdict.sub_indication == "CODE_USED_UP"
    page.goto(f"{town.site.url}/my/presentations")
    shown = page.locator("li.card").filter(has_text="办理公积金提取")
    expect(shown).to_have_count(0)
    page.get_by_role("link", name="包括已结束的").click()
    expect(shown).to_contain_text("1 次")
    expect(shown).to_contain_text("最多 1 次")
    page.goto(f"{town.site.url}/my/looks")
    expect(page.locator("main")).to_contain_text("示范县公安局")
    expect(page.locator("main")).to_contain_text("核验通过")


def test_what_was_chosen_stays_when_something_is_missing(town: Town, page: Page) -> None:
    page.goto(f"{town.site.url}{address(town.license)}/present")
    page.locator("form.card").evaluate("form => { form.noValidate = true; }")
    page.locator("[value=CZZT]").uncheck()
    page.locator("[name=uses][value='5']").check()
    page.locator("[name=lifetime][value='3600']").check()
    page.locator("[name=bound]").check()
    page.select_option("[name=audience]", "departments/public-security")
    page.get_by_role("button", name="生成亮证码").click()
    expect(page.locator("#said")).to_contain_text("请填写用途")
    assert page.locator("[name=purpose]").get_attribute("aria-invalid") == "true"
    expect(page.locator("[value=CZZT]")).not_to_be_checked()
    expect(page.locator("[value=ZZMC]")).to_be_checked()
    expect(page.locator("[name=uses][value='5']")).to_be_checked()
    expect(page.locator("[name=lifetime][value='3600']")).to_be_checked()
    expect(page.locator("[name=bound]")).to_be_checked()
    expect(page.locator("[name=audience]")).to_have_value("departments/public-security")
    page.locator("[name=purpose]").focus()
    page.keyboard.type("多次核验")
    page.keyboard.press("Enter")
    expect(page.locator("span[data-left]")).to_contain_text(re.compile(r"\((1:00:00|0?59:\d\d)\)"))
    expect(page.locator("main")).to_contain_text("请将此用途告知核验方")
    own = page.url
    page.goto(f"{town.site.url}/my/presentations")
    shown = page.locator("li.card").filter(has_text="多次核验")
    expect(shown).to_contain_text("最多 5 次")
    shown.get_by_role("button", name="立即结束").click()
    expect(shown).to_have_count(0)
    gone = page.goto(own)
    assert gone is not None
    assert gone.status == 404


def test_a_saved_page_works_without_network_and_script(
    town: Town, browser: Browser, page: Page, others: State, tmp_path: Path
) -> None:
    page.goto(f"{town.site.url}{address(town.license)}/present")
    page.fill("[name=purpose]", "办理租房备案")
    page.locator("[name=way][value=offline]").check()
    page.get_by_role("button", name="生成亮证码").click()
    fit(page, "offline", "zh")
    with page.expect_download() as started:
        page.get_by_role("link", name="保存离线亮证页").click()
    file = tmp_path / "license.html"
    started.value.save_as(file)
    text = file.read_text("utf-8")
    assert text.count("<script") == 1  # its countdown
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)
    with window(browser, "phone", scripts=False) as context:
        context.set_offline(True)
        alone = context.new_page()
        alone.goto(f"file://{file}")
        assert past_the_edge(alone) <= 0
        expect(alone.locator("body")).to_contain_text("有效至")
        keep_picture(alone, "applicant-saved-phone-zh")
        qr = read_qr(alone, "applicant-saved-only", "img")
    # With scripts it counts down, and says when it is over.
    with window(browser, "phone") as context:
        context.set_offline(True)
        alone = context.new_page()
        alone.clock.install()
        alone.goto(f"file://{file}")
        expect(alone.locator("[data-left]")).to_have_text(re.compile(r"\(\d+:\d\d"))
        alone.clock.fast_forward("25:00:00")
        expect(alone.locator("[data-status]")).to_contain_text("此码已失效")
        expect(alone.locator("[data-left]")).to_contain_text("已失效")
    verify = town.site.scene["police"].verifying.VerifyLicense
    request = verifying_pb2.VerifyLicenseRequest(qr=qr, purpose="租房备案")
    answer = verify(request, timeout=30)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert set(answer.fields) == {"ZZMC", "CZZT", "ZZYXQJZRQ"}
    request.holder_code = OTHER.citizen_number
    assert verify(request, timeout=30).verdict.sub_indication == "HOLDER_DIFFERS"
    # Who leaves out the trace of their number is told what a verifier cannot do then.
    page.goto(f"{town.site.url}{address(town.license)}/present")
    page.fill("[name=purpose]", "租房备案")
    page.locator("[name=way][value=offline]").check()
    page.get_by_label("不含本人号码的校验值").check()
    page.get_by_role("button", name="生成亮证码").click()
    request.qr = read_qr(page, "applicant-unbound")
    assert verify(request, timeout=30).verdict.sub_indication != "HOLDER_DIFFERS"
    with client(town, others) as asked:
        assert asked.get(started.value.url.removeprefix(town.site.url)).status_code == 404


# --- copies and delegations ----------------------------------------------------------------------


def test_a_copy_says_what_it_is_for_and_is_nobody_elses(
    town: Town, browser: Browser, page: Page, made: dict[str, str], others: State
) -> None:
    page.goto(f"{town.site.url}/my/copies")
    page.locator(f"h2 a[href='{made['copy']}']").click()
    expect(page.locator("main")).to_contain_text("示范县人力资源和社会保障局")
    expect(page.locator(".page img")).to_have_js_property("complete", True)
    assert page.locator(".page img").evaluate("one => one.naturalWidth") > 1000
    with page.expect_download() as started:
        page.get_by_role("link", name=re.compile("下载")).click()
    request = verifying_pb2.VerifyLicenseRequest(
        document=started.value.path().read_bytes(), purpose="办理公积金提取"
    )
    answer = town.site.scene["employment"].verifying.VerifyLicense(request, timeout=30)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert answer.endorsement.receiver == "示范县人力资源和社会保障局"
    answer = town.site.scene["police"].verifying.VerifyLicense(request, timeout=30)
    assert answer.verdict.sub_indication == "COPY_FOR_OTHER_RECEIVER"
    # At the pages its receiver is told so too; a visitor compares by themself.
    files, said = {"document": ("copy.pdf", request.document)}, {"purpose": request.purpose}
    with town.site.client() as nobody, client(town, session(town, browser, "receiver")) as theirs:
        assert "verdict amber" in nobody.post("/verify", files=files, data=said).text
        assert theirs.post("/verify", files=files, data=said).status_code == 403
        said |= token_of(theirs, "/verify")
        # Nobody looks as a visitor by saying no purpose.
        asked_back = theirs.post("/verify", files=files, data={**said, "purpose": " "})
        assert asked_back.status_code == 422
        assert "请填写核验用途" in asked_back.text
        assert "请重新选择文件：copy.pdf" in asked_back.text
        assert "verdict green" in theirs.post("/verify", files=files, data=said).text
    with client(town, others) as asked:
        for path in ("", "/picture", "/document"):
            assert asked.get(made["copy"] + path).status_code == 404, path
        token = token_of(asked, "/my/delegations/new")
        assert asked.post(made["copy"] + "/end", data=token).status_code == 404
    page.get_by_role("button", name="撤回此加注件").click()
    expect(page.locator("h1")).to_contain_text("已撤回")
    answer = town.site.scene["employment"].verifying.VerifyLicense(request, timeout=30)
    assert answer.verdict.sub_indication == "COPY_WITHDRAWN"


def test_an_agent_shows_for_the_purpose_until_the_holder_ends_it(
    town: Town, browser: Browser, page: Page, others: State, made: dict[str, str]
) -> None:
    place = address(town.license).removeprefix("/my/licenses")
    with window(browser, "phone", state=others) as context:
        agent = context.new_page()
        agent.goto(f"{town.site.url}/my/delegations")
        agent.get_by_role("region", name="他人委托您").get_by_role("link").first.click()
        expect(agent.locator("main")).to_contain_text(town.people["applicant"].display_name)
        open_one = agent.url.removeprefix(town.site.url)
        agent.get_by_role("link", name="按委托事由亮证").click()
        assert agent.url.endswith(f"{place}/present")
        agent.get_by_role("button", name="生成亮证码").click()
        code = agent.locator("code.secret").inner_text()
        page.goto(f"{town.site.url}/my/presentations")
        expect(page.locator("li.card").filter(has_text="代办年检")).to_contain_text("您的受托人")
        page.goto(f"{town.site.url}/my/delegations")
        given = page.get_by_role("region", name="您委托他人").locator("li.card")
        expect(given).to_contain_text(OTHER.citizen_number[-4:])
        # What an agent may do is said, files too.
        for path in ("/my/delegations", "/my/delegations/new"):
            page.goto(town.site.url + path)
            expect(page.locator("main")).to_contain_text("载有全部字段的文件")
        # Copies only where the holder ticks them.
        assert [one.is_checked() for one in page.locator('input[name="forms"]').all()] == [
            True, True, False,
        ]  # fmt: skip
        page.goto(f"{town.site.url}/my/delegations")
        assert OTHER.citizen_number not in page.content()
        given.get_by_role("button", name="立即终止").click()
        expect(given).to_contain_text("已结束")
        for path in (open_one, f"{open_one}{place}/present"):
            answer = agent.goto(town.site.url + path)
            assert answer is not None
            assert answer.status == 404
    request = presentations_pb2.VerifyPresentationRequest(code=code, purpose="年检")
    answered = town.site.scene["police"].presentations.VerifyPresentation(request, timeout=30)
    assert answered.verdict.indication != seal_pb2.INDICATION_PASSED


def test_an_agent_makes_a_copy_where_the_delegation_allows_it(
    town: Town, browser: Browser, mine: State, others: State
) -> None:
    with client(town, mine) as asked:
        for way, purpose in (("copy", "代办贷款"), ("code", "代办查询")):
            delegate(asked, town.license, OTHER.name, OTHER.citizen_number, way, purpose=purpose)
    place = address(town.license).removeprefix("/my/licenses")
    with window(browser, "phone", state=others) as context, client(town, others) as agent:
        page = context.new_page()
        page.goto(f"{town.site.url}/my/delegations")
        given = page.get_by_role("region", name="他人委托您").locator("li.card")
        copies, codes = (
            str(given.filter(has_text=one).get_by_role("link").get_attribute("href"))
            for one in ("代办贷款", "代办查询")
        )
        form = f"{copies}{place}/copy"
        sent = {**token_of(agent, form), "receiver": "某银行", "purpose": "另作他用"}
        assert "制作加注件" not in agent.get(codes).text
        assert agent.get(f"{codes}{place}/copy").status_code == 404
        assert agent.post(f"{codes}{place}/copy", data=sent).status_code == 404
        # No longer than the delegation.
        assert agent.post(form, data={**sent, "valid_to": "2027-02-01"}).status_code == 422
        page.goto(town.site.url + copies)
        page.get_by_role("link", name="按委托事由制作加注件").click()
        expect(page.locator("main")).to_contain_text("代办贷款")
        fit(page, "copy-new-agent", "zh", few=True)
        page.get_by_label("或填写其他接收方").fill("某银行")
        page.get_by_role("button", name="制作").click()
        fit(page, "copy-made", "zh", few=True)
        with page.expect_download() as started:
            page.get_by_role("link", name=re.compile("下载")).click()
        file = started.value.url.removeprefix(town.site.url)
        document = started.value.path().read_bytes()
        request = verifying_pb2.VerifyLicenseRequest(document=document, purpose="代办贷款")
        verify = town.site.scene["police"].verifying.VerifyLicense
        answer = verify(request, timeout=30)
        assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
        # For its purpose, whatever was sent.
        again = agent.post(form, data={**sent, "valid_to": "2027-01-31"}).text
        assert "另作他用" not in again
        assert "代办贷款" in again
        assert answer.endorsement.purpose == "代办贷款"
        with client(town, mine) as holder:
            looks = holder.get("/my/looks").text.partition('id="licenses"')[2]
            assert "您的受托人</strong> 制作了加注件" in looks
            assert agent.get(file).status_code == 200
            for wrong in (file.replace(copies, codes), file.replace(".pdf", ".ofd")):
                assert wrong != file
                assert agent.get(wrong).status_code == 404
            assert holder.get(file).status_code == 404
            ended = {**token_of(holder, "/my/delegations"), "name": copies.removeprefix("/my/")}
            assert holder.post("/my/delegations/end", data=ended).status_code == 303
        assert agent.get(file).status_code == 404
    assert verify(request, timeout=30).verdict.sub_indication == "DELEGATION_ENDED"


# --- materials -----------------------------------------------------------------------------------


def test_what_is_held_is_handed_over_with_consent(town: Town, page: Page) -> None:
    page.goto(f"{town.site.url}/my/needs")
    page.get_by_label("您要办什么事").fill("失业保险")
    page.get_by_role("button", name="查找").click()
    page.get_by_role("link", name=re.compile("失业保险待遇支付")).click()
    expect(page.locator(".sum")).to_contain_text("共 4 项材料")
    held = page.locator("li.check").filter(has_text="就业创业登记证")
    expect(held).to_contain_text("已有电子证照")
    for box in page.locator("[name=materials]").all():
        box.set_checked("就业创业登记证" in str(box.get_attribute("value")))
    page.get_by_role("button", name="同意并开始").click()
    page.wait_for_url(re.compile("/my/collections/[a-z0-9]+$"))
    # What is wrong stands beside its field, and the form is sent once more from there.
    page.locator("form[action$='/collect']").evaluate("form => { form.noValidate = true; }")
    page.get_by_role("button", name="提交给受理部门").click()
    expect(page.get_by_label("联系电话")).to_be_focused()
    expect(page.get_by_label("联系电话")).to_have_accessible_description("请填写此项。")
    fit(page, "refused-enter", "zh", few=True)
    page.get_by_label("出生日期").fill("1990-02-28")
    page.get_by_label("联系电话").fill("10012345678")
    page.get_by_role("button", name="提交给受理部门").click()
    expect(page.locator("h1")).to_contain_text("已收集")
    expect(page.locator("table")).to_contain_text("来自您的证照")
    expect(page.locator("main")).to_contain_text("请您提供")
    fit(page, "collected", "zh")
    page.goto(f"{town.site.url}/my/collections")
    expect(page.locator("main")).to_contain_text("已收集")


def test_what_a_department_fetches_is_followed_and_taken_back(town: Town, page: Page) -> None:
    page.goto(f"{town.site.url}{REGISTRATION}")
    expect(page.locator("#at-once li").first).not_to_be_empty()
    expect(page.locator("main")).to_contain_text("经您同意代为获取")
    # Nothing is agreed to that was not ticked, one by one.
    boxes = page.locator("[name=materials]")
    assert not any(one.is_checked() for one in boxes.all())
    page.get_by_role("button", name="同意并开始").click()
    expect(page.locator("main")).to_contain_text("请先勾选您同意代为获取的材料")
    for box in boxes.all():
        box.check()
    page.get_by_role("button", name="同意并开始").click()
    expect(page.locator("main")).to_contain_text("由受理部门收集")
    page.get_by_role("button", name="撤回同意").click()
    expect(page.locator("h1")).to_contain_text("已撤回同意")


def test_what_was_entered_once_is_in_the_form_that_the_department_fills(
    town: Town, page: Page, others: State
) -> None:
    page.goto(f"{town.site.url}{REGISTRATION}")
    for box in page.locator("[name=materials]").all():
        box.check()
    page.get_by_role("button", name="同意并开始").click()
    page.get_by_label("联系电话").fill("10012345678")
    fit(page, "enter", "zh")
    page.get_by_label("联系电话").press("Enter")
    expect(page.locator("main")).to_contain_text("已保存")
    expect(page.get_by_label("联系电话")).to_have_value("10012345678")
    place = page.url.removeprefix(town.site.url)
    assert re.fullmatch("/my/collections/[a-z0-9]+", place)
    with client(town, others) as stranger:
        sent = {**token_of(stranger, "/my/delegations/new"), "entry-phone": "10000000000"}
        assert stranger.post(f"{place}/enter", data=sent).status_code == 404
    collecting.collect(
        town.site.scene["employment"],
        place.removeprefix("/my/"),
        town.people["applicant"].login,
        {},
    )
    page.reload()
    row = page.get_by_role("row").filter(has_text="联系电话")
    expect(row).to_contain_text("10012345678")
    expect(row).to_contain_text("由您填写")
    expect(page.locator("main")).to_contain_text("查阅了本次申请及其表单")


def test_who_holds_several_licenses_chooses_one(town: Town, others: State) -> None:
    second = issue(town.site.scene, OTHER, 2)
    with client(town, others) as asked:
        text = asked.get(BENEFIT).text
        for name in (town.of_other, second):
            assert f'value="{name}"' in text
            assert f'value="{name}" checked' not in text
        given = {**token_of(asked, BENEFIT), "materials": "就业创业登记证"}
        refused = asked.post(BENEFIT, data=given)
        assert refused.status_code == 422
        assert "请为每项材料选择一个" in refused.text
        given |= token_of(asked, BENEFIT) | {"choice-就业创业登记证": second}
        begun = asked.post(BENEFIT, data=given)
        assert begun.status_code == 303, begun.text
        text = asked.get(begun.headers["Location"]).text
        assert address(second) in text
        assert "请选择一个" not in text


def test_nothing_is_promised_after_an_agreement_where_none_can_be_given(
    town: Town, mine: State
) -> None:
    with client(town, mine) as asked:
        text = asked.get("/my/needs/education/cg2017-10").text.partition("<main")[2]
    assert "由受理部门向您询问：" in text
    assert "同意" not in text


def test_a_number_is_no_word_to_look_for(town: Town, mine: State) -> None:
    with client(town, mine) as asked:
        assert asked.get("/my/needs", params={"words": "？！"}).status_code == 200
        text = asked.get("/my/needs", params={"words": "990101199001010011"}).text
    assert "请勿填写号码" in text
    assert "990101199001010011" not in re.sub(r'href="\?[^"]*"', "", text)


# --- who looked ----------------------------------------------------------------------------------


def test_ones_own_visits_hide_nobody(town: Town, mine: State) -> None:
    code = town.people["applicant"].login
    request = licenses_pb2.ListHeldLicensesRequest(holder_code=code)
    town.site.scene["terminal"].licenses.ListHeldLicenses(request, timeout=30)
    with client(town, mine) as asked:
        for _ in range(22):
            assert asked.get("/my/licenses").status_code == 200
        licenses = asked.get("/my/looks").text.partition('id="licenses"')[2]
        assert "查看了证照列表" in licenses
        assert "您本人</strong> 查看了证照列表" not in licenses
        place = address(town.license).removeprefix("/my/licenses/")
        alone = asked.get("/my/looks", params={"license": place}).text
        assert 'id="records"' not in alone
        assert "查看了证照列表" in alone
        assert asked.get("/my/looks", params={"license": place + "0"}).text.count("<li><time") == 0
        own = asked.get("/my/looks?own=1").text.partition('id="licenses"')[2]
        assert own.count("您本人</strong> 查看了证照列表") == 20
        assert "own=1&amp;looks=" in own


def test_who_looked_can_be_taken_away_and_verified(town: Town, page: Page) -> None:
    page.goto(f"{town.site.url}/my/looks")
    records = page.get_by_role("region", name="部门持有的数据")
    for words in ("示范县人力资源和社会保障局", "查询了您的数据", "人口基础信息", "姓名", "授权"):
        expect(records).to_contain_text(words)
    with page.expect_download() as started:
        page.get_by_role("button", name="下载证明").click()
    with zipfile.ZipFile(io.BytesIO(started.value.path().read_bytes())) as taken:
        saved = accesses_from_json(taken.read("records-1.json").decode())
        licenses = accesses_from_json(taken.read("licenses-1.json").decode())
        assert '"purpose": "公积金"' in taken.read("looks.json").decode()
        files = {name: taken.read(name) for name in taken.namelist()}
        assert "记录已全部包含" in taken.read("README.txt").decode()
    assert saved.key == town.people["applicant"].login
    assert len(saved.accesses) >= 3
    assert any(b"presentation_verified" in one.proven.leaf for one in licenses.accesses)
    files["who-looked.zip"] = started.value.path().read_bytes()
    with town.site.client() as visitor:
        for name in ("records-1.json", "licenses-1.json", "who-looked.zip"):
            sent = {"document": (name, files[name], "application/json")}
            answer = visitor.post("/verify", files=sent)
            assert answer.status_code == 200
            assert 'class="verdict green' in answer.text, name


def test_a_wrong_record_is_objected_to_and_followed(town: Town, page: Page) -> None:
    # By the data's name, whoever looked at it; the page of who looked leads to the same form.
    page.goto(f"{town.site.url}/my/looks")
    beside = page.get_by_role("link", name=re.compile("这条数据有误")).first.get_attribute("href")
    page.goto(f"{town.site.url}/my/corrections")
    page.get_by_role("link", name="提出数据异议").click()
    page.get_by_label("数据名称").fill("人口")
    page.get_by_role("button", name="查找").click()
    page.get_by_role("link", name=re.compile("人口基础信息")).click()
    assert page.url == f"{town.site.url}{beside}"
    page.locator("[name=fault]").nth(1).check()
    page.fill("[name=statement]", "地址已变更")
    page.get_by_role("button", name="提交异议").click()
    expect(page.locator("#said")).to_be_visible()
    expect(page.locator("[name=statement]")).to_have_value("地址已变更")
    expect(page.locator("[name=fault]").nth(1)).to_be_checked()
    page.locator("[name=items]").first.check()
    page.get_by_role("button", name="提交异议").click()
    expect(page).to_have_url(f"{town.site.url}/my/corrections")
    expect(page.locator("li.card")).to_contain_text("地址已变更")
    expect(page.locator(".way")).to_contain_text("尚未进行")
    fit(page, "followed", "zh")
    page.goto(f"{town.site.url}{beside}")
    page.locator("[name=items]").first.check()
    page.fill("[name=statement]", "再说一次")
    page.get_by_role("button", name="提交异议").click()
    page.get_by_role("link", name="查看或撤回已提出的异议").click()
    page.get_by_role("button", name="撤回").click()
    expect(page.locator("li.card")).to_contain_text("已撤回")


# --- what nobody gets by trying ------------------------------------------------------------------


def test_nobody_opens_or_ends_what_is_anothers(
    town: Town, mine: State, others: State, made: dict[str, str]
) -> None:
    foreign = issue(town.site.scene, sharing.applicant())
    with client(town, mine) as asked, client(town, others) as stranger:
        own = address(foreign)
        sent = {**token_of(asked, f"{own}/present"), "fields": "CZZT", "purpose": "不可结束"}
        text = asked.post(f"{own}/present", data=sent).text
        found = re.search(r'name="presentation" value="([^"]+)"', text)
        assert found is not None
        token = token_of(stranger, "/my/delegations/new")
        for path in (own, f"{own}/picture", f"{own}/document.pdf", f"{own}/present", f"{own}/copy"):
            assert asked.get(path).status_code == 200, path
            assert stranger.get(path).status_code == 404, path
        assert asked.get(f"{own}/document.exe").status_code == 404
        collection = made["collection"]
        assert asked.get(collection).status_code == 200
        assert stranger.get(collection).status_code == 404
        assert stranger.get(made["delegated"]).status_code == 404
        listed = asked.get("/my/delegations").text
        given = re.search(r'name="name" value="(delegations/[^"]+)"', listed)
        tries: list[tuple[str, dict[str, str]]] = [
            ("/my/presentations/end", {"presentation": found[1]}),
            (f"{own}/present", {"fields": "CZZT", "purpose": "冒用"}),
            (f"{own}/copy", {"purpose": "冒用", "receiver": "某人", "valid_to": "2027-01-31"}),
            (f"{collection}/end", {}),
            (f"{collection}/collect", {}),
        ]
        if given is not None:
            tries.append(("/my/delegations/end", {"name": given[1]}))
        for path, values in tries:
            answer = stranger.post(path, data={**token, **values})
            assert answer.status_code == 404, (path, answer.status_code)
        assert "不可结束" in asked.get("/my/presentations").text


def test_every_form_needs_the_sessions_token_and_every_page_a_session(
    town: Town, mine: State
) -> None:
    with client(town, mine) as asked, town.site.client() as unknown:
        for route in ROUTES:
            path = re.sub(r"\{\w+(:\w+)?\}", "x", route.path)
            if "POST" in (route.methods or ()):
                for token in ({}, {"token": ""}, {"token": "x" * 43}):
                    assert asked.post(path, data=token).status_code == 403, path
                elsewhere = {"Sec-Fetch-Site": "cross-site"}
                assert asked.post(path, headers=elsewhere).status_code == 403, path
            else:
                answer = unknown.get(path)
                assert answer.status_code == 303, path
                assert answer.headers["Location"].startswith("/sign-in"), path
