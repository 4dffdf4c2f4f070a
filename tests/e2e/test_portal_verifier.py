"""The verifier's pages in a real browser: whoever is shown a license reads a verdict at once."""

from __future__ import annotations

import re
import socket
import ssl
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from licenses.v1 import licenses_pb2, presentations_pb2, wallets_pb2
from seal.v1 import seal_pb2
from tests.builders.ofd import plain_ofd
from tests.builders.portal import (
    LANGUAGES,
    SIZES,
    Site,
    chromium,
    keep_picture,
    misfit,
    site,
    window,
)
from tests.builders.shown import FIELDS, LICENSE_TYPE, PURPOSE, Shown, film, qr_picture, show
from tests.builders.wallet import Wallet, posted
from tongban.demonstration import sharing

#: What a visitor is shown, and the colour and word that they read.
LONG_AGO = "2001-01-01T08:00"
VERDICTS = (
    ("online", "green", "真实有效", "Genuine and in force"),
    ("online_bound", "amber", "不是出示给您的", "Not shown to you"),
    ("unknown", "red", "查无此码", "No such code"),
    ("license_ofd", "green", "真实有效", "Genuine and in force"),
    ("changed", "red", "不可信", "Not genuine"),
    ("promised", "green", "记录属实", "On record"),
)
#: The same where there is no network: only what is signed to be verified so.
WITHOUT_NETWORK = (
    ("offline", "green"),
    ("offline_bound", "amber"),
    ("offline_purpose", "amber"),
    ("online", "amber"),
    ("offline_forged", "red"),
    ("proved", "green"),
    ("forged", "red"),
    ("promised", "amber"),
    ("moved", "red"),
    ("license_pdf", "amber"),
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("portal") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def shown(node: Site, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return show(node.scene, tmp_path_factory.mktemp("shown"))


@pytest.fixture(scope="module")
def browser(shown: Shown) -> Iterator[Browser]:
    """One with a camera, before which somebody holds an offline QR code."""
    picture = qr_picture(shown.codes["offline"], shown.folder / "offline.png")
    video = film(picture, shown.folder / "camera.y4m")
    with chromium(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
    ) as found:
        yield found


@pytest.fixture(scope="module")
def files(node: Site, shown: Shown) -> dict[str, Path]:
    """A document that the county sealed, the same with one page changed, one without a seal, and
    what of a license can be dropped."""
    sealed = (
        node.scene["employment"]
        .seals.SealDocument(
            seal_pb2.SealDocumentRequest(
                seal="departments/human-resources/seals/official",
                document=plain_ofd(),
                format=seal_pb2.DOCUMENT_FORMAT_OFD,
                placements=[seal_pb2.Placement(
                    position=seal_pb2.StampPosition(page=1, x_mm=20, y_mm=20, size_mm=42))],
                reason="加盖",
                request_id="portal",
            )
        )
        .document
    )  # fmt: skip
    sound = shown.put("sound.ofd", sealed)
    changed = shown.put("changed.ofd", b"")
    shown.put("plain.ofd", plain_ofd())
    shown.put("strange.pdf", b"%PDF-1.7\nnothing of the kind")
    with zipfile.ZipFile(sound) as before, zipfile.ZipFile(changed, "w") as after:
        for entry in before.infolist():
            data = before.read(entry)
            if entry.filename.endswith("Content.xml"):
                data = data.replace(b"</ofd:Page>", b"<!-- --></ofd:Page>")
            after.writestr(entry, data)
    return shown.files


def send_code(page: Page, node: Site, code: str, **more: str) -> None:
    page.goto(f"{node.url}/verify")
    if more:
        page.locator("form[action='/verify/code'] summary").click()
    for name, value in {"code": code, **more}.items():
        page.fill(f"#{name}", value)
    page.locator("form[action='/verify/code'] button[type=submit]").click()


def send_file(page: Page, node: Site, path: Path) -> None:
    page.goto(f"{node.url}/verify")
    page.locator("#document").set_input_files(path)
    page.locator("form[action='/verify'] button[type=submit]").click()


def judged(page: Page, name: str, language: str) -> None:
    """A page is looked at on a desk and on a phone."""
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        assert not misfit(page)
        keep_picture(page, f"{name}-{size}-{language}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_layman_reads_a_verdict(node, browser, shown, files, language):
    with window(browser, "desktop") as people:
        page = people.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{node.url}/?lang={language}")
        judged(page, "start", language)
        page.get_by_role("main").get_by_role("link").first.click()
        judged(page, "verify", language)
        send_code(page, node, "no code")
        expect(page.get_by_role("alert")).to_be_visible()
        assert page.input_value("#code") == "no code"
        judged(page, "verify-error", language)
        for name, light, chinese, english in VERDICTS:
            if name in shown.codes:
                send_code(page, node, shown.codes[name])
            else:
                send_file(page, node, files[name])
            word = page.get_by_role("heading", level=1)
            expect(word).to_have_text(chinese if language == "zh" else english)
            # Not by colour alone: a word, and a shape of its own for each.
            expect(page.locator(f".verdict.{light} svg")).to_be_visible()
            titles = page.locator(".check strong").all_text_contents()
            assert not [one for one in titles if re.fullmatch("[a-z_]+", one)]
            judged(page, f"verdict-{name.replace('_', '-')}", language)
        # The other language has the same verdict, of the same look.
        at = page.locator(".report > p.small").last.inner_text().split("·")[0].split()[-2:]
        page.locator("header a.language").last.click()
        expect(word).to_have_text(english if language == "zh" else chinese)
        assert page.locator(".report > p.small").last.inner_text().split("·")[0].split()[-2:] == at
        assert all(url.startswith(node.url) for url in asked)
        assert not [url for url in asked if any(code in url for code in shown.codes.values())]


def test_a_code_shows_what_its_holder_chose_and_they_see_the_look(node, browser, shown):
    person = sharing.applicant()
    with window(browser, "desktop") as people:
        page = people.new_page()
        send_code(page, node, shown.codes["online"], purpose="租房")
        told = page.locator("main").inner_text()
        assert person.name in told
        assert "失业登记" in told
        for hidden in (person.citizen_number, shown.license.license_identifier, "大学本科"):
            assert hidden not in told
        send_code(page, node, shown.codes["offline"], card=person.citizen_number)
        expect(page.locator(".verdict.green")).not_to_contain_text("请自行核对")
        send_code(page, node, shown.codes["offline"], card="110101199003070011")
        expect(page.get_by_role("heading", level=1)).to_have_text("不是本人的证照")
        # The card is compared with a code of letters as well.
        send_code(page, node, shown.codes["online"], card="110101199003070011")
        expect(page.get_by_role("heading", level=1)).to_have_text("不是本人的证照")
        assert person.name not in page.locator("main").inner_text()
        send_code(page, node, shown.codes["online"], card=person.citizen_number)
        expect(page.locator(".verdict.green")).not_to_contain_text("请自行核对")
        # Of a time before it was issued it was not in force, and nobody is told that it is green.
        send_code(page, node, shown.codes["offline"], card=person.citizen_number, as_of=LONG_AGO)
        expect(page.locator(".verdict.amber")).to_contain_text("当时尚未签发")
        send_code(page, node, shown.codes["offline"], as_of="2999-01-01T08:00")
        expect(page.locator("#as_of[aria-invalid]")).to_have_value("2999-01-01T08:00")
        send_code(page, node, shown.codes["offline"], card="12")
        expect(page.locator("#card[aria-invalid]")).to_be_visible()
        send_code(page, node, shown.license.license_identifier)
        expect(page.get_by_role("alert")).to_contain_text("任何人都可以抄录")
    ask = presentations_pb2.ListLooksRequest(
        holder_code=person.citizen_number, license=shown.license.name
    )
    looks = node.scene["terminal"].presentations.ListLooks(ask, timeout=60).looks
    (seen,) = [one for one in looks if one.purpose == "租房"]
    assert seen.system.endswith("/systems/portal")


def test_a_camera_and_a_picture_are_read(node, browser, shown):
    with window(browser, "phone") as people:
        page = people.new_page()
        page.goto(f"{node.url}/verify")
        page.locator("[data-scan-start]").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("真实有效", timeout=20_000)
        page.goto(f"{node.url}/verify")
        page.locator("#scan-picture").set_input_files(shown.folder / "offline.png")
        expect(page.get_by_role("heading", level=1)).to_have_text("真实有效", timeout=20_000)
    # A browser that reads QR codes by itself is let do so.
    able = browser.new_context(ignore_https_errors=True)
    able.add_init_script(
        "window.BarcodeDetector = class {"
        " static async getSupportedFormats() { return ['qr_code']; }"
        f" async detect() {{ return [{{rawValue: '{shown.codes['unknown']}'}}]; }} }};"
    )
    with able as people:
        page = people.new_page()
        page.goto(f"{node.url}/verify")
        page.locator("#scan-picture").set_input_files(shown.folder / "offline.png")
        expect(page.get_by_role("heading", level=1)).to_have_text("查无此码")
    # Who is refused the camera reads why, and what else there is.
    with window(browser, "phone") as people:
        page = people.new_page()
        page.goto(f"{node.url}/verify")
        for error, words in (
            ("NotAllowedError", "无法使用摄像头"),
            ("NotFoundError", "没有找到摄像头"),
            ("NotReadableError", "被其他程序占用"),
        ):
            page.evaluate(
                "name => { navigator.mediaDevices.getUserMedia = () =>"
                " Promise.reject(new DOMException('no', name)); }",
                error,
            )
            page.locator("[data-scan-start]").click()
            expect(page.locator("[data-scan-told]")).to_contain_text(words)
            expect(page.locator("[data-scan-told]")).to_contain_text("选择图片")


def test_a_file_shows_its_picture_and_what_the_license_is_worth_now(node, browser, shown, files):
    with window(browser, "desktop") as people:
        page = people.new_page()
        send_file(page, node, files["license_ofd"])
        expect(page.locator(".seen img")).to_have_js_property("complete", True)
        assert page.locator(".seen img").evaluate("one => one.naturalWidth") > 500
        expect(page.locator("main")).to_contain_text("就业创业登记证")
        send_file(page, node, files["copy"])
        expect(page.get_by_role("heading", level=1)).to_have_text("仅限注明的用途")
        expect(page.locator("main")).to_contain_text("示范县住房公积金中心")
        made = node.scene["auditor"].seals.MakeEvidence(
            seal_pb2.MakeEvidenceRequest(document=files["license_ofd"].read_bytes()), timeout=60
        )
        send_file(page, node, shown.put("bundle.zip", made.evidence))
        expect(page.locator(".seen img")).to_have_js_property("complete", True)
        assert page.locator(".seen img").evaluate("one => one.naturalWidth") > 500
        # What cannot be drawn is not drawn, and says so.
        send_file(page, node, files["strange"])
        expect(page.locator(".seen")).to_contain_text("不能绘制")
        expect(page.locator(".seen img")).to_have_count(0)
        send_file(page, node, shown.folder / "offline.png")
        expect(page.locator("main")).to_contain_text("这是一张图片")
        page.go_back()
        for verb in ("Suspend", "Resume"):
            request = getattr(licenses_pb2, f"{verb}LicenseRequest")(
                name=shown.license.name, reason="依规处理", request_id=f"portal-{verb}"
            )
            getattr(node.scene["employment"].licenses, f"{verb}License")(request, timeout=60)
            word = "证照暂扣中" if verb == "Suspend" else "真实有效"
            for name in ("license_pdf", "bundle"):
                send_file(page, node, files[name])
                expect(page.get_by_role("heading", level=1)).to_have_text(word)
        send_file(page, node, files["license_ofd"])
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        printed = page.pdf(format="A4", prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2
        page.emulate_media(media="print")
        expect(page.locator(".acts")).to_be_hidden()
        for button in page.locator("main .button").all():
            expect(button).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "word"), [("proved", "记录属实"), ("forged", "不可信"), ("moved", "不可信")]
)
def test_a_receipt_is_judged(node, browser, files, name, word):
    with window(browser, "desktop") as people:
        page = people.new_page()
        send_file(page, node, files[name])
        expect(page.get_by_role("heading", level=1)).to_have_text(word)
        if name != "proved":
            assert page.locator(".check.red").count() == 1 + (name == "moved")


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_file_verifies_without_a_network(node, browser, shown, files, language, tmp_path):
    with window(browser, "desktop") as people:
        page = people.new_page()
        page.goto(f"{node.url}/verify?lang={language}")
        with page.expect_download() as fetched:
            page.locator("a[download]").click()
        fetched.value.save_as(tmp_path / "verify.html")
    with window(browser, "desktop") as people:
        people.set_offline(True)
        page = people.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "verify.html").as_uri())
        page.wait_for_selector("body[data-ready]")

        judged(page, "without-network", language)
        for name, light in WITHOUT_NETWORK:
            if name in shown.codes:
                page.fill("#code", shown.codes[name])
                page.locator("#by-code button[type=submit]").click()
            else:
                page.locator("#document").set_input_files(files[name])
                page.locator("#by-file button[type=submit]").click()
            expect(page.locator(f".verdict.{light} svg")).to_be_visible()
            if name == "proved":
                what = "查询数据" if language == "zh" else "a record was asked for"
                expect(page.locator("#answer")).to_contain_text(
                    f"示范县人力资源和社会保障局 · {what}"
                )
            if name in ("offline", "offline_forged", "promised"):
                judged(page, f"without-network-{name.replace('_', '-')}", language)
        assert asked == [(tmp_path / "verify.html").as_uri()]


