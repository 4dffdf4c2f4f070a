"""The form, filled once: each field from a license, a record, or one entry that serves all.

1. What is known is not asked: an entry for a field that a license or a record fills is left aside.
2. An entry that was verified is marked so; one that was not stays the applicant's own word.
3. Required fields without a value are told all at once, by code and never by value.
4. An entry is of the type, and of the list of codes, that its field's other sources have.
"""

from __future__ import annotations

from collections.abc import Collection as AnyOf
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from licenses.materials.answers import Facts
from licenses.materials.model import (
    BY_APPLICANT,
    Filled,
    FormField,
    Handling,
    MaterialSource,
    Planned,
)
from licenses.types.model import LicenseField
from licenses.types.values import check_value
from runtime.errors import FieldViolation, InvalidArgument

#: The reason of a refusal where the form is not whole.
ENTRIES_MISSING: Final = "ENTRIES_MISSING"
_TEXT: Final = LicenseField(code="", display_name="")


def fill(
    handling: Handling,
    facts: Facts,
    licenses: Mapping[str, tuple[str, Mapping[str, str]]],
    entries: Mapping[str, str],
    own: AnyOf[str] = (),
) -> tuple[Filled, ...]:
    """The fields that have a value, in the form's order.

    `licenses`: by type, the license's name and its metadata. `own`: fields that the applicant
    entered themself. Raises InvalidArgument: BAD_ENTRY (as `check_entries`), ENTRIES_MISSING.
    """
    check_entries(handling, entries, {})
    form, missing = [], []
    for one in handling.fields:
        filled = _known(one, facts, licenses) or _entered(one, facts, entries, own)
        if filled is not None:
            form.append(filled)
        elif one.required:
            missing.append(one)
    if missing:
        raise _missing(missing)
    return tuple(form)


def check_entered(handling: Handling, needed: Sequence[str], entries: Mapping[str, str]) -> None:
    """Whether what nothing of the plan fills was entered, whatever the answers are.

    `needed`: codes of these fields. Raises InvalidArgument (ENTRIES_MISSING).
    """
    if missing := [
        one for one in handling.fields if one.code in needed and not entries.get(one.code)
    ]:
        raise _missing(missing)


def _missing(fields: Sequence[FormField]) -> InvalidArgument:
    return InvalidArgument(
        "the form is not whole: ask the applicant for " + ", ".join(one.code for one in fields),
        reason=ENTRIES_MISSING,
        message_zh="表单不完整，请向申请人询问：" + "、".join(one.display_name for one in fields),
        violations=[FieldViolation(f"entries[{one.code}]", "required") for one in fields],
    )


def still_asked(plan: Sequence[Planned], facts: Facts) -> tuple[str, ...]:
    """Names of the materials that the applicant still has to bring.

    A material whose question was not answered with a value, or whose claim did not match, is asked.
    """
    return tuple(one.display_name for one in plan if _is_missing(one, facts))


def _is_missing(one: Planned, facts: Facts) -> bool:
    match one.source:
        case MaterialSource.OBTAINABLE_UNDER_GRANT:
            return (one.resource, one.item) not in facts.read
        case MaterialSource.VERIFIABLE:
            return (one.resource, one.item) not in facts.verified
        case MaterialSource.MUST_BE_ASKED:
            return True
        case _:
            return False


def _known(
    one: FormField, facts: Facts, licenses: Mapping[str, tuple[str, Mapping[str, str]]]
) -> Filled | None:
    for source in one.sources:
        if source.license_type in licenses:
            name, metadata = licenses[source.license_type]
            if metadata.get(source.key):
                return _filled(one, metadata[source.key], "license", name, source.key)
        elif value := facts.read.get((source.resource, source.item), ""):
            return _filled(one, value, "resource", source.resource)
    return None


def _entered(
    one: FormField, facts: Facts, entries: Mapping[str, str], own: AnyOf[str]
) -> Filled | None:
    value = entries.get(one.code, "")
    if not value:
        return None
    for source in one.sources:
        if source.resource and facts.verified.get((source.resource, source.item)) == value:
            return _filled(one, value, "verified", source.resource)
    return _filled(one, value, "entry", BY_APPLICANT if one.code in own else "")


def _filled(one: FormField, value: str, source: str, origin: str, key: str = "") -> Filled:
    return Filled(
        code=one.code,
        display_name=one.display_name,
        value=value,
        source=source,
        origin=origin,
        key=key,
    )


def check_entries(
    handling: Handling, entries: Mapping[str, str], shapes: Mapping[str, LicenseField]
) -> None:
    """Raises InvalidArgument (BAD_ENTRY): an unknown field, a text that may not stand in one.

    `shapes`: what the entries of some fields are; of any other a text.
    """
    fields = {one.code: one for one in handling.fields}
    wrong = []
    for code, value in entries.items():
        if code not in fields:
            wrong.append(FieldViolation("entries", "has a code that is no field of the form"))
        else:
            shape = shapes.get(code, _TEXT)
            asked = replace(shape, required=False, length=fields[code].length)
            wrong += check_value(asked, value, f"entries[{code}]")[1]
    if wrong:
        raise InvalidArgument(
            "an entry is not as the form asks: " + "; ".join(
                f"{one.field}: {one.description}" for one in wrong[:5]
            ),
            reason="BAD_ENTRY",
            message_zh="填写内容不符合表单要求：" + "；".join(one.field for one in wrong[:5]),
            violations=wrong[:50],
        )  # fmt: skip
