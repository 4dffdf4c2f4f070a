"""What the applicant's pages decide by themselves: words, forms, and what is told when."""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pypdfium2
import pytest
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import Request

from licenses.accesses import model as accesses
from licenses.presentations import model as presented
from licenses.v1 import delegations_pb2, licenses_pb2, materials_pb2, presentations_pb2
from licenses.verifying import model as verified
from licenses.wallets import model as wallets
from portal import pages
from portal.applicant import (
    contents,
    delegating,
    entries,
    holding,
    looks,
    needing,
    sheets,
    words,
)
from portal.applicant.forms import Form
from portal.applicant.proving import Taken, _readme
from portal.applicant.results import RESULTS, result_of
from portal.sessions.keeping import Person
from runtime.errors import (
    DomainError,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    ResourceExhausted,
    Unauthenticated,
)
from runtime.identity import Credentials, Role


def test_a_look_tells_what_came_of_it_whatever_it_was() -> None:
    known = {
        one.value for faults in (presented.Refusal, verified.Fault, wallets.Fault) for one in faults
    }
    assert not known - set(RESULTS)
    assert all(len(set(words)) == 2 for words in RESULTS.values())
    assert result_of("") is None
    assert result_of("SOMETHING_NEW") == ("refused", "未通过")


def test_a_look_for_a_case_says_what_the_applicant_agreed_to() -> None:
    item = "departments/human-resources/serviceItems/cg2017-22"
    case = materials_pb2.Collection(name="collections/c", service_item=item, log_indices=[7])
    seen = looks.Seen(
        at=datetime.now(UTC), who=("a", "a"), did=("asked", "查询"), what="人口", fields=(),
        purpose="核实身份", basis="", grant="g", result=None, object_at="", index=7,
    )  # fmt: skip
    found = looks.in_case(seen, {7: case}, {item: "失业保险待遇支付"})
    assert (found.case, found.case_at) == ("办理失业保险待遇支付", "/my/collections/c")
    assert found.purpose == "核实身份"  # the grant's own stays told
    assert looks.in_case(replace(seen, index=8), {7: case}, {}).case == ""
    assert looks.in_case(replace(seen, index=None), {7: case}, {}).case == ""


def test_every_look_at_a_license_is_told_in_words() -> None:
    assert not accesses.KINDS - set(words.KINDS)


def test_a_form_gives_back_what_was_sent_and_its_defaults_only_anew() -> None:
    fresh, sent = Form(), Form(sent={"fields": ["CZZT"], "uses": ["5"]})
    assert (fresh.one("uses", "1"), fresh.all("fields", ("ZZMC",))) == ("1", ("ZZMC",))
    assert (sent.one("uses", "1"), sent.all("fields", ("ZZMC",))) == ("5", ["CZZT"])
    # What was unticked stays so.
    assert (sent.one("purpose", "x"), sent.all("other", ("ZZMC",))) == ("", ())
    assert fresh.request_id != sent.request_id


def test_a_refusal_is_told_in_a_laymans_words_beside_its_fields() -> None:
    error = InvalidArgument(
        "purpose: required", reason="BAD_TEXT", violations=[FieldViolation("purpose", "required")]
    )
    form = Form(sent={}, error=error)
    assert form.refusal is not None
    assert "purpose:" not in form.refusal.message
    assert form.wrong == "purpose"
    unknown = InvalidArgument("as the service says", reason="SOMETHING_ELSE", message_zh="原话")
    assert Form(sent={}, error=unknown).refusal is unknown


def test_every_source_of_a_material_has_a_mark_and_words() -> None:
    sources = set(materials_pb2.MaterialSource.values()) - {0}
    assert set(words.SOURCES) == sources
    assert set(words.COLLECTIONS) == set(materials_pb2.CollectionState.values()) - {0}
    kept = materials_pb2.PlannedMaterial(
        reason="PROOF_KEPT", detail="kept on a legal basis: 某法", detail_zh="依法保留：某法"
    )
    assert needing._why(kept) == ("The law asks for it: 某法", "依法保留：某法。")