def test_without_a_network_a_card_is_compared_and_a_camera_read(node, browser, shown, tmp_path):
    with node.client() as client:
        (tmp_path / "verify.html").write_bytes(client.get("/verify/offline.html").content)
    with window(browser, "desktop") as people:
        people.set_offline(True)
        page = people.new_page()
        page.goto((tmp_path / "verify.html").as_uri())
        page.wait_for_selector("body[data-ready]")
        page.locator("summary").click()
        for number, light in (
            (sharing.applicant().citizen_number, "green"), ("110101199003070011", "red"),
        ):  # fmt: skip
            page.fill("#card", number)
            page.fill("#code", shown.codes["offline"])
            page.locator("#by-code button[type=submit]").click()
            expect(page.locator(f".verdict.{light}")).to_be_visible()
        page.fill("#card", "")
        page.locator("[data-scan-start]").click()
        expect(page.locator(".verdict.green")).to_be_visible(timeout=20_000)


def test_a_wallet_fetches_a_request_and_answers_it_once(node, shown):
    bureau, person = node.scene["employment"], sharing.applicant()
    wallet = Wallet((node.scene.data / "identity" / "ca.pem").read_bytes())
    held = (
        node.scene["terminal"]
        .wallets.IssueWalletCredential(
            wallets_pb2.IssueWalletCredentialRequest(
                license=shown.license.name,
                holder_code=person.citizen_number,
                holder_key=wallet.public_key,
                proof=wallet.proof(shown.license.name),
            ),
            timeout=60,
        )
        .credential
    )
    made = bureau.wallets.CreatePresentationRequest(
        wallets_pb2.CreatePresentationRequestRequest(
            license_type=LICENSE_TYPE, fields=FIELDS, purpose=PURPOSE, request_id="wallet"
        ),
        timeout=60,
    )
    with node.client() as client:
        fetched = client.get(urlsplit(made.request_uri).path)
        assert fetched.headers["content-type"] == "application/oauth-authz-req+jwt"
        assert fetched.headers["access-control-allow-origin"] == "*"
        assert "wallet_nonce" not in wallet.read(fetched.content, made.client_id)
        fetched = posted(client, made.request_uri, wallet_nonce="of-the-wallet")
        claims = wallet.read(fetched.content, made.client_id)
        assert claims["wallet_nonce"] == "of-the-wallet"
        assert urlsplit(claims["response_uri"]).path == "/wallet/responses"
        good = {"state": claims["state"], "vp_token": wallet.shown(held, claims, list(FIELDS))}
        where = claims["response_uri"]
        # One that declines, and those that do not pass, take nothing.
        declined = posted(client, where, state=claims["state"], error="access_denied")
        assert declined.json() == {}
        other = Wallet((node.scene.data / "identity" / "ca.pem").read_bytes())
        for form, said in (
            ({**good, "vp_token": "{}"}, "ANSWER_UNREADABLE"),
            ({**good, "vp_token": other.shown(held, claims, list(FIELDS))}, "KEY_BINDING_WRONG"),
            ({**good, "state": "0" * 32}, "PRESENTATION_REQUEST_NOT_FOUND"),
            ({}, "PRESENTATION_REQUEST_NOT_FOUND"),
        ):
            refused = posted(client, where, **form)
            assert refused.status_code in (400, 404)
            assert refused.json() == {"error": "invalid_request", "error_description": said}
        assert client.get("/wallet/requests/" + "0" * 32).status_code == 404
        assert posted(client, where, **good).json() == {}
        again = posted(client, where, **good)
        assert again.json()["error_description"] == "PRESENTATION_REQUEST_OVER"
        # Who verifies a credential elsewhere fetches the list that it names, as nobody.
        listed = client.get("/status/0")
        assert listed.headers["content-type"] == "application/statuslist+jwt"
        assert listed.headers["access-control-allow-origin"] == "*"
        assert "public" in listed.headers["cache-control"]
        assert listed.text.count(".") == 2
        packed = client.get("/status/0", headers={"Accept": "application/statuslist+cwt"})
        assert packed.headers["content-type"] == "application/statuslist+cwt"
        absent = client.get("/status/4")
        assert (absent.status_code, absent.json()) == (404, {"error": "STATUS_LIST_NOT_PUBLISHED"})
    told = bureau.wallets.GetPresentationResult(
        wallets_pb2.GetPresentationResultRequest(name=made.name), timeout=60
    )
    assert dict(told.fields) == {"CZZT": person.name, "KZ_DJLX": "失业登记"}


