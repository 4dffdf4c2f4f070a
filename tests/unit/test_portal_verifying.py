"""What the verifier's pages decide by themselves: colours, bounds, and what is drawn."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from exchange.v1 import audit_pb2
from licenses.checks import CARD_NOT_SEEN
from licenses.pages.showing import MOST, show
from licenses.presentations.model import Refusal
from licenses.v1 import licenses_pb2, presentations_pb2, verifying_pb2
from licenses.verifying.model import Fault
from portal.app import make_app
from portal.node import NodeLink
from portal.sessions.keeping import Sessions
from portal.settings import LinkSettings
from portal.verifier.coded import _MEANINGS, NO_LICENSE, answer_to_code, with_license
from portal.verifier.downloads import MOST_RECORDS, enclosed_in, records_of, together
from portal.verifier.limits import ASKED, IN_VAIN, Bucket, Visitors, place_of
from portal.verifier.model import Light, answer_of
from portal.verifier.pages import Verifying
from portal.verifier.pictures import Shown, read_pictures
from portal.verifier.recorded import answer_to_record
from runtime.errors import InvalidArgument, ResourceExhausted
from seal.v1 import seal_pb2
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf


def response(reason: str = "", **more: object) -> verifying_pb2.VerifyLicenseResponse:
    indication = seal_pb2.INDICATION_FAILED if reason else seal_pb2.INDICATION_PASSED
    verdict = seal_pb2.Verdict(indication=indication, sub_indication=reason, summary="said",
                               summary_zh="说明")  # fmt: skip
    return verifying_pb2.VerifyLicenseResponse(verdict=verdict, **more)  # type: ignore[arg-type]


def test_every_word_of_the_node_has_a_meaning() -> None:
    said = {*map(str, Refusal), *map(str, Fault)}
    assert said - set(_MEANINGS) - NO_LICENSE <= {"NO_MATCH"}
    assert not {light for light, _ in _MEANINGS.values()} & {Light.GREEN}
    for reason in said:
        answer = answer_to_code(response(reason), {}, english=False, card_seen=False)
        assert answer.light is not Light.GREEN
        assert not answer.advice


def test_what_it_was_shown_for_and_by_an_agent_is_said() -> None:
    agency = presentations_pb2.Agency(
        purpose="办理社会保险", expire_time=Timestamp(seconds=1_790_000_000)
    )
    found = response(shown_for="办理社会保险", agency=agency)
    for english, words in ((True, "An agent, under a delegation"), (False, "受托人")):
        answer = answer_to_code(found, {}, english=english, card_seen=True)
        assert answer.facts[-2].value == "办理社会保险"
        assert answer.facts[-1].value.startswith(words)


def test_what_was_chosen_is_shown_under_its_name_in_reading_order() -> None:
    found = response(
        fields={"KZ_B": "2", "KZ_A": "1", "ZZ": "3"},
        state=licenses_pb2.LICENSE_STATE_ACTIVE,
        state_time=Timestamp(seconds=1_790_000_000),
    )
    names = {"KZ_A": ("First", "甲"), "KZ_B": ("Second", "乙")}
    answer = answer_to_code(found, names, english=True, card_seen=False)
    assert answer.light is Light.GREEN
    assert [(one.name.en, one.value) for one in answer.shown] == [
        ("First", "1"), ("Second", "2"), ("ZZ", "3"),
    ]  # fmt: skip
    # A code by its name, a table without its braces; of another version of the type, as it is.
    value = licenses_pb2.CodeValue(code="2", name="女")
    column = licenses_pb2.LicenseField(code="C", values=[value])
    table = licenses_pb2.LicenseField(kind=licenses_pb2.FIELD_KIND_TABLE, columns=[column])
    found.fields["ZZ"] = '[{"C":"2"},{"C":"x"}]'
    for kinds, told in (
        ({"KZ_B": column, "ZZ": table}, ["1", "女", "女；x"]),
        ({"KZ_A": table, "KZ_B": table}, ["1", "2", found.fields["ZZ"]]),
    ):
        worded = answer_to_code(found, names, kinds, english=True, card_seen=False)
        assert [one.value for one in worded.shown] == told
    assert answer.advice  # no card was seen
    assert not answer_to_code(found, names, english=True, card_seen=True).advice
    assert any(one.value.startswith("In force, since") for one in answer.facts)
    assert answer.summary.en == "Said."


def test_a_code_that_is_bound_to_nobody_is_told_though_a_card_was_given() -> None:
    found = response(fields={"ZZ": "3"})
    left = seal_pb2.INDICATION_INDETERMINATE
    found.verdict.checks.append(seal_pb2.Check(name="holder", indication=left))
    (unbound,) = answer_to_code(found, {}, english=True, card_seen=True).advice
    (unseen,) = answer_to_code(found, {}, english=True, card_seen=False).advice
    assert unbound != unseen
    assert "bound to nobody" in unbound.en
    assert "未绑定" in unbound.zh


@pytest.mark.parametrize(
    ("said", "said_zh", "told", "told_zh"),
    [
        (
            "signature s001: changed after signing: /Doc_0/a.xml, /b.xml …; missing: /OFD.xml",
            "签章 s001：签章后被修改：/Doc_0/a.xml, /b.xml …；缺失：/OFD.xml",
            "signature s001: changed after signing; missing",
            "签章 s001：签章后被修改；缺失",
        ),
        ("/OFD.xml is not UTF-8", "/OFD.xml 不是 UTF-8 编码",
         "a part of it is not UTF-8", "其中的文件 不是 UTF-8 编码"),
        ("see https://a.b/c, after GB/T 38540", "见 https://a.b/c，按 GB/T 38540",
         "see https://a.b/c, after GB/T 38540", "见 https://a.b/c，按 GB/T 38540"),
    ],
)  # fmt: skip
def test_a_laymans_sentence_names_no_file_inside_a_file(
    said: str, said_zh: str, told: str, told_zh: str
) -> None:
    check = seal_pb2.Check(name="references", indication=seal_pb2.INDICATION_FAILED, detail=said)
    answer = answer_of(
        seal_pb2.Verdict(
            indication=seal_pb2.INDICATION_FAILED, summary=said, summary_zh=said_zh, checks=[check]
        )
    )
    assert (answer.summary.en, answer.summary.zh) == (told, told_zh)
    assert answer.checks[0].detail.en == said


def test_what_was_in_force_once_is_not_green_today() -> None:
    found = response()
    answer = answer_to_code(found, {}, english=False, card_seen=True, past=True)
    assert (answer.light, answer.word.zh) == (Light.AMBER, "所问时间有效")
    sealed = answer_of(seal_pb2.Verdict(
        indication=seal_pb2.INDICATION_PASSED,
        now=seal_pb2.Standing(indication=seal_pb2.INDICATION_PASSED),
    ))  # fmt: skip
    answer = with_license(sealed, found, english=False, asked=True, past=True)
    assert (answer.light, answer.summary.zh) == (Light.AMBER, "说明。")


def test_whose_card_is_to_be_compared_is_said_once() -> None:
    found = response()
    found.verdict.summary += f"; {CARD_NOT_SEEN.detail}"
    found.verdict.summary_zh += f"；{CARD_NOT_SEEN.detail_zh}"
    found.verdict.checks.append(
        seal_pb2.Check(
            name="holder", indication=seal_pb2.INDICATION_INDETERMINATE,
            detail=CARD_NOT_SEEN.detail, detail_zh=CARD_NOT_SEEN.detail_zh,
        )
    )  # fmt: skip
    answer = answer_to_code(found, {}, english=False, card_seen=False)
    assert (answer.summary.en, answer.summary.zh) == ("Said.", "说明。")
    assert len(answer.advice) == 1


def test_a_good_seal_does_not_make_an_ended_license_good() -> None:
    passed = seal_pb2.INDICATION_PASSED
    verdict = seal_pb2.Verdict(indication=passed, now=seal_pb2.Standing(indication=passed))
    sealed = answer_of(verdict)
    assert sealed.light is Light.GREEN
    for reason, light in (
        ("", Light.GREEN), ("LICENSE_REVOKED", Light.RED), ("LICENSE_SUSPENDED", Light.AMBER),
        ("FILE_NOT_ISSUED", Light.RED), ("LICENSE_UNKNOWN", Light.GREEN),
    ):  # fmt: skip
        assert with_license(sealed, response(reason), english=False, asked=False).light is light
    said = response(endorsement=verifying_pb2.CopyEndorsement(purpose="办理贷款"))
    copy = with_license(sealed, said, english=False, asked=False)
    assert (copy.light, copy.facts[0].value) == (Light.AMBER, "办理贷款")
    theirs = response("COPY_FOR_OTHER_RECEIVER", endorsement=said.endorsement)
    named = with_license(sealed, theirs, english=False, asked=True)
    assert (named.light, named.summary) == (Light.AMBER, copy.summary)  # no visitor is a department
    assert with_license(sealed, said, english=False, asked=True).light is Light.GREEN


@pytest.mark.parametrize(
    ("outcomes", "light"), [("PP", Light.GREEN), ("PI", Light.AMBER), ("IF", Light.RED)]
)
def test_a_record_is_as_good_as_its_worst_check(outcomes: str, light: Light) -> None:
    words = {"P": "PASSED", "I": "INDETERMINATE", "F": "FAILED"}
    checks = [
        audit_pb2.RecordCheck(
            name=f"opening:{place}",
            outcome=audit_pb2.RecordOutcome.Value(f"RECORD_OUTCOME_{words[one]}"),
        )
        for place, one in enumerate(outcomes)
    ]
    leaves = [
        b'{"kind":"query","time":"2026-11-22T00:00:00.000000Z","actor":"departments/a/systems/b"}',
        b'{"kind":"other","time":"soon","actor":"departments/applicants/systems/person-x"}',
        b"[]",
        b"x",
    ]
    found = audit_pb2.VerifySavedRecordResponse(
        format="tongban-receipt/v1", checks=checks, leaves=leaves
    )
    answer = answer_to_record(found, {"departments/a": "示范县公安局"}, english=False)
    assert answer.light is light
    assert answer.checks[0].title.zh.endswith("（0）")
    assert [(one.name.zh, one.value) for one in answer.facts] == [
        ("2026-11-22 08:00:00", "示范县公安局 · 查询数据"),
        ("soon", "申请人 · other"),
    ]
    whole = together([("one", answer), ("two", replace(answer, light=Light.AMBER, facts=()))])
    assert whole.light is (light if light is Light.RED else Light.AMBER)
    assert len(whole.checks) == 2 * len(answer.checks)
    assert whole.checks[0].title.zh.startswith("one：")
    assert whole.advice  # what else is in a download proves nothing


def packed(**files: bytes) -> BytesIO:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as into:
        for name, data in files.items():
            into.writestr(name.replace("__", "/").replace("_", "."), data)
    return made


def test_a_download_of_who_looked_is_judged_by_the_proofs_in_it() -> None:
    made = packed(README_txt=b"x", looks_json=b"{}", **{"records-1_json": b"{1}"})
    assert records_of(made, 100) == [("records-1.json", b"{1}")]
    assert records_of(made, 1) == [("records-1.json", b"{1")]  # one more than the greatest, no more
    for sealed in (packed(OFD_xml=b"x"), packed(**{"META-INF__x": b"x"}), BytesIO(b"PK\3\4broken")):
        assert records_of(sealed, 100) == []  # for the node to judge
    with pytest.raises(InvalidArgument) as error:
        records_of(packed(word__document_xml=b"x"), 100)
    assert error.value.reason == "NOT_VERIFIABLE"
    with pytest.raises(InvalidArgument) as error:  # none is left out unsaid
        records_of(packed(**{f"records-{n}_json": b"" for n in range(MOST_RECORDS + 1)}), 100)
    assert error.value.reason == "TOO_MANY_RECORDS"


def test_the_document_in_a_bundle_is_taken_out_as_it_is() -> None:
    bundle = packed(mimetype=b"x", document_pdf=b"%PDF-1.7", report_pdf=b"%PDF-1.4")
    assert enclosed_in(bundle, 8) == b"%PDF-1.7"
    assert enclosed_in(bundle, 7) == b""  # no part of a document is judged as the whole
    for none in (packed(signature_der=b"0"), BytesIO(b"PK\3\4broken")):
        assert enclosed_in(none, 100) == b""


def test_one_visitor_does_not_keep_the_others_waiting() -> None:
    now = [0.0]
    bucket = Bucket((2, 10.0), lambda: now[0])
    for _ in range(2):
        bucket.check("a")
        bucket.count("a")
    with pytest.raises(ResourceExhausted) as error:
        bucket.check("a")
    assert error.value.reason == "TOO_MANY_VERIFICATIONS"
    bucket.check("b")
    now[0] = 10.0
    bucket.check("a")
    visitors = Visitors()
    for _ in range(IN_VAIN[0]):
        visitors.begin("198.51.100.7", code=True)
        visitors.in_vain("198.51.100.7")
    with pytest.raises(ResourceExhausted):
        visitors.begin("198.51.100.7", code=True)
    visitors.begin("198.51.100.7")  # a file is no guess
    assert IN_VAIN[0] < ASKED[0]
    assert place_of("2001:db8:1:2:3::4") == place_of("2001:db8:1:2::5") == "2001:db8:1:2::/64"
    assert place_of("198.51.100.7") == "198.51.100.7"
    assert place_of("") == ""


def test_first_pages_are_drawn_or_it_is_said_why_not() -> None:
    for document, pages in (
        (plain_ofd(), 1),
        (plain_pdf(), 1),
        (plain_pdf(2), 2),
        (plain_pdf(9), 9),
    ):
        drawn = list(show(document))
        assert [one for one, _ in drawn] == [pages] * min(pages, MOST)
        assert all(picture.startswith(b"\x89PNG") for _, picture in drawn)
    for data, reason in (
        (b"%PDF-1.7\nnothing", "PDF_UNREADABLE"),
        (b"PK\x03\x04nothing", "OFD_UNREADABLE"),
        (b"eyJ0", "PICTURE_NONE"),
        (b"PK\x03\x04" + b"\0" * 26 + b"mimetypeapplication/vnd.etsi.asic-e+zip", "PICTURE_NONE"),
    ):
        with pytest.raises(InvalidArgument) as error:
            list(show(data))
        assert error.value.reason == reason


def test_what_was_drawn_before_the_program_ended_is_shown() -> None:
    first, second = (b'{"pages": 3, "size": 4}\n' + picture for picture in (b"one\n", b"two\n"))
    whole = Shown(pictures=(b"one\n", b"two\n"), pages=3)
    assert read_pictures(first + second) == whole
    assert read_pictures(first + second + b'{"reason": "PDF_UNREADABLE"}\n') == whole
    for end in range(len(second)):
        assert read_pictures(first + second[:end]) == Shown(pictures=(b"one\n",), pages=3)
        assert read_pictures(first[:end]) == Shown(reason="PICTURE_NONE")
    assert read_pictures(b'{"reason": "PDF_UNREADABLE"}\n') == Shown(reason="PDF_UNREADABLE")


async def test_a_refused_form_keeps_what_was_typed_and_marks_the_field() -> None:
    settings = LinkSettings(node="127.0.0.1:1", identity=Path())
    app = make_app(NodeLink(settings), Sessions())
    app.state.verifying = Verifying(NodeLink(settings))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://pages.test") as asked:
        for path in ("/static/portal.css", "/"):
            got = await asked.get(path)
            # What holds a form's token and repeats a request is not compressed.
            assert ("content-encoding" in got.headers) == path.startswith("/static")
        empty = await asked.get("/verify")
        assert empty.status_code == 200
        assert "aria-invalid" not in empty.text
        for code, told in (("no code", "26"), ("1.2.156.3005.2.1", "抄录"), ("", "扫描二维码")):
            answer = await asked.post("/verify/code", data={"code": code, "purpose": "租房"})
            assert answer.status_code == 422
            assert told in answer.text
            assert f'value="{code}"' in answer.text
            assert 'value="租房"' in answer.text
            assert answer.text.count("aria-invalid") == 1
        large = await asked.post("/verify/code", data={"code": "x" * (2 << 20)})
        assert large.status_code == 413
