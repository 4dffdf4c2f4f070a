"""What a source is asked, what it may answer, and how its failures are told.

1. A source's answer is taken for what it is: bytes from outside. Each key that was asked is
   answered once, and no other. Items that were not asked are dropped before anything else looks at
   them.
2. A record that does not fit its resource's catalog entry is refused as a whole.
3. Consumers hear that a source failed and when to try again. Nothing a source says in words, no
   status of its own and no value passes on: neither to the consumer, nor into a log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from exchange.catalog.schema import ResourceSchema
from runtime.errors import DataLoss, DomainError, Unavailable
from runtime.records import canonical

GREATEST_ANSWER = 1024 * 1024  # bytes
GREATEST_KEYS = 100
GREATEST_VALUE = 100_000  # characters


class Outcome(StrEnum):
    """How asking a source went."""

    ANSWERED = "answered"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    REFUSED = "refused"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    INVALID_RECORD = "invalid_record"
    NOT_APPROVED = "not_approved"
    NOT_CALLED = "not_called"


class SourceFailed(Exception):
    """A source did not answer as it must. Holds no text: `status` is a number of its protocol.

    `down` is whether it says something about the source, and not only about this question: who asks
    for what makes a source refuse must not close it to the others.
    """

    def __init__(
        self, outcome: Outcome, *, status: int = 0, down: bool = True, retry_after: float = 5.0
    ) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome
        self.status = status
        self.down = down
        self.retry_after = retry_after
        self.invalid_items: tuple[str, ...] = ()
        #: Of a record that does not fit, what was not sent at all.
        self.missing_items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a source is asked."""

    resource: str
    keys: tuple[str, ...]
    items: tuple[str, ...]
    purpose: str
    case_number: str
    consumer: str
    grant: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One record as a source sent it."""

    key: str
    found: bool
    items: Mapping[str, object]


#: Whether a record is hidden from who asks; told what of it fits, as canonical JSON.
Hides = Callable[[str], bool]


class Connector(Protocol):
    """Speaks to one endpoint; usable by many questions at one time."""

    async def fetch(self, asked: Asked, *, timeout: float) -> Sequence[Fetched]:  # noqa: ASYNC109
        """The records. Raises SourceFailed, within `timeout` seconds."""
        ...

    async def close(self) -> None:
        """Close what is pooled."""
        ...


def nothing(_text: str) -> bool:
    """Hides no record."""
    return False


def records_of(
    fetched: Sequence[Fetched], asked: Asked, schema: ResourceSchema, hides: Hides = nothing
) -> dict[str, str | None]:
    """The records by key as canonical JSON texts, as held ones are read; None for an absent one.

    A record that does not fit is as absent where `hides` says so of what fits of it: that there is
    one must not be told by its faults. Raises SourceFailed: MALFORMED where the keys are not those
    asked, INVALID_RECORD where a record does not fit.
    """
    by_key = {one.key: one for one in fetched}
    if len(by_key) != len(fetched) or by_key.keys() != set(asked.keys):
        raise SourceFailed(Outcome.MALFORMED)
    return {
        key: _text(key, by_key[key].items, asked.items, schema, hides)
        if by_key[key].found
        else None
        for key in asked.keys
    }


def _text(
    key: str,
    sent: Mapping[str, object],
    wanted: Sequence[str],
    schema: ResourceSchema,
    hides: Hides,
) -> str | None:
    values: dict[str, str] = {}
    wrong: set[str] = set()
    # The key item is checked where it is sent, wanted or not: a source must not mix people up.
    if sent.get(schema.key_item, key) != key:
        wrong.add(schema.key_item)
    for code in wanted:
        value = key if code == schema.key_item else sent.get(code, "")
        if not _is_text(value):
            wrong.add(code)
        elif value:
            values[code] = str(value)
    row = [values.get(item.code, "") for item in schema.items]
    wrong.update(code for code, _ in schema.violations(row) if code in wanted)
    if not wrong:
        return canonical(values).decode()
    fitting = {code: value for code, value in values.items() if code not in wrong}
    if hides(canonical(fitting).decode()):
        return None
    failed = SourceFailed(Outcome.INVALID_RECORD, down=False)
    failed.invalid_items = tuple(sorted(wrong))
    absent = (code for code in wanted if code != schema.key_item and not sent.get(code, ""))
    failed.missing_items = tuple(absent)
    raise failed


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or len(value) > GREATEST_VALUE or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def told(failed: SourceFailed) -> DomainError:
    """What a consumer is told of a failure."""
    if failed.outcome is Outcome.INVALID_RECORD:
        return DataLoss(
            "the source's record is not what its catalog entry says: tell its department",
            reason="SOURCE_DATA_INVALID",
            message_zh="数源部门返回的记录与其目录不符：请告知该部门",
        )
    return Unavailable(
        "the source department's own system does not answer: try again",
        reason="SOURCE_UNAVAILABLE",
        message_zh="数源部门的接口未能应答：请稍后再试",
        retry_after=failed.retry_after,
    )
