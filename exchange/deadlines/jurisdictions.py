"""Jurisdictions: whose table of periods holds in a region.

1. A jurisdiction has a prefix of region codes; of those that fit, the longest wins. The one without
   a prefix, which comes with the package, fits every region.
2. A table may leave out what is as above it: a period, the authority and the rule of review come
   from the longest prefix that names them.
3. Periods are working days; each has its source, and says whether we are sure of it.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from runtime import names
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument
from runtime.records import canonical

SHIPPED = Path(__file__).with_name("jurisdictions.toml")
DEFAULT = "jurisdictions/default"
GREATEST_DAYS = 250
GREATEST_PERIODS = 50
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PREFIX = re.compile(r"[0-9]{0,6}")


class Kind:
    """The kinds of deadline that features of the exchange start; a table may have more."""

    REPLY_UNCONDITIONAL = "reply_unconditional"
    REPLY_CONDITIONAL = "reply_conditional"
    AUTHORITY_REVIEW = "authority_review"
    SUPPLY_AFTER_CONSENT = "supply_after_consent"
    CATALOG_CHANGE = "catalog_change"
    CORRECTION = "correction"
    INQUIRY = "inquiry"


class ReviewWhen(StrEnum):
    """When an authority reviews a request before its source's consent counts."""

    CROSS_REGION = "cross_region"
    CROSS_LEVEL = "cross_level"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """How many working days an act may take, and how many an extension may add."""

    days: int
    extension: int = 0
    source: str = ""
    sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Jurisdiction:
    """A region's table; what is empty (`review_when`: None) comes from a shorter prefix."""

    name: str
    region_prefix: str
    display_name: str
    authority: str = ""
    review_when: tuple[ReviewWhen, ...] | None = None
    periods: Mapping[str, Period] = field(default_factory=lambda: MappingProxyType({}))
    etag: str = ""
    update_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What holds in a region: the periods of all tables that fit, the nearest first."""

    fitting: Sequence[Jurisdiction]

    @property
    def jurisdiction(self) -> Jurisdiction:
        """The nearest."""
        return self.fitting[0]

    @property
    def authority(self) -> str:
        """The department that reviews; empty where the node's administrators do."""
        return next((held.authority for held in self.fitting if held.authority), "")

    @property
    def review_when(self) -> frozenset[ReviewWhen]:
        """When the authority reviews."""
        told = (held.review_when for held in self.fitting if held.review_when is not None)
        return frozenset(next(told, ()))

    def period(self, kind: str) -> tuple[Jurisdiction, Period]:
        """The period of a kind, and the table that has it.

        Raises FailedPrecondition (DEADLINE_KIND_UNKNOWN) where no table that fits has the kind.
        """
        for held in self.fitting:
            if kind in held.periods:
                return held, held.periods[kind]
        raise FailedPrecondition(
            "no table of deadlines that fits this region has this kind: add it to a jurisdiction",
            reason="DEADLINE_KIND_UNKNOWN",
            message_zh="适用于该地区的期限表中没有这一类期限：请在管辖区表中补充",
        )


def content_of(jurisdiction: Jurisdiction) -> bytes:
    """Canonical JSON of what a table says."""
    told = jurisdiction.review_when
    return canonical(
        {
            "region_prefix": jurisdiction.region_prefix,
            "display_name": jurisdiction.display_name,
            "authority": jurisdiction.authority,
            "review_when": None if told is None else [word.value for word in told],
            "periods": {kind: asdict(period) for kind, period in jurisdiction.periods.items()},
        }
    )


def etag_of(jurisdiction: Jurisdiction) -> str:
    """The etag of what a table says."""
    return hashlib.sha256(content_of(jurisdiction)).hexdigest()[:32]


def ruling(held: Iterable[Jurisdiction], region_code: str) -> Ruling:
    """What holds in a region, with the shipped table below all that are held."""
    fitting = [one for one in held if region_code.startswith(one.region_prefix)]
    fitting.sort(key=lambda one: len(one.region_prefix), reverse=True)
    return Ruling((*fitting, shipped()))


@lru_cache(maxsize=1)
def shipped() -> Jurisdiction:
    """The table that comes with the package."""
    table = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))["default"]
    found = Jurisdiction(
        name=DEFAULT,
        region_prefix=table["region_prefix"],
        display_name=table["display_name"],
        review_when=tuple(ReviewWhen(word) for word in table["review_when"]),
        periods=MappingProxyType(
            {kind: Period(**period) for kind, period in table["periods"].items()}
        ),
    )
    return replace(found, etag=etag_of(found))


def check(jurisdiction: Jurisdiction) -> None:
    """Raises InvalidArgument (JURISDICTION_INVALID) with every field that is wrong."""
    wrong = list(_wrong(jurisdiction))
    if wrong:
        raise InvalidArgument(
            "this jurisdiction cannot be held: correct the fields named and repeat",
            reason="JURISDICTION_INVALID",
            message_zh="该管辖区的内容有误：请按所列字段更正后重试",
            violations=wrong,
        )


def _wrong(held: Jurisdiction) -> Iterable[FieldViolation]:
    names.parse("jurisdictions/{jurisdiction}", held.name, field="jurisdiction.name")
    if not _PREFIX.fullmatch(held.region_prefix):
        yield FieldViolation("region_prefix", "must be 0 to 6 digits")
    if (held.name == DEFAULT) != (held.region_prefix == ""):
        yield FieldViolation("region_prefix", f"is empty for {DEFAULT}, and for it only")
    if not 0 < len(held.display_name.strip()) <= 200:
        yield FieldViolation("display_name", "must have 1 to 200 characters")
    if held.authority and not names.is_name(names.DEPARTMENT, held.authority):
        yield FieldViolation("authority", f"must look like {names.DEPARTMENT}")
    if len(held.periods) > GREATEST_PERIODS:
        yield FieldViolation("periods", f"at most {GREATEST_PERIODS}")
    for kind, period in list(held.periods.items())[:GREATEST_PERIODS]:
        where = f"periods[{kind}]" if _KIND.fullmatch(kind) else "periods"
        if where == "periods":
            yield FieldViolation(where, "a kind is 1 to 40 of a-z, 0-9 and _, a letter first")
        if not 1 <= period.days <= GREATEST_DAYS:
            yield FieldViolation(f"{where}.days", f"must be 1 to {GREATEST_DAYS}")
        if not 0 <= period.extension <= GREATEST_DAYS:
            yield FieldViolation(f"{where}.extension", f"must be 0 to {GREATEST_DAYS}")
        if len(period.source) > 500:
            yield FieldViolation(f"{where}.source", "at most 500 characters")
