"""The auditor's journeys in a real browser: the log, its proofs, the life and uses of a seal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from exchange.audit.proved import LogProof, ProvenLeaf
from exchange.audit.verify import verify_leaves
from exchange.v1 import audit_pb2
from licenses.v1 import licenses_pb2
from portal.auditor.pages import ROUTES
from seal.v1 import seal_pb2
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
from tongban.demonstration import sharing
from tongban.demonstration.persons import Enrolled, enrol_people
from tongban.people import people
from tongban.receipts import save_receipt
from tongban.verdicts import TrustFolder
from tongban.verifying import Question, judge_file

SEAL = "/office/seals/human-resources/official"
PAGES = (
    "/audit", "/audit/log", "/audit/log/0", SEAL, "/audit/verify",
    "/audit/compare", "/audit/evidence", "/audit/traffic",
)  # fmt: skip
POLICE, BUREAU = "departments/public-security", "departments/human-resources"


@dataclass(frozen=True)
class Town:
    """A node with a history, and its people; a sealed document, and receipts of two queries."""

    site: Site
    people: dict[str, Enrolled]
    document: bytes
    receipts: tuple[Path, Path]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with site(tmp_path_factory.mktemp("portal") / "data") as found:
        scene = found.scene
        county.fill_catalog(scene, departments=False)
        sharing.publish_libraries(scene, 10, lambda _: None)
        grant = sharing.grant_access(scene)["grant"]
        sharing.query_and_verify(scene, grant)
        receipts = (scene.files / "receipt.json", scene.files / "other.json")
        ask_again(scene, grant, receipts[1])
        someone = next(iter(people(1)))
        made = (
            scene["employment"]
            .licenses.IssueLicense(
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
            .license
        )
        document = scene["employment"].licenses.GetLicenseDocument(
            licenses_pb2.GetLicenseDocumentRequest(name=made.name, reason="抽样核验"), timeout=60
        )
        yield Town(found, enrol_people(scene), document.document, receipts)


def ask_again(scene, grant: str, to: Path) -> None:
    """Another query by the employment bureau, with its receipt."""
    person = next(iter(people(1)))
    answer = scene["employment"].query(
        grant, person.citizen_number, purpose=sharing.PURPOSE, case_number=sharing.CASE
    )
    save_receipt(
        to,
        answer.receipt,
        request={"grant": grant, "key": person.citizen_number, "items": [],
                 "purpose": sharing.PURPOSE, "case_number": sharing.CASE},
        answer={"found": answer.found, "items": dict(answer.items)},
    )  # fmt: skip


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
    page.fill("[name=until]", "2020-01-01T00:00")
    page.get_by_role("button", name="检索").click()
    expect(page.get_by_text("该时间段已全部检索")).to_be_visible()
    page.fill("[name=since]", "2020-01-01T00:00")
    page.fill("[name=until]", "")
    page.get_by_role("button", name="检索").click()
    rows = page.locator("ol.log li")
    expect(rows.first).to_contain_text("查询")
    assert {"人力资源和社会保障局" in text for text in rows.all_inner_texts()} == {True}
    rows.first.get_by_role("link").click()
    expect(page.locator("dl").first).to_contain_text("人口")
    expect(page.locator("details dl")).to_contain_text(f"{POLICE}/resources/population")
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
    page.goto(f"{town.site.url}/office/seals")
    page.locator(f"a[href='{SEAL}']").click()
    expect(page.locator("section[aria-labelledby=life]")).to_contain_text("批准")
    uses = page.locator("section[aria-labelledby=uses] tbody tr")
    assert uses.count() >= 2
    expect(uses.first).to_contain_text("就业创业登记证")
    uses.first.get_by_role("link").click()
    found = page.locator("ol.log li")
    assert found.count() >= 1
    expect(found.first).to_contain_text(re.compile("盖章|证照"))


def test_a_search_that_finds_nothing_says_what_to_do(town, page):
    page.goto(f"{town.site.url}/audit/log?kind=grant_revoked&text=nothing")
    expect(page.locator("main")).to_contain_text("没有符合的记录")
    for wrong in ("before=x", "kind=x"):
        page.goto(f"{town.site.url}/audit/log?{wrong}")
        expect(page.locator("main")).to_contain_text("不在可选范围内")
    page.goto(f"{town.site.url}/audit/log")
    expect(page.locator("ol.log li").first).to_be_visible()
    page.fill("[name=since]", "2020-01-02T00:00")
    page.fill("[name=until]", "2020-01-01T00:00")
    page.get_by_role("button", name="检索", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("起始时间晚于截止时间")
    page.goto(f"{town.site.url}/audit/log?text=不存在的名称")
    expect(page.locator("main")).to_contain_text("只检索了标识")
    for index in ("999999", "9" * 30):
        answer = page.goto(f"{town.site.url}/audit/log/{index}")
        assert answer is not None
        assert answer.status == 404
    page.goto(f"{town.site.url}/audit/log/999999")
    expect(page.locator("main")).to_contain_text("日志目前有")
    page.goto(f"{town.site.url}/office/seals/human-resources/none")
    expect(page.locator("h1")).not_to_contain_text("none")


def test_the_log_is_searched_by_the_words_that_pages_show(town, page):
    for field, word in (
        ("text", "人口基础"), ("text", "示范县公安局"), ("actor", "示范县公安局"),
        ("actor", town.people["auditor"].display_name),
    ):  # fmt: skip
        page.goto(f"{town.site.url}/audit")
        page.fill(f"[name={field}]", word)
        page.get_by_role("button", name="检索").click()
        expect(page.locator("main")).to_contain_text("已按以下名称检索")
        expect(page.locator("ol.log li").first).to_be_visible()


def test_further_back_goes_on_where_it_was(town, page):
    page.goto(f"{town.site.url}/audit/log?before=3")
    assert page.locator("ol.log a[href]").evaluate_all("l => l.map(a => a.pathname)") == [
        "/audit/log/2", "/audit/log/1", "/audit/log/0",
    ]  # fmt: skip
    assert page.get_by_role("button", name="继续向前检索").count() == 0


def test_nobodys_number_is_searched_for_or_stands_in_an_address(town, page):
    page.goto(f"{town.site.url}/audit")
    page.fill("[name=text]", next(iter(people(1))).citizen_number)
    page.get_by_role("button", name="检索").click()
    expect(page.get_by_role("alert")).to_contain_text("公民身份号码")
    assert page.url.startswith(f"{town.site.url}/answers/")
    assert page.locator("[name=text]").input_value() == ""


def test_chosen_records_are_verified_each_by_its_proof(town, page):
    page.goto(f"{town.site.url}/audit/log")
    boxes = page.locator("ol.log input[type=checkbox]")
    boxes.nth(0).check()
    boxes.nth(2).check()
    page.get_by_role("button", name="核验所选").click()
    expect(page.locator("section[aria-labelledby=came] h2")).to_contain_text("全部通过")
    assert page.locator("section[aria-labelledby=came] tbody tr").count() == 2
    expect(page.locator("section[aria-labelledby=came]")).to_contain_text("使用本节点提供的公钥")
    judged(page, "auditor-verified")
    page.fill("[name=which]", "0-2, 999999")
    page.fill("#key", log_key(town).replace("+", "+A", 1))
    page.locator("#which").press("Enter")
    expect(page.locator("section[aria-labelledby=came] h2")).to_contain_text("请查看其余")
    expect(page.locator("section[aria-labelledby=came]")).to_contain_text("未通过")
    page.fill("[name=which]", "drei")
    page.locator("#which").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("如 3, 5, 10-20")
    assert page.locator("#which").input_value() == "drei"


def test_the_whole_log_is_verified_while_nobody_looks(town, browser, signed_in):
    with window(browser, "desktop", state=signed_in) as context:
        page = context.new_page()
        page.goto(f"{town.site.url}/audit/verify")
        page.fill("#all-key", log_key(town))
        with page.expect_navigation():  # a page left before its form was answered may never close
            page.get_by_role("button", name="核验整个日志").click()
        page.goto("about:blank")
        page.goto(f"{town.site.url}/audit/verify")
        expect(page.locator("#work h2")).to_contain_text("日志完整")
        expect(page.locator("#work")).to_contain_text("树根与检查点一致")
        page.fill("#all-key", log_key(town).replace("+", "+A", 1))
        page.get_by_role("button", name="核验整个日志").click()
        expect(page.get_by_role("alert")).to_contain_text("不是由该密钥签名")


def log_key(town: Town) -> str:
    answer = town.site.scene["auditor"].audit.GetCheckpoint(
        audit_pb2.GetCheckpointRequest(), timeout=30
    )
    return answer.verifier_key


def test_two_departments_receipts_are_compared(town, page, tmp_path):
    first, second = town.receipts
    forged = tmp_path / "forged.json"
    body = json.loads(first.read_text())
    body["values"]["answer"]["items"]["name"] = "某人"
    forged.write_text(json.dumps(body, ensure_ascii=False))
    page.goto(f"{town.site.url}/audit/compare")
    page.get_by_role("button", name="比对").click()
    expect(page.get_by_role("alert")).to_contain_text("两个不同的部门")
    page.select_option("#first", BUREAU)
    page.select_option("#second", POLICE)
    page.set_input_files("#receipts_first", [first, second])
    page.set_input_files("#receipts_second", [forged])
    page.get_by_role("button", name="比对").click()
    told = page.locator("section[aria-labelledby=sum]")
    expect(told).to_contain_text("双方不一致")  # when the work is done
    counts = dict(zip(told.locator("th").all_inner_texts(), told.locator("td").all_inner_texts(),
                      strict=True))  # fmt: skip
    assert (counts["双方不一致"], counts["仅甲方出示"], counts["双方一致"]) == ("1", "1", "0")
    assert int(counts["双方均未出示"]) >= 2
    expect(page.locator("section[aria-labelledby=lines] tbody tr").first).to_contain_text(
        "forged.json"
    )
    judged(page, "auditor-compared")


def judged(page: Page, name: str) -> None:
    """A page that a form leads to: its picture, and what axe finds on it."""
    keep_picture(page, name)
    assert faults(page) == []


def test_a_bundle_of_evidence_holds_without_the_node(town, page, tmp_path):
    page.goto(f"{town.site.url}/audit/evidence")
    page.get_by_role("button", name="制作证据包").click()
    expect(page.get_by_role("alert")).to_contain_text("请选择文件")
    page.set_input_files("#document", {"name": "other.pdf", "mimeType": "application/pdf",
                                       "buffer": b"%PDF-1.7 of nobody"})  # fmt: skip
    page.get_by_role("button", name="制作证据包").click()
    expect(page.get_by_role("alert")).to_contain_text("日志中没有该文件")
    page.set_input_files("#document", {"name": "license.ofd", "mimeType": "application/ofd",
                                       "buffer": town.document})  # fmt: skip
    page.get_by_role("button", name="制作证据包").click()
    expect(page.locator("#work")).to_contain_text("条日志记录附有证明")
    assert not faults(page)
    with page.expect_download() as got:
        page.get_by_role("link", name="下载证据包").click()
    bundle = tmp_path / "evidence.zip"
    got.value.save_as(bundle)
    assert re.fullmatch(r"evidence-[0-9a-f]{12}\.zip", got.value.suggested_filename)
    material = town.site.scene["auditor"].seals.GetTrustMaterial(
        seal_pb2.GetTrustMaterialRequest(), timeout=30
    )
    verdict = judge_file(
        bundle,
        Question(log_key=log_key(town)),
        store=lambda: TrustFolder.store_of(material),
        now=datetime.now(UTC),
    ).verdict
    said = {one["name"]: one["indication"] for one in verdict.to_dict()["checks"]}
    assert said["evidence_receipt"] == "PASSED"


def test_traffic_is_drawn_and_said_in_numbers(town, page):
    page.goto(f"{town.site.url}/audit/traffic")
    picture = page.locator("svg.chart.wide-only")
    expect(picture.locator("title")).to_have_text("访问量与响应时间")
    assert picture.locator("rect").count() >= 1
    rows = page.locator("section[aria-labelledby=numbers] tbody tr")
    assert sum(int(row.locator("td").first.inner_text()) for row in rows.all()) > 10
    page.get_by_role("link", name="最近 7 天").click()
    expect(page.locator("h2").first).to_have_text("最近 7 天")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_is_for_everybody(town, browser, signed_in, size, lang):
    with window(browser, size, state=signed_in) as context:
        page = context.new_page()
        for path in PAGES:
            page.goto(f"{town.site.url}{path}?lang={lang}")
            keep_picture(page, f"auditor{path.replace('/', '-')}-{lang}-{size}")
            assert (path, faults(page), max(0, overflow(page))) == (path, [], 0)


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


def test_no_form_is_taken_without_its_token(town, signed_in):
    with client(town, signed_in) as asking:
        for route in ROUTES:
            if "POST" in route.methods:
                path = re.sub(r"\{[^}]*\}", "1", route.path)
                assert (path, asking.post(path, data={"token": "x"}).status_code) == (path, 403)
                elsewhere = asking.post(path, headers={"Origin": "https://elsewhere.example"})
                assert (path, elsewhere.status_code) == (path, 403)
