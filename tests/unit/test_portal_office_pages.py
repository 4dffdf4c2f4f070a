"""The office's pages in states that no journey of the tests reaches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import Response

from exchange.v1 import catalog_pb2, deadlines_pb2, grants_pb2, systems_pb2
from licenses.v1 import materials_pb2
from portal import actors
from portal.office import endings, granting, overview, services, showing, systems, terms, words
from portal.office.trust import PURPOSES
from portal.sessions.keeping import Person
from runtime.errors import FieldViolation, InvalidArgument, NotFound
from runtime.identity import Credentials, Role
from seal.v1 import seal_pb2, trust_pb2
from tongban.commands import seal_show

POLICE, WORK = "departments/public-security", "departments/human-resources"
NAMES = {POLICE: "示范县公安局", WORK: "示范县人力资源和社会保障局"}
RESOURCE = catalog_pb2.DataResource(
    name=f"{POLICE}/resources/population",
    display_name="人口基础信息",
    items=[catalog_pb2.DataItem(code="name", display_name="姓名", personal=True)],
)


class Asked:
    """What a page asks, answered from here."""

    def __init__(self, role: Role = Role.ADMINISTRATOR) -> None:
        self.person = Person(
            account="accounts/x",
            display_name="某甲",
            system=f"{POLICE}/systems/person-x",
            roles=frozenset({role}),
            holder_code="",
            form_token="t",
            ends=time.time() + 60,
            used=time.time(),
            credentials=Credentials(authority=b"", certificate=b"", key=b""),
        )

    async def departments(self) -> dict[str, str]:
        return NAMES

    async def persons(self, systems: Iterable[str]) -> dict[str, str]:
        return {one: "某乙" for one in systems if "/person-" in one}


def shown(template: str, *, role: Role = Role.ADMINISTRATOR, lang: str = "zh", **facts: Any) -> str:
    ask = Asked(role)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/office/x",
        "headers": [],
        "query_string": f"lang={lang}".encode(),
        "tongban.person": ask.person,
    }
    answer: Response = asyncio.run(
        showing.show(Request(scope), ask, template, **facts)  # type: ignore[arg-type]
    )
    return bytes(answer.body).decode()


def request(state: int, **more: Any) -> dict[str, Any]:
    held = grants_pb2.AccessRequest(
        name=f"{WORK}/accessRequests/one",
        resource=RESOURCE.name,
        items=["name"],
        operations=[grants_pb2.OPERATION_QUERY],
        purpose="核实",
        state=grants_pb2.AccessRequestState.ValueType(state),
        cross_region=True,
        proposal=grants_pb2.GrantTerms(items=[grants_pb2.GrantedItem(item="name", mask=2)]),
    )
    held.proposal.end_time.FromDatetime(datetime(2026, 12, 31, 16, tzinfo=UTC))
    facts = {
        "held": held,
        "resource": RESOURCE,
        "labels": granting.labels_of(RESOURCE),
        "sensitivities": granting.sensitivities_of(RESOURCE),
        "titles": {},
        "clocks": [],
        "at": datetime(2026, 1, 5, tzinfo=UTC),
        "is_open": True,
        "awaits": state == grants_pb2.ACCESS_REQUEST_STATE_AWAITING_AUTHORITY,
        "decides": False,
        "asks": False,
        "proposal": terms.proposed(held.proposal),
        "wanted": terms.asked_for(held),
        "seen": None,
        "typed": {},
        "request_id": "r",
    }
    return facts | more


def test_who_acted_is_told_as_people_call_them() -> None:
    somebody, applicant = f"{POLICE}/systems/person-1", "departments/applicants/systems/person-2"
    who = actors.teller(lambda _, chinese: chinese, NAMES, {somebody: "某乙"})
    assert who(somebody) == "示范县公安局 · 某乙"
    assert who(f"{WORK}/systems/person-9") == "示范县人力资源和社会保障局 · 工作人员"
    assert who(f"{WORK}/systems/employment") == "示范县人力资源和社会保障局 · employment"
    assert who(applicant) == "申请人本人"
    assert who("rules/unconditional-sharing") == "节点按规则自动办理"


def test_applicants_are_never_asked_for_and_officers_ask_for_nobody() -> None:
    """No channel is opened: with these credentials it could not be."""
    applicant = "departments/applicants/systems/person-2"
    auditor = Asked(Role.AUDITOR).person
    assert asyncio.run(actors.persons(auditor, "", [applicant, f"{WORK}/systems/x"])) == {}
    officer = Asked(Role.DEPARTMENT).person
    assert asyncio.run(actors.persons(officer, "", [f"{WORK}/systems/person-1"])) == {}


AWAITING = grants_pb2.ACCESS_REQUEST_STATE_AWAITING_AUTHORITY
PENDING = grants_pb2.ACCESS_REQUEST_STATE_PENDING


def test_the_authority_agrees_to_what_the_source_proposes() -> None:
    page = shown("request", **request(AWAITING))
    assert "数源部门拟授权" in page
    assert "仅首字" in page
    assert "2026-12-31" in page
    assert "/office/requests/human-resources/one/endorse" in page
    assert "预览对方所见" not in page


@pytest.mark.parametrize(
    ("role", "more"),
    [
        (Role.AUDITOR, {"decides": True}),
        (Role.ADMINISTRATOR, {"decides": True, "asks": True}),  # nobody decides on their own
        (Role.ADMINISTRATOR, {"decides": True, "is_open": False}),
    ],
)
def test_who_does_not_decide_sees_no_form(role: Role, more: dict[str, Any]) -> None:
    page = shown("request", role=role, **request(PENDING, **more))
    assert "<form class" not in page.partition("<main")[2]
    assert "/refuse" not in page


def test_who_decides_instead_is_told() -> None:
    page = shown("request", lang="en", **request(PENDING))
    assert "decide this, and of departments above it" in page
    assert "/refuse" not in page


def test_a_refusal_names_the_fields_as_the_form_does() -> None:
    violations = [FieldViolation("items[0].mask", "x"), FieldViolation("end_time", "y")]
    error = InvalidArgument("correct the fields listed", violations=violations)
    facts = request(PENDING, decides=True)
    page = shown("request", error=error, **facts)
    assert "请更正：信息项、截止日期" in page
    assert 'aria-invalid="true"' in page


def test_what_the_form_itself_refuses_is_told_in_its_words() -> None:
    facts = request(PENDING, decides=True)
    with pytest.raises(InvalidArgument) as refused:
        terms.check_end(replace(facts["wanted"], until="2020-01-01"), date(2026, 1, 5))
    page = shown("request", error=refused.value, **facts)
    assert "截止日期已过，请选择今天或以后的日期。" in page
    assert 'id="until"' in page.partition('aria-invalid="true"')[0].rpartition("<input")[2]


def test_a_trust_list_says_for_what_and_until_when() -> None:
    anchor = trust_pb2.RecognisedAnchor(
        subject="CN=示范市", sha256="ab" * 32, purposes=[trust_pb2.TRUST_PURPOSE_SIGNER]
    )
    one = trust_pb2.Authority(
        name="authorities/shifan-city",
        state=trust_pb2.AUTHORITY_STATE_RECOGNISED,
        terms=trust_pb2.AuthorityTerms(display_name="示范市", legal_basis="互认协议"),
    )
    facts = {
        "authorities": [(one, [(anchor, datetime(2030, 1, 1, tzinfo=UTC))])],
        "purposes": PURPOSES,
        "following": "",
    }
    page = shown("authorities", **facts)
    for said in ("示范市", "签章者", "2030-01-01", "已认可", "互认协议"):
        assert said in page


def test_a_certificate_that_ends_soon_or_is_gone_is_told() -> None:
    soon = systems_pb2.EnrolledSystem(name=f"{WORK}/systems/a", days_left=7)
    soon.certificate.roles.append("department")
    gone = systems_pb2.EnrolledSystem(name=f"{WORK}/systems/b")
    assert systems._state(soon)[0] == "amber"
    assert systems._state(gone)[0] == "red"
    tiles = (("/office/clock", 2, "red", words.LATE), ("/office/acts", 0, "", words.SECOND))
    facts: dict[str, Any] = {
        "deadlines": [],
        "tiles": tiles,
        "soon": overview.SOON,
        "following": "",
    }
    facts |= {"seals": endings.told([a_seal(9)]), "certificates": []}
    page = shown("overview", ending=[soon, gone], authority_end=None, **facts)
    for said in (
        "剩余 7 天",
        "无有效证书",
        "逾期事项",
        "没有待确认操作",
        "没有待办事项",
        "9 天后到期",
    ):
        assert said in page
    assert "renew-authority" not in page
    told = systems_pb2.ListSystemsResponse()
    assert overview.end_of_authority(told) is None
    told.authority_end_time.FromDatetime(datetime(2030, 1, 1, tzinfo=UTC))
    page = shown("overview", ending=[], authority_end=overview.end_of_authority(told), **facts)
    assert "2030-01-01" in page
    assert "renew-authority" in page


def test_a_share_is_of_what_was_due() -> None:
    assert overview._share([3, 9, 1, 0]) == 75
    assert overview._share([0, 9, 0, 0]) == 0


def test_every_word_of_the_services_has_one_of_the_pages() -> None:
    for enum, said in (
        (grants_pb2.AccessRequestState, words.REQUESTS),
        (grants_pb2.Operation, words.OPERATIONS),
        (grants_pb2.RowTest, words.TESTS),
        (trust_pb2.AuthorityState, words.AUTHORITIES),
    ):
        assert set(enum.values()) - {0} == set(said)
    assert set(grants_pb2.Mask.values()) == set(words.MASKS) == set(terms.MASKS)
    assert deadlines_pb2.DEADLINE_STATE_RUNNING in (1, 2)  # as the template has it


async def test_what_was_asked_before_counts_proofs_that_were_abolished() -> None:
    handling = materials_pb2.Handling(
        proofs=[
            materials_pb2.Proof(disposition=materials_pb2.PROOF_DISPOSITION_ABOLISHED),
            materials_pb2.Proof(disposition=materials_pb2.PROOF_DISPOSITION_REPLACED),
        ]
    )

    async def tell(answer: Any, _: Any) -> Any:
        if answer is None:
            raise NotFound("none", reason="HANDLING_NOT_FOUND", message_zh="未登记")
        return answer

    def asking(answer: Any) -> Any:
        return cast(
            "Any", SimpleNamespace(tell=tell, materials=SimpleNamespace(GetHandling=answer))
        )

    item = "departments/health/serviceItems/one"
    held = materials_pb2.GetHandlingResponse(handling=handling)
    assert await services._abolished(asking(held), item) == 1
    assert await services._abolished(asking(None), item) == 0


def a_seal(days_left: int, state: int = seal_pb2.SEAL_STATE_ACTIVE) -> seal_pb2.Seal:
    one = seal_pb2.Seal(name=f"{WORK}/seals/official", display_name="示范公章", state=state)  # type: ignore[arg-type]
    one.end_time.FromDatetime(datetime.now(UTC) + timedelta(days=days_left, hours=1))
    return one


def test_a_seal_whose_time_is_over_is_not_said_to_be_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen = seal_pb2.SEAL_STATE_FROZEN
    seals = [a_seal(-1), a_seal(60), a_seal(61), a_seal(-1, frozen), a_seal(7, frozen)]
    revoked = a_seal(-1, seal_pb2.SEAL_STATE_REVOKED)
    assert [state[2] for _, state in endings.told([*seals, revoked])] == [
        "已到期", "使用中，60 天后到期", "使用中", "已到期", "已冻结，7 天后到期", "已废止",
    ]  # fmt: skip
    # The command says the same.
    monkeypatch.setenv("TONGBAN_LANG", "en")
    assert [seal_show.state_of(one) for one in seals] == [
        "ENDED", "ACTIVE, ends in 60 day(s)", "ACTIVE", "ENDED", "FROZEN, ends in 7 day(s)",
    ]  # fmt: skip


def test_what_ends_above_the_seals_is_told_with_what_to_do() -> None:
    found = seal_pb2.ListSealsResponse()
    for key in ("maker", "root-sm2"):
        one = found.ending_certificates.add(key=key)
        one.end_time.FromDatetime(datetime(2035, 1, 1, tzinfo=UTC))
    told = endings.of_certificates(found)
    facts: dict[str, Any] = {"ending": True, "soon": endings.SOON, "following": ""}
    page = shown("seals", seals=[], certificates=told, **facts)
    for said in ("制章者须更换", "ceremony --replace", "SM2", "2035-01-01", "没有即将到期"):
        assert said in page
    rows = [(*endings.told([a_seal(3)])[0], datetime(2035, 1, 1, tzinfo=UTC))]
    page = shown("seals", seals=rows, certificates=[], **facts, lang="en")
    assert "ends in 3 day(s)" in page
    assert "successor" not in page
