"""Rules that decide at once, one row a comparison; plans, one test a source; forms filled once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from licenses.materials import filling, planning
from licenses.materials.answers import Facts
from licenses.materials.entering import entries_of
from licenses.materials.handlings import check_handling
from licenses.materials.model import (
    Collection,
    CollectionState,
    Comparison,
    Condition,
    Decision,
    Disposition,
    FieldSource,
    Filled,
    FormField,
    GrantGiven,
    Handling,
    Item,
    Material,
    MaterialSource,
    Proof,
    Resource,
    Result,
)
from licenses.materials.planning import HeldLicense, Known
from licenses.materials.reporting import line_of
from licenses.materials.rules import decide
from runtime.errors import InvalidArgument

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
TODAY = date(2026, 11, 21)
ITEM = "departments/human-resources/serviceItems/cg2017-27"
PEOPLE = "departments/public-security/resources/population"
TYPE = "licenseTypes/employment-registration"


def condition(comparison: Comparison, *values: str) -> Condition:
    return Condition(
        field="fact", comparison=comparison, values=values, reason="why", reason_zh="原因"
    )


def fact(value: str, source: str = "resource") -> Filled:
    return Filled(code="fact", display_name="事实", value=value, source=source)


@pytest.mark.parametrize(
    ("comparison", "values", "value", "expected"),
    [
        (Comparison.PRESENT, (), "x", True),
        (Comparison.ONE_OF, ("a", "b"), "b", True),
        (Comparison.ONE_OF, ("a", "b"), "c", False),
        (Comparison.NONE_OF, ("a",), "b", True),
        (Comparison.NONE_OF, ("a",), "a", False),
        (Comparison.AT_LEAST, ("10",), "10.0", True),
        (Comparison.AT_LEAST, ("10",), "9.99", False),
        (Comparison.AT_MOST, ("10",), "10", True),
        (Comparison.AT_MOST, ("10",), "十", False),
        (Comparison.AT_MOST, ("10",), "-Infinity", False),
        (Comparison.AT_LEAST, ("10",), "NaN", False),
        (Comparison.YEARS_AT_LEAST, ("16",), "2010-11-21", True),
        (Comparison.YEARS_AT_LEAST, ("16",), "2010-11-22", False),
        (Comparison.YEARS_AT_MOST, ("59",), "1967-11-20", True),
        (Comparison.YEARS_AT_MOST, ("59",), "1966-11-21", False),
        (Comparison.YEARS_AT_MOST, ("59",), "2027-01-01", False),
        (Comparison.YEARS_AT_LEAST, ("16",), "1990年", False),
        (Comparison.BEGINS_WITH, ("示范县", "990101"), "示范县通达路", True),
        (Comparison.BEGINS_WITH, ("示范县",), "外县", False),
    ],
)
def test_a_condition_holds_or_not(
    comparison: Comparison, values: tuple[str, ...], value: str, expected: bool
) -> None:
    decision, outcomes = decide([condition(comparison, *values)], [fact(value)], [], TODAY)
    assert [one.holds for one in outcomes] == [expected]
    assert decision is (Decision.APPROVED if expected else Decision.REFERRED)


@pytest.mark.parametrize(
    ("rule", "form", "told"),
    [
        (condition(Comparison.YEARS_AT_LEAST, "16"), [], "事实: no license"),
        (condition(Comparison.PRESENT), [fact("")], "事实: no license"),
        (condition(Comparison.PRESENT), [fact("x", "entry")], "事实: the applicant entered it"),
        (condition(Comparison.AT_MOST, "1"), [fact("十")], "事实: what was told cannot"),
        (condition(Comparison.YEARS_AT_LEAST, "16"), [fact("2027-01-01")], "事实: what was told"),
        (condition(Comparison.YEARS_AT_LEAST, "16"), [fact("2026-01-01")], ""),
        (condition(Comparison.ONE_OF, "a"), [fact("b")], ""),
    ],
)
def test_a_fact_that_nobody_told_is_not_known_and_never_no(
    rule: Condition, form: list[Filled], told: str
) -> None:
    fields = [FormField(code="fact", display_name="事实")]
    decision, (found,) = decide([rule], form, [], TODAY, fields=fields)
    assert (decision, found.holds) == (Decision.REFERRED, False)
    assert found.missing.startswith(told)
    assert bool(found.missing) == bool(found.missing_zh) == bool(told)
    assert "2027" not in found.missing  # a value stands in no reason


def test_nobody_is_approved_on_their_own_word_or_with_something_missing() -> None:
    rule = [condition(Comparison.ONE_OF, "yes")]
    assert decide(rule, [fact("yes", "entry")], [], TODAY)[0] is Decision.REFERRED
    present = [condition(Comparison.PRESENT)]
    assert decide(present, [fact("yes", "entry")], [], TODAY)[0] is Decision.REFERRED
    assert decide(rule, [fact("yes", "verified")], [], TODAY)[0] is Decision.APPROVED
    assert decide(rule, [], [], TODAY)[0] is Decision.REFERRED
    decision, outcomes = decide(rule, [fact("yes")], ["照片"], TODAY)
    assert (decision, [one.holds for one in outcomes]) == (Decision.REFERRED, [True, False])
    # What does not hold is said as what should, with what is missing.
    assert outcomes[-1].reason == "every required material is there (missing: 照片)"
    assert outcomes[-1].reason_zh == "必要材料已齐全（尚缺：照片）"
    assert decide([], [fact("yes")], [], TODAY) == (Decision.NONE, ())


GRANT = GrantGiven(
    name="departments/human-resources/grants/g", resource=PEOPLE, whole=frozenset({"name"}),
    may_query=True, may_verify=True, service_item="", start=NOW, end=NOW + timedelta(days=1),
    active=True,
)  # fmt: skip
RESOURCE = Resource(
    name=PEOPLE, display_name="人口", active=True, key_standard="GB 11643", signed_requests=False
)
MATERIAL = Material(display_name="材料", required=True, resource=PEOPLE, item="name")
KNOWN = Known(
    handling=Handling(service_item=ITEM), resources={PEOPLE: RESOURCE}, grants=[GRANT],
    types={TYPE}, held=None, standard="", now=NOW,
)  # fmt: skip


def reason(material: Material = MATERIAL, **known: object) -> str:
    item = Item(name=ITEM, display_name="事项", active=True, materials=(material,))
    (one,) = planning.plan(item, replace(KNOWN, **known))  # type: ignore[arg-type]
    asked = one.source is MaterialSource.MUST_BE_ASKED
    had = one.license_type or one.grant or one.source is MaterialSource.OWN_DATA
    assert asked is (not had or bool(one.reason in ASKED))
    return one.reason


ASKED = {
    "NO_GRANT", "RESOURCE_NOT_IN_FORCE", "KEY_NOT_THE_APPLICANTS", "LICENSE_TYPE_UNKNOWN",
    "NO_LICENSE_HELD", "LICENSE_NOT_IN_FORCE", "PROOF_KEPT", "NOTHING_REPLACES_IT",
}  # fmt: skip


def test_a_plan_takes_what_is_there_in_order_and_says_why_not() -> None:
    assert reason() == "GRANT_IN_FORCE"
    assert reason(grants=[replace(GRANT, may_query=False)]) == "GRANT_TO_VERIFY"
    for useless in (
        replace(GRANT, active=False),
        replace(GRANT, end=NOW),
        replace(GRANT, start=NOW + timedelta(seconds=1)),
        replace(GRANT, whole=frozenset()),
        replace(GRANT, service_item="departments/x/serviceItems/y"),
        replace(GRANT, may_query=False, may_verify=False),
        replace(GRANT, resource="departments/x/resources/y"),
    ):
        assert reason(grants=[useless]) == "NO_GRANT"
    assert reason(grants=[replace(GRANT, service_item=ITEM)]) == "GRANT_IN_FORCE"
    # Nobody brings to a department what it publishes itself.
    own = "departments/human-resources/resources/insured"
    held = replace(MATERIAL, resource=own)
    mine = {own: replace(RESOURCE, name=own)}
    assert reason(held, resources=mine, grants=[]) == "OWN_DATA"
    granted = [replace(GRANT, resource=own)]
    assert reason(held, resources=mine, grants=granted) == "GRANT_IN_FORCE"
    mine = {own: replace(RESOURCE, name=own, active=False)}
    assert reason(held, resources=mine, grants=[]) == "RESOURCE_NOT_IN_FORCE"
    assert reason(resources={}) == "RESOURCE_NOT_IN_FORCE"
    assert reason(standard="GB 32100") == "KEY_NOT_THE_APPLICANTS"
    other = replace(RESOURCE, key_standard="")
    assert reason(resources={PEOPLE: other}) == "KEY_NOT_THE_APPLICANTS"
    by_license = Material(display_name="材料", required=True, license_type=TYPE)
    assert reason(by_license) == "LICENSE_TYPE_KNOWN"
    assert reason(by_license, types=set()) == "LICENSE_TYPE_UNKNOWN"
    assert reason(by_license, held=[]) == "NO_LICENSE_HELD"
    held = HeldLicense(name="departments/x/licenses/y", type_name=TYPE, in_force=False)
    assert reason(by_license, held=[held]) == "LICENSE_NOT_IN_FORCE"
    assert reason(by_license, held=[held, replace(held, in_force=True)]) == "LICENSE_HELD"
    two = [replace(held, in_force=True, name=f"departments/x/licenses/{one}") for one in "ab"]
    assert reason(by_license, held=two) == "LICENSES_HELD"
    plain = Material(display_name="材料", required=True)
    assert reason(plain) == "NOTHING_REPLACES_IT"
    kept = Proof(display_name="材料", disposition=Disposition.KEPT, legal_basis="《某法》")
    handling = Handling(service_item=ITEM, proofs=(kept,))
    assert reason(plain, handling=handling) == "PROOF_KEPT"


def test_an_item_is_handled_at_once_where_its_rule_can_approve_as_things_are() -> None:
    born = FormField(
        code="fact", display_name="出生日期", sources=(FieldSource(resource=PEOPLE, item="born"),)
    )
    rule = (condition(Comparison.YEARS_AT_LEAST, "16"),)
    handling = Handling(service_item=ITEM, fields=(born,), rule=rule)
    photo = Material(display_name="照片", required=True)
    whole = replace(GRANT, whole=frozenset({"name", "born"}))
    for materials, grant, wanted in (
        ((MATERIAL,), whole, ()),
        ((MATERIAL,), replace(whole, may_query=False), ()),
        ((MATERIAL, replace(photo, required=False)), whole, ()),
        ((MATERIAL, photo), whole, ("照片",)),
        ((MATERIAL,), GRANT, ("出生日期",)),  # nothing tells what the rule compares
        ((MATERIAL,), replace(GRANT, active=False), ("材料", "出生日期")),
    ):
        item = Item(name=ITEM, display_name="事项", active=True, materials=materials)
        planned = planning.plan(item, replace(KNOWN, handling=handling, grants=[grant]))
        assert planning.in_the_way(handling, planned) == wanted
        assert line_of(item, handling, planned).handled_at_once is (not wanted)
        assert planning.in_the_way(replace(handling, rule=()), planned) == ()
    # What the department looks up itself no rule has seen.
    own = replace(MATERIAL, resource="departments/human-resources/resources/insured")
    item = Item(name=ITEM, display_name="事项", active=True, materials=(own,))
    known = replace(
        KNOWN, handling=handling, resources={own.resource: replace(RESOURCE, name=own.resource)}
    )
    assert planning.in_the_way(handling, planning.plan(item, known)) == ("材料", "出生日期")


def test_a_plan_says_what_the_grant_was_given_for_and_takes_that_of_the_item_first() -> None:
    item = Item(name=ITEM, display_name="事项", active=True, materials=(MATERIAL,))
    anys = replace(GRANT, name="departments/human-resources/grants/any", purpose="核实身份")
    own = replace(GRANT, service_item=ITEM, purpose="办理就业登记")
    for grants, wanted in (([anys], anys), ([anys, own], own)):
        (one,) = planning.plan(item, replace(KNOWN, grants=grants))
        assert (one.grant, one.grant_purpose) == (wanted.name, wanted.purpose)
        assert planning.without_grants([one])[0].grant_purpose == wanted.purpose
        (refused,) = planning.without_consent([one], ())
        assert refused.grant_purpose == ""


def test_of_several_licenses_the_applicant_says_which_one_stands_in() -> None:
    names = tuple(f"departments/x/licenses/{one}" for one in "ab")
    held = [HeldLicense(name=one, type_name=TYPE, in_force=True) for one in names]
    by_license = Material(display_name="材料", required=True, license_type=TYPE)
    item = Item(name=ITEM, display_name="事项", active=True, materials=(by_license,))
    planned = planning.plan(item, replace(KNOWN, held=held))
    assert planned[0].choices == names
    (chosen,) = planning.chosen(planned, [names[1]])
    assert (chosen.license, chosen.choices) == (names[1], ())
    for wrong in ((), names, ("departments/x/licenses/c",), (names[0], "departments/x/licenses/c")):
        with pytest.raises(InvalidArgument) as told:
            planning.chosen(planned, wrong)
        assert told.value.reason == "LICENSE_NOT_CHOSEN"
    # What is not fetched needs no choice; one that is the only one is named or not.
    assert planning.chosen(planning.without_consent(planned, ()), ())[0].license == ""
    single = planning.plan(item, replace(KNOWN, held=held[:1]))
    assert planning.chosen(single, ()) == planning.chosen(single, [names[0]]) == single


def test_what_the_applicant_refused_is_not_read_under_another_question() -> None:
    wanted = ("name", "birth_date", "residence_address")
    materials = tuple(
        Material(display_name=name, required=True, resource=PEOPLE, item=item)
        for name, item in (("身份证", "name"), ("户口簿", "residence_address"))
    )
    fields = tuple(
        FormField(code=one, display_name=f"{one}栏", required=True,
                  sources=(FieldSource(resource=PEOPLE, item=one),))
        for one in wanted
    )  # fmt: skip
    handling = Handling(service_item=ITEM, fields=fields)
    item = Item(name=ITEM, display_name="事项", active=True, materials=materials)
    known = replace(
        KNOWN, handling=handling, grants=[replace(GRANT, whole=frozenset(wanted))]
    )  # fmt: skip
    whole = planning.plan(item, known)
    assert [one.items for one in whole] == [tuple(sorted(wanted))] * 2
    assert whole[0].fills == tuple((one, f"{one}栏") for one in wanted)
    card, book = planning.without_consent(whole, {"身份证"})
    assert card.items == ("birth_date", "name")
    assert [one for one, _ in card.fills] == ["name", "birth_date"]
    assert (book.reason, book.items, book.fills, book.grant) == ("NOT_CONSENTED", (), (), "")
    assert planning.entries_needed(handling, (card, book)) == ("residence_address",)
    # One item that stands for two materials is read for the one that was agreed to.
    both = planning.without_consent(
        (whole[0], replace(whole[1], item="name")), {"身份证"}
    )  # fmt: skip
    assert both[0].items == whole[0].items
    # A question that the exchange refused is asked of the applicant, with the reason.
    (lost, _) = planning.refused((card, book), {GRANT.name: "GRANT_REVOKED"})
    assert (lost.source, lost.reason) == (MaterialSource.MUST_BE_ASKED, "GRANT_REVOKED")
    with pytest.raises(InvalidArgument) as told:
        planning.refused((book,), {GRANT.name: "GRANT_REVOKED"})
    assert told.value.reason == "QUESTION_NOT_PLANNED"


def test_what_was_asked_before_is_asked_still_or_told_where_it_went() -> None:
    own = replace(RESOURCE, name="departments/human-resources/resources/insured")
    materials = tuple(
        Material(display_name=name, required=True, **more)
        for name, more in (
            ("参保", {"resource": own.name, "item": "z"}),
            ("表", {}), ("证", {"license_type": TYPE}), ("照片", {}),
            ("户口", {"resource": PEOPLE, "item": "name"}),
            ("社保", {"resource": "departments/x/resources/y", "item": "z"}),
        )
    )  # fmt: skip
    item = Item(name=ITEM, display_name="事项", active=True, materials=materials)
    gone = Proof(display_name="婚姻证明", disposition=Disposition.ABOLISHED)
    replaced = [
        Proof(display_name=one, disposition=Disposition.REPLACED)
        for one in ("参保", "表", "证", "户口", "社保", "照片")
    ]
    handling = Handling(service_item=ITEM, filled_materials=("表",), proofs=(gone, *replaced))
    other = replace(RESOURCE, name="departments/x/resources/y")
    known = replace(
        KNOWN, handling=handling, resources={PEOPLE: RESOURCE, other.name: other, own.name: own}
    )  # fmt: skip
    line = line_of(item, handling, planning.plan(item, known))
    assert (line.before, line.after, line.awaiting, line.own_data) == (7, 2, 1, 1)
    assert [one.value for one in line.replaced.values()] == [
        "OWN_DATA", "FORM", "LICENSE", "QUERY", "AWAITS_GRANT", "NOTHING",
    ]  # fmt: skip
    assert line.before == (
        line.after + line.abolished + line.filled + line.by_license + line.by_query
        + line.by_verification + line.own_data
    )  # fmt: skip


def test_a_form_is_filled_from_what_is_known_and_asks_once() -> None:
    name = FormField(
        code="name", display_name="姓名", required=True,
        sources=(FieldSource(license_type=TYPE, key="CZZT"),
                 FieldSource(resource=PEOPLE, item="name")),
    )  # fmt: skip
    phone = FormField(code="phone", display_name="电话", required=True, length=11)
    handling = Handling(service_item=ITEM, fields=(name, phone))
    licenses = {TYPE: ("departments/x/licenses/y", {"CZZT": "赵示例"})}
    facts = Facts(read={(PEOPLE, "name"): "钱示例"})
    filled = filling.fill(handling, facts, licenses, {"phone": "1", "name": "孙示例"})
    assert [(one.value, one.source) for one in filled] == [("赵示例", "license"), ("1", "entry")]
    filled = filling.fill(handling, facts, {}, {"phone": "1"})
    assert filled[0].source == "resource"
    assert "钱示例" not in repr(filled) + repr(facts)
    for entries, wanted in (
        ({}, "ENTRIES_MISSING"),
        ({"phone": "123456789012"}, "BAD_ENTRY"),
        ({"phone": "1\n2"}, "BAD_ENTRY"),
        ({"other": "1"}, "BAD_ENTRY"),
    ):
        with pytest.raises(InvalidArgument) as told:
            filling.fill(handling, facts, {}, entries)
        assert told.value.reason == wanted
        assert "123456789012" not in told.value.message


def test_a_handling_is_refused_by_the_places_of_its_mistakes() -> None:
    wrong = Handling(
        service_item="x",
        fields=(FormField(code="A", display_name="", length=0, sources=(FieldSource(key="k"),)),),
        proofs=(Proof(display_name="证明", disposition=Disposition.KEPT),),
        rule=(
            replace(condition(Comparison.AT_LEAST, "many"), field="none"),
            replace(condition(Comparison.PRESENT, "x"), field="A"),
            replace(condition(Comparison.ONE_OF), field="A"),
        ),
    )
    with pytest.raises(InvalidArgument) as told:
        check_handling(wrong)
    assert {one.field for one in told.value.violations} == {
        "service_item", "fields[0].code", "fields[0].display_name", "fields[0].length",
        "fields[0].sources[0]", "proofs[0].legal_basis", "rule[0].field", "rule[0].values",
        "rule[1].values", "rule[2].values",
    }  # fmt: skip


def test_an_entry_for_a_field_that_the_form_has_no_more_stops_nobody() -> None:
    form = Handling(
        service_item=ITEM, fields=(FormField(code="phone", display_name="电话", required=True),)
    )
    begun = Collection(
        id="a" * 24, service_item=ITEM, department="departments/human-resources",
        holder_index=b"", state=CollectionState.CONSENTED, plan=(), result=Result(),
        create_time=NOW, expire_time=NOW + timedelta(days=1), actor="x",
        entered={"phone": "10012345678", "fax": "10012345679"},
    )  # fmt: skip
    entered, own = entries_of(form, begun, {"phone": "1"}, by_department=True)
    assert (entered, own) == ({"phone": "10012345678"}, {"phone"})
    assert filling.fill(form, Facts(), {}, entered, own)[0].origin == "applicant"
    # What the department's own system says wrongly is still told.
    entered, _ = entries_of(form, begun, {"fax": "1"}, by_department=True)
    with pytest.raises(InvalidArgument):
        filling.fill(form, Facts(), {}, entered)