@pytest.mark.parametrize(
    ("system", "kind", "delegation", "who"),
    [
        ("departments/applicants/systems/person-a", "license_presented", "", "您本人"),
        (
            "departments/applicants/systems/person-a",
            "license_presented",
            "delegations/a",
            "您的受托人",
        ),
        ("departments/applicants/systems/person-a", "delegation_ended", "delegations/a", "您本人"),
        ("departments/applicants/systems/person-a", "delegated_licenses_listed", "", "您的受托人"),
        ("departments/a/systems/counter", "license_presented", "delegations/a", ""),
    ],
)
def test_who_of_the_applicants_looked_is_known(
    system: str, kind: str, delegation: str, who: str
) -> None:
    look = presentations_pb2.Look(system=system, kind=kind, delegation=delegation)
    found = looks.by_applicant(look)
    assert (found[1] if found else "") == who


def test_every_proof_that_used_to_be_asked_for_has_words() -> None:
    dispositions = set(materials_pb2.ProofDisposition.values()) - {0}
    assert {*words.PROOFS, materials_pb2.PROOF_DISPOSITION_REPLACED} == dispositions
    assert set(words.REPLACEMENTS) == set(materials_pb2.ProofReplacement.values()) - {0}
    unknown = materials_pb2.Proof(disposition=materials_pb2.PROOF_DISPOSITION_REPLACED)
    assert needing._became(unknown)[0] == "amber"  # it may still be asked for


@pytest.mark.parametrize(
    ("state", "valid_from", "valid_to", "light"),
    [
        ("ACTIVE", "2020-01-01", "2999-01-01", "green"),
        ("ACTIVE", "", "", "green"),
        ("ACTIVE", "2020-01-01", "2021-01-01", "amber"),
        ("ACTIVE", "2999-01-01", "", "amber"),
        ("REVOKED", "2020-01-01", "2999-01-01", "red"),
        ("SUSPENDED", "2020-01-01", "2999-01-01", "amber"),
    ],
)
def test_only_a_license_in_force_is_shown_or_copied(
    state: str, valid_from: str, valid_to: str, light: str
) -> None:
    held = licenses_pb2.License(
        state=licenses_pb2.LicenseState.Value(f"LICENSE_STATE_{state}"),
        valid_from=valid_from,
        valid_to=valid_to,
    )
    assert holding.state_of(held)[0] == light
    if light == "green":
        holding.check_in_force(held)
    else:
        with pytest.raises(FailedPrecondition):
            holding.check_in_force(held)


@pytest.mark.parametrize("wrong", ["password code", "code"])
def test_the_focus_is_in_the_first_field_that_was_wrong(wrong: str) -> None:
    marked = pages._marker(wrong.split())
    first = wrong.split()[0]
    assert "autofocus" in marked(first)
    assert [name for name in ("login", "password", "code") if "aria-invalid" in marked(name)] == (
        wrong.split()
    )
    assert not marked("login")


async def test_a_seal_that_cannot_be_checked_now_is_said_to_be_so() -> None:
    async def busy(*_: object) -> None:
        raise ResourceExhausted("later", reason="TOO_MANY", message_zh="稍后")

    request = request_with(verify_document=busy, address="127.0.0.1:1")
    person = cast("Any", SimpleNamespace(channel=lambda _: None))
    assert await holding._judged(request, person, b"document") is None


async def test_a_kept_picture_is_shown_only_while_the_session_lasts() -> None:
    async def lasts() -> None:
        return None

    async def over() -> None:
        raise Unauthenticated("over", reason="SESSION_ENDED", message_zh="已结束")

    def asking(answer: Callable[[], Awaitable[None]]) -> Any:
        return SimpleNamespace(lasts=answer)

    person = cast("Any", SimpleNamespace(pictures={}))
    person.keep_picture = person.pictures.__setitem__
    assert await sheets.kept(person, "a license", 2, asking(over)) is None
    sheets.keep(person, "a license", 2, b"picture")
    assert await sheets.kept(person, "a license", 2, asking(lasts)) == b"picture"
    assert await sheets.kept(person, "a license", 1, asking(lasts)) is None
    with pytest.raises(DomainError):
        await sheets.kept(person, "a license", 2, asking(over))