def test_it_works_without_scripts_and_by_the_keyboard(node, browser, files):
    with window(browser, "desktop", scripts=False) as people:
        page = people.new_page()
        page.goto(f"{node.url}/verify")
        expect(page.locator("[data-scan]")).to_be_hidden()
        page.locator("#document").set_input_files(files["sound"])
        page.locator("#document").focus()
        for _ in range(2):  # past the earlier time, which is folded away
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("真实有效")


def test_a_file_without_a_seal_is_no_verdict_on_its_truth(node, browser, files):
    with window(browser, "desktop") as people:
        page = people.new_page()
        send_file(page, node, files["plain"])
        expect(page.get_by_role("status")).to_contain_text("NOT_SIGNED")
        send_file(page, node, Path(__file__))
        expect(page.get_by_role("alert")).to_contain_text("无法据此判断")


def test_what_is_no_page_of_ours_changes_nothing(node, files):
    with node.client() as client:
        sent = {"document": ("x.ofd", files["sound"].read_bytes())}
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
            assert client.post("/verify", files=sent, headers=headers).status_code == 403
        assert client.post("/verify", files=sent, headers={"Origin": node.url}).status_code == 200
        assert client.get("/nowhere").status_code == 404
        refused = client.post("/verify", files={"document": ("x.ofd", b"")})
        assert refused.status_code == 422
        assert "请先选择文件" in refused.text
        assert client.post("/verify", data={"document": "text"}).status_code == 422
        code = {"code": "0" * 26}
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
            assert client.post("/verify/code", data=code, headers=headers).status_code == 403
        assert client.post("/verify/code", data={"code": ""}).status_code == 422
        for path in ("/", "/verify", "/verify/offline.html", "/nowhere", "/static/portal.css"):
            answer = client.get(path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            whole = path.endswith((".html", ".css"))
            assert answer.headers.get("content-encoding", "") == ("gzip" if whole else "")


def test_what_is_too_large_is_refused_before_it_is_read(node):
    host, _, port = node.url.removeprefix("https://").partition(":")
    around = ssl._create_unverified_context()  # noqa: S323  # the node's own authority
    head = f"POST /verify HTTP/1.1\r\nHost: {host}\r\nContent-Length: {1 << 40}\r\n\r\n"
    plain = socket.create_connection((host, int(port)), timeout=30)
    with around.wrap_socket(plain) as line:
        line.sendall(head.encode())
        assert line.recv(64).startswith(b"HTTP/1.1 413")
