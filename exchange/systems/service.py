"""Which systems there are, and how long their certificates last.

1. A system is what the authority has given a certificate; the folder of those is the only list.
   That a certificate is revoked is told by the authority's revocation list.
2. A certificate never changes once it is kept, so each file is read once for a running node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from runtime import issued, names, paging
from runtime.clock import Clock
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import revocations
from runtime.issued import Issued

GREATEST_EARLIER = 16
GREATEST_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate of a system, and when it was revoked, if it was."""

    issued: Issued
    revoked: datetime | None = None

    def is_in_force(self, now: datetime) -> bool:
        """Whether it is good at a time."""
        ended = self.revoked is not None and self.revoked <= now
        return not ended and self.issued.begins <= now < self.issued.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system; `certificate` is the one that lasts longest, None where none is in force."""

    name: str
    certificate: Certificate | None
    earlier: tuple[Certificate, ...]

    def ends_within(self, days: int, now: datetime) -> bool:
        """Whether it has no certificate in force, or will have none in so many days."""
        held = self.certificate
        return held is None or held.issued.ends <= now + timedelta(days=days)


class Systems:
    """The use case."""

    def __init__(self, authority: Path, clock: Clock) -> None:
        self._issued = authority / "issued"
        self._list = authority / "crl.pem"
        self._clock = clock
        self._read: dict[str, Issued | None] = {}

    def page(
        self, parent: str, *, ends_within_days: int, page_size: int, page_token: str
    ) -> tuple[list[System], str, datetime]:
        """A page of systems in order of name, the next token, and the time it is told for.

        Raises InvalidArgument.
        """
        names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
        if not 0 <= ends_within_days <= GREATEST_DAYS:
            raise InvalidArgument(
                f"ends_within_days is 0 to {GREATEST_DAYS}",
                message_zh=f"ends_within_days 应为 0 到 {GREATEST_DAYS}",
                violations=[FieldViolation("ends_within_days", "is out of bounds")],
            )
        size, after = paging.page_size(page_size), paging.last_of(page_token)
        now = self._clock.now()
        every = parent == f"departments/{names.ANY}"
        found = [
            one
            for one in grouped(self._certificates(), now)
            if one.name > after
            and (every or names.department_of(one.name) == parent)
            and (not ends_within_days or one.ends_within(ends_within_days, now))
        ]
        page, token = paging.cut(found[: size + 1], size, lambda one: one.name)
        return list(page), token, now

    def authority_ends(self) -> datetime | None:
        """When the authority's own certificate ends, where that is to be told already."""
        held = issued.described(self._list.with_name("ca.pem"))
        due = held is not None and held.ends - self._clock.now() < issued.RENEW_WITHIN
        return held.ends if held is not None and due else None

    def _certificates(self) -> list[Certificate]:
        for path in self._issued.glob("*.pem"):
            if path.name not in self._read:
                self._read[path.name] = issued.described(path)
        if not self._read:
            return []  # the authority is kept on another host
        gone = {serial: at for at, serial in revocations(self._list)}
        return [
            Certificate(issued=one, revoked=gone.get(one.serial))
            for one in self._read.values()
            if one is not None and one.system
        ]


def grouped(certificates: Iterable[Certificate], now: datetime) -> list[System]:
    """The systems that certificates are of, in order of name."""
    of: Mapping[str, list[Certificate]] = defaultdict(list)
    for one in certificates:
        of[one.issued.system].append(one)
    found = []
    for name in sorted(of):
        good = [one for one in of[name] if one.is_in_force(now)]
        held = max(good, key=lambda one: one.issued.ends, default=None)
        rest = sorted(of[name], key=lambda one: one.issued.begins, reverse=True)
        earlier = tuple(one for one in rest if one is not held)[:GREATEST_EARLIER]
        found.append(System(name=name, certificate=held, earlier=earlier))
    return found