async def test_every_sheet_is_drawn_and_the_file_is_read_once() -> None:
    async def lasts() -> None:
        return None

    async def unread() -> bytes:
        raise AssertionError("opened again, which is another look")

    blank = pypdfium2.PdfDocument.new()
    for size in ((400, 200), (200, 400), (200, 200)):
        blank.new_page(*size)
    file = io.BytesIO()
    blank.save(file)
    ask = cast("Any", SimpleNamespace(lasts=lasts))
    person = cast("Any", SimpleNamespace(account="accounts/a", pictures={}))
    person.keep_picture = person.pictures.__setitem__
    request = request_with()

    async def asked(**query: str) -> Image.Image:
        request.query_params = query
        answer = await sheets.picture(request, person, "a license", ask, unread)
        return Image.open(io.BytesIO(bytes(answer.body)))

    sizes = await sheets.begin(request, person, "a license", file.getvalue())
    assert sizes == [(1100, 550), (1100, 2200), (1100, 1100)]
    assert [(await asked()).size, *[(await asked(sheet=n)).size for n in "23"]] == sizes
    for wrong in ("0", "4", "-1", "x", "²", ""):
        with pytest.raises(HTTPException):
            await asked(sheet=wrong)


def test_what_a_license_says_is_told_in_words() -> None:
    held = licenses_pb2.License(
        metadata={
            "ZZMC": "某证",
            "CZZT": "某甲、某公司",
            "CZZTDM": "1、2",
            "CZZTDMLX": "公民身份号码、统一社会信用代码",
            "KZ_XB": "2",
            "KZ_CX": '[{"CL":"小型汽车","DH":"C1"},{"DH":"D"}]',
            "KZ_ZP": "sha256:00",
            "KZ_SJLY": "历史数据电子化",
            "KZ_YZZBH": "旧字第1号",
        },
        holders=[
            licenses_pb2.Holder(name="某甲", code="1"),
            licenses_pb2.Holder(name="某公司", code="2"),
        ],
    )
    sexes = [licenses_pb2.CodeValue(code=code, name=name) for code, name in ("1男", "2女")]
    field = licenses_pb2.LicenseField
    kind = licenses_pb2.LicenseType(
        fields=[
            field(code="KZ_XB", display_name="性别", display_name_en="Sex", values=sexes),
            field(
                code="KZ_CX",
                display_name="准驾车型",
                kind=licenses_pb2.FIELD_KIND_TABLE,
                columns=[
                    field(code="DH", display_name="代号"),
                    field(code="CL", display_name="车"),
                ],
            ),
            field(code="KZ_ZP", display_name="照片", kind=licenses_pb2.FIELD_KIND_IMAGE),
        ]
    )
    said = contents.said_by(held, kind)
    assert {one.names[1]: one.text for one in said} == {
        "证照名称": "某证",
        "持证主体": "某甲、某公司",
        "持证主体代码": "1、2",
        "代码类型": "公民身份号码、统一社会信用代码",
        "数据来源": "历史数据电子化",
        "原证号": "旧字第1号",
        "性别": "女",
        "准驾车型": "C1，小型汽车；D",
    }
    assert said[-1].rows == (("C1", "小型汽车"), ("D", ""))
    told = {one.key: one.rows for one in contents.with_holders_in_rows(said, held)}
    assert told["CZZT"] == (
        ("某甲", "公民身份号码", "1"),
        ("某公司", "统一社会信用代码", "2"),
    )
    assert not told.keys() & {"CZZTDM", "CZZTDMLX"}
    held.metadata["CZZTDMLX"] = "公民身份号码"
    assert {row[1] for row in contents.with_holders_in_rows(said, held)[1].rows} == {"公民身份号码"}
    del held.holders[1]
    assert contents.with_holders_in_rows(said, held) == said


