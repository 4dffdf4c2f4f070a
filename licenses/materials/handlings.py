"""What a department may put as the way an item is handled, and the digest that names it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

import orjson

from licenses.materials.model import (
    GREATEST_CONDITIONS,
    GREATEST_ENTRY,
    GREATEST_FIELDS,
    GREATEST_PROOFS,
    GREATEST_SOURCES,
    GREATEST_VALUES,
    Comparison,
    Condition,
    Disposition,
    FormField,
    Handling,
)
from licenses.texts import text_problem
from runtime import names
from runtime.errors import FieldViolation, InvalidArgument

_NAME_LIMIT = 100
_TEXT_LIMIT = 300
_CODE = re.compile(r"[a-z0-9_]{1,40}")
_KEY = re.compile(r"[A-Za-z0-9_]{1,60}")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,6})?")
_YEARS = re.compile(r"\d{1,3}")


def digest_of(handling: Handling) -> str:
    """SHA-256 of what a department said, hex: the form, the proofs and the rule."""
    said = [handling.fields, handling.filled_materials, handling.proofs, handling.rule]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()


def check_handling(handling: Handling) -> None:
    """Raises InvalidArgument (BAD_HANDLING) with every mistake by its place."""
    found = list(_violations(handling))
    if found:
        raise InvalidArgument(
            "the handling is not as it should be: " + "; ".join(
                f"{one.field}: {one.description}" for one in found[:5]
            ),
            reason="BAD_HANDLING",
            message_zh="办理规则有误：" + "；".join(one.field for one in found[:5]),
            violations=found[:50],
        )  # fmt: skip


def _violations(handling: Handling) -> Iterator[FieldViolation]:
    if not names.is_name(names.SERVICE_ITEM, handling.service_item):
        yield FieldViolation("service_item", f"must look like {names.SERVICE_ITEM}")
    yield from _few("fields", handling.fields, GREATEST_FIELDS)
    yield from _few("filled_materials", handling.filled_materials, GREATEST_FIELDS)
    yield from _few("proofs", handling.proofs, GREATEST_PROOFS)
    yield from _few("rule", handling.rule, GREATEST_CONDITIONS)
    codes: set[str] = set()
    for number, one in enumerate(handling.fields):
        place = f"fields[{number}]"
        yield from _field_violations(place, one)
        if one.code in codes:
            yield FieldViolation(f"{place}.code", "stands twice")
        codes.add(one.code)
    for number, name in enumerate(handling.filled_materials):
        yield from _text(f"filled_materials[{number}]", name, _NAME_LIMIT, required=True)
    for number, proof in enumerate(handling.proofs):
        place = f"proofs[{number}]"
        yield from _text(f"{place}.display_name", proof.display_name, _NAME_LIMIT, required=True)
        kept = proof.disposition is Disposition.KEPT
        yield from _text(f"{place}.legal_basis", proof.legal_basis, _TEXT_LIMIT, required=kept)
        yield from _text(f"{place}.note", proof.note, _TEXT_LIMIT, required=False)
    for number, condition in enumerate(handling.rule):
        yield from _condition_violations(f"rule[{number}]", condition, codes)


def _field_violations(place: str, one: FormField) -> Iterator[FieldViolation]:
    if not _CODE.fullmatch(one.code):
        yield FieldViolation(f"{place}.code", "must be 1-40 of a-z, 0-9 and _")
    yield from _text(f"{place}.display_name", one.display_name, _NAME_LIMIT, required=True)
    if not 0 < one.length <= GREATEST_ENTRY:
        yield FieldViolation(f"{place}.length", f"must be 1 to {GREATEST_ENTRY}")
    yield from _few(f"{place}.sources", one.sources, GREATEST_SOURCES)
    for number, source in enumerate(one.sources):
        of_license = names.is_name(names.LICENSE_TYPE, source.license_type)
        of_resource = names.is_name(names.RESOURCE, source.resource)
        license_whole = of_license and _KEY.fullmatch(source.key)
        resource_whole = of_resource and _KEY.fullmatch(source.item)
        other_empty = not (source.resource or source.item if of_license else source.license_type)
        if not ((license_whole or resource_whole) and other_empty):
            yield FieldViolation(
                f"{place}.sources[{number}]",
                "must be a license_type with a key, or a resource with an item",
            )


def _condition_violations(place: str, one: Condition, codes: set[str]) -> Iterator[FieldViolation]:
    if one.field not in codes:
        yield FieldViolation(f"{place}.field", "is no field of the form")
    yield from _text(f"{place}.reason", one.reason, _TEXT_LIMIT, required=True)
    yield from _text(f"{place}.reason_zh", one.reason_zh, _TEXT_LIMIT, required=True)
    yield from _few(f"{place}.values", one.values, GREATEST_VALUES)
    values = f"{place}.values"
    match one.comparison:
        case Comparison.PRESENT:
            good = not one.values
        case Comparison.AT_LEAST | Comparison.AT_MOST:
            good = len(one.values) == 1 and bool(_NUMBER.fullmatch(one.values[0]))
        case Comparison.YEARS_AT_LEAST | Comparison.YEARS_AT_MOST:
            good = len(one.values) == 1 and bool(_YEARS.fullmatch(one.values[0]))
        case _:
            good = bool(one.values) and all(0 < len(value) <= _TEXT_LIMIT for value in one.values)
    if not good:
        yield FieldViolation(values, f"are not what {one.comparison} compares with")


def _text(place: str, value: str, limit: int, *, required: bool) -> Iterator[FieldViolation]:
    wrong = text_problem(value, limit, required=required)
    if wrong:
        yield FieldViolation(place, wrong)


def _few(place: str, given: Sequence[object], most: int) -> Iterator[FieldViolation]:
    if len(given) > most:
        yield FieldViolation(place, f"more than {most}")
