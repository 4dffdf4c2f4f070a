"""Materials of a service item: where they come from, how the item is handled, what was collected.

1. How an item is handled (办理规则) is data that its department puts: the form, which proofs are
   abolished, kept or replaced, and the rule by which it may be decided at once.
2. A proof that is kept says on which law; one that is abolished is no material of the item.
3. A collection lives from the consent to its end, a day at most, and is collected once.
4. Which form and which rule it was collected by stands in it: version and digest.
5. What the form says and whose it is never stand in a `repr`, a name or an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from licenses.types.model import LicenseField

CONSENT_LASTS = timedelta(hours=24)
GREATEST_FIELDS = 100
GREATEST_PROOFS = 100
GREATEST_CONDITIONS = 50
GREATEST_VALUES = 100
GREATEST_SOURCES = 5
GREATEST_ENTRY = 500
DEFAULT_ENTRY = 200
COLLECTION = "collections/{collection}"
#: The origin of an entry that the applicant made, or a counter for them.
BY_APPLICANT = "applicant"


class MaterialSource(StrEnum):
    """Where a material comes from."""

    HELD_AS_LICENSE = "HELD_AS_LICENSE"
    OBTAINABLE_UNDER_GRANT = "OBTAINABLE_UNDER_GRANT"
    VERIFIABLE = "VERIFIABLE"
    MUST_BE_ASKED = "MUST_BE_ASKED"
    FILLED_ONCE = "FILLED_ONCE"
    OWN_DATA = "OWN_DATA"


#: What an applicant is asked to agree to: a form that is filled in needs nobody's data, and of what
#: the accepting department holds itself nothing is fetched.
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


class Replacement(StrEnum):
    """What a proof that is replaced comes by, as things are."""

    LICENSE = "LICENSE"
    QUERY = "QUERY"
    VERIFICATION = "VERIFICATION"
    FORM = "FORM"
    OWN_DATA = "OWN_DATA"
    AWAITS_GRANT = "AWAITS_GRANT"
    NOTHING = "NOTHING"


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
class Offered:
    """A service item as applicants see it; `in_the_way` is what keeps its rule from deciding."""

    item: Item
    rule: tuple[Condition, ...]
    in_the_way: tuple[str, ...]

    @property
    def is_at_once(self) -> bool:
        """Whether its rule decides it (秒批)."""
        return bool(self.rule) and not self.in_the_way


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource as the catalog has it; `key_standard` is that of its key item."""

    name: str
    display_name: str
    active: bool
    key_standard: str
    signed_requests: bool
    #: What the values of its items are, by code.
    shapes: Mapping[str, LicenseField] = field(default_factory=dict, repr=False)


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
    #: What it was given for, as its department asked.
    purpose: str = ""

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
    #: Of the endorsed copy that was made when it was collected, hex.
    copy_sha256: str = ""
    #: Licenses in force that could stand in, where the applicant holds several: they choose.
    choices: tuple[str, ...] = ()
    #: Of `items` those that fill the form, each with the name of the field.
    fills: tuple[tuple[str, str], ...] = ()
    #: What the grant was given for.
    grant_purpose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A filled field: `source` is license, resource, verified or entry."""

    code: str
    display_name: str
    value: str = field(repr=False)
    source: str
    origin: str = ""
    #: Of a license the key of its metadata.
    key: str = ""


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
    """What became of one condition.

    `missing` is why its fact is not known, "" where it is: then it neither holds nor fails.
    """

    field: str
    holds: bool
    reason: str
    reason_zh: str
    missing: str = ""
    missing_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was collected."""

    form: tuple[Filled, ...] = field(default=(), repr=False)
    copies: tuple[Copy, ...] = ()
    asked: tuple[str, ...] = ()
    decision: Decision = Decision.NONE
    outcomes: tuple[RuleOutcome, ...] = ()
    log_indices: tuple[int, ...] = ()
    #: Of the handling that it was filled and decided by.
    handling_version: int = 0
    handling_sha256: str = ""
    #: Opens the commitments of the record of collecting, hex.
    salt: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look at a collection: what a system did, and what for."""

    time: datetime
    system: str
    kind: str
    purpose: str


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
    #: In which words the applicant agreed, and what opens the commitments of that record, hex;
    #: of collections from before these were kept there are none.
    consent: str = field(default="", repr=False)
    consent_salt: str = field(default="", repr=False)
    #: What the applicant entered for the form, by field, until it is collected.
    entered: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """collections/{collection}: the trail's id, and the case number of its questions."""
        return f"collections/{self.id}"

    def is_open(self, now: datetime) -> bool:
        """Whether it may still be collected, and be entered to."""
        return self.state is CollectionState.CONSENTED and now < self.expire_time