def test_what_a_download_lacks_stands_in_it() -> None:
    whole = _readme(Taken(until="2026-11-22 10:00:00"))
    assert "记录已全部包含" in whole
    lacking = _readme(Taken(until="2026-11-22 10:00:00", unproved=3, cut=True))
    assert "3 records of the last seconds" in lacking
    assert "There are more records" in lacking


def request_with(**node: object) -> Any:
    state = SimpleNamespace(node=SimpleNamespace(**node))
    return SimpleNamespace(app=SimpleNamespace(state=state))


def test_a_delegation_of_what_ended_shows_nothing_and_says_why() -> None:
    def delegation(*states: licenses_pb2.LicenseState.ValueType) -> delegations_pb2.Delegation:
        return delegations_pb2.Delegation(
            open=True,
            license_display_names=[f"证照{number}" for number, _ in enumerate(states)],
            standings=[
                delegations_pb2.DelegatedStanding(state=one, valid_from="2020-01-01")
                for one in states
            ],
        )

    active = licenses_pb2.LICENSE_STATE_ACTIVE
    revoked = licenses_pb2.LICENSE_STATE_REVOKED
    whole = delegating.standing_of(delegation(active))
    assert whole == delegating.Standing(usable=True, out=[])
    gone = ("证照1", ("Revoked", "已吊销"))
    some = delegating.standing_of(delegation(active, revoked))
    assert some == delegating.Standing(usable=True, out=[gone])
    person = Person(
        account="", display_name="某甲", system="", roles=frozenset({Role.DEPARTMENT}),
        holder_code="1", form_token="t", ends=0, used=0,
        credentials=Credentials(authority=b"", certificate=b"", key=b""),
    )  # fmt: skip
    scope = {"type": "http", "method": "GET", "path": "/my/delegations", "headers": [],
             "query_string": b"", "tongban.person": person}  # fmt: skip
    shown = pages.page(
        Request(scope),
        "applicant/delegations.html",
        given=delegating._in_order([delegation(revoked)]),
        got=delegating._in_order([delegation(active, revoked)]),
        following="",
        following_got="",
    )
    text = re.sub(r"<[^>]+>", "", bytes(shown.body).decode())
    given, _, got = text.partition("他人委托您")
    assert "暂无可出示的证照" in given
    assert "现不能出示：证照0（已吊销）" in given
    assert "现不能出示：证照1（已吊销）" in got
    assert "暂无可出示的证照" not in got


def test_what_is_wrong_with_an_entry_is_said_beside_its_field() -> None:
    kinds = [one for one in materials_pb2.EntryKind.values() if one]
    found = materials_pb2.Collection(
        entry_fields=[
            materials_pb2.EntryField(code=f"f{one}", display_name="项目", length=20, kind=one)
            for one in kinds
        ]
        + [materials_pb2.EntryField(code="f100", length=20)],
        entered={"f1": "kept"},
    )
    told = ["required", "longer than 20 characters", *["not as it should be"] * len(kinds)]
    error = InvalidArgument(
        "x",
        reason="BAD_ENTRY",
        violations=[
            FieldViolation(f"entries[f{one}]", words)
            for one, words in zip((2, 1, *kinds[2:]), told, strict=False)
        ],
    )
    sent = {"entry-f2": ["1990-02-30"], "entry-f3": [" 7 "], "entry-f4": [""], "token": ["t"]}
    shown = entries.entries_of(found, Form(sent=sent, error=error))
    assert entries.given_by(sent) == {"f2": "1990-02-30", "f3": "7"}
    by_code = {one.asked.code: one for one in shown}
    assert by_code["f1"].wrong == ("At most 20 characters.", "不超过 20 字。")
    assert by_code["f2"].wrong == ("Fill this in.", "请填写此项。")
    assert by_code["f100"].wrong is None
    assert all(by_code[f"f{one}"].wrong for one in kinds)
    assert [one.asked.code for one in shown if one.first] == ["f1"]
    assert "1990" not in repr(by_code["f2"])
    assert entries.entries_of(found, Form())[0].value == "kept"
