"""Materials of a service item: where they come from, how the item is handled, what was collected.

1. How an item is handled (办理规则) is data that its department puts: the form, which proofs are
   abolished, kept or replaced, and the rule by which it may be decided at once.
2. A proof that is kept says on which law; one that is abolished is no material of the item.
3. A collection lives from the consent to its end, a day at most, and is collected once.
4. What the form says and whose it is never stand in a `repr`, a name or an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from licenses.texts import text_problem
from runtime import names
from runtime.errors import FieldViolation, InvalidArgument

CONSENT_LASTS = timedelta(hours=24)
GREATEST_FIELDS = 100
GREATEST_PROOFS = 100
GREATEST_CONDITIONS = 50
GREATEST_VALUES = 100
GREATEST_SOURCES = 5
GREATEST_ENTRY = 500
DEFAULT_ENTRY = 200
_NAME_LIMIT = 100
_TEXT_LIMIT = 300
_CODE = re.compile(r"[a-z0-9_]{1,40}")
_KEY = re.compile(r"[A-Za-z0-9_]{1,60}")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,6})?")
_YEARS = re.compile(r"\d{1,3}")
COLLECTION = "collections/{collection}"


class MaterialSource(StrEnum):
    """Where a material comes from."""

    HELD_AS_LICENSE = "HELD_AS_LICENSE"
    OBTAINABLE_UNDER_GRANT = "OBTAINABLE_UNDER_GRANT"
    VERIFIABLE = "VERIFIABLE"
    MUST_BE_ASKED = "MUST_BE_ASKED"
    FILLED_ONCE = "FILLED_ONCE"


#: What an applicant is asked to agree to; a form that is filled in needs nobody's data.
CONSENTED = frozenset(
    (
        MaterialSource.HELD_AS_LICENSE,
        MaterialSource.OBTAINABLE_UNDER_GRANT,
        MaterialSource.VERIFIABLE,
    )
)


class Disposition(StrEnum):
    """What became of a proof (证明事项)."""

    ABOLISHED = "ABOLISHED"
    KEPT = "KEPT"
    REPLACED = "REPLACED"


class Comparison(StrEnum):
    """How a condition compares a fact."""

    PRESENT = "PRESENT"
    ONE_OF = "ONE_OF"
    NONE_OF = "NONE_OF"
    AT_LEAST = "AT_LEAST"
    AT_MOST = "AT_MOST"
    YEARS_AT_LEAST = "YEARS_AT_LEAST"
    YEARS_AT_MOST = "YEARS_AT_MOST"
    BEGINS_WITH = "BEGINS_WITH"


class Decision(StrEnum):
    """What a rule decided; it refuses nobody."""

    NONE = ""
    APPROVED = "APPROVED"
    REFERRED = "REFERRED"


class CollectionState(StrEnum):
    """Where a collection is."""

    CONSENTED = "CONSENTED"
    COLLECTED = "COLLECTED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSource:
    """Where a field's value comes from: a license's key, or a resource's item."""

    license_type: str = ""
    key: str = ""
    resource: str = ""
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A field of the form; `length` is the most characters of an entry."""

    code: str
    display_name: str
    required: bool = False
    length: int = DEFAULT_ENTRY
    sources: tuple[FieldSource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof and what became of it."""

    display_name: str
    disposition: Disposition
    legal_basis: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of a rule, and what it means."""

    field: str
    comparison: Comparison
    values: tuple[str, ...] = ()
    reason: str
    reason_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """How a service item is handled; `rule` empty is never decided at once."""

    service_item: str
    fields: tuple[FormField, ...] = ()
    filled_materials: tuple[str, ...] = ()
    proofs: tuple[Proof, ...] = ()
    rule: tuple[Condition, ...] = ()
    etag: str = ""
    version: int = 0
    put_time: datetime | None = None
    put_by: str = ""

    @property
    def handled_at_once(self) -> bool:
        """Whether a rule may decide it (秒批)."""
        return bool(self.rule)


# What the neighbours and the license store say, as far as planning needs it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A material as the catalog has it, with what stands in for it."""

    display_name: str
    required: bool
    license_type: str = ""
    resource: str = ""
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A service item as the catalog has it."""

    name: str
    display_name: str
    active: bool
    materials: tuple[Material, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource as the catalog has it; `key_standard` is that of its key item."""

    name: str
    display_name: str
    active: bool
    key_standard: str
    signed_requests: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantGiven:
    """A grant of the accepting department, in force or not."""

    name: str
    resource: str
    #: Items given whole: a masked one neither fills a form nor can be verified.
    whole: frozenset[str]
    may_query: bool
    may_verify: bool
    service_item: str
    start: datetime
    end: datetime
    active: bool

    def in_force(self, service_item: str, now: datetime) -> bool:
        """Whether it may be used for this item now."""
        serves = self.service_item in ("", service_item)
        return self.active and serves and self.start <= now < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One material, and where it comes from."""

    display_name: str
    required: bool
    source: MaterialSource
    reason: str
    detail: str
    detail_zh: str
    license: str = ""
    license_type: str = ""
    grant: str = ""
    resource: str = ""
    #: The item that stands in for the material; `items` has those too that the form is filled from.
    item: str = ""
    items: tuple[str, ...] = ()
    signed_requests: bool = False
    #: Of the endorsed copy that was made with the consent, hex.
    copy_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A filled field: `source` is license, resource, verified or entry."""

    code: str
    display_name: str
    value: str = field(repr=False)
    source: str
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy of a license that stands in for a material."""

    material: str
    license: str
    sha256: str
    media_type: str
    endorsed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOutcome:
    """What became of one condition."""

    field: str
    holds: bool
    reason: str
    reason_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was collected."""

    form: tuple[Filled, ...] = field(default=(), repr=False)
    copies: tuple[Copy, ...] = ()
    asked: tuple[str, ...] = ()
    decision: Decision = Decision.NONE
    outcomes: tuple[RuleOutcome, ...] = ()
    log_indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """The materials of one application."""

    id: str
    service_item: str
    department: str
    holder_index: bytes = field(repr=False)
    state: CollectionState
    plan: tuple[Planned, ...]
    result: Result
    create_time: datetime
    expire_time: datetime
    collect_time: datetime | None = None
    actor: str

    @property
    def name(self) -> str:
        """collections/{collection}: the trail's id, and the case number of its questions."""
        return f"collections/{self.id}"


# Rules.


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
