"""What a verifier trusts: anchors for purposes and times, and what helps to judge beneath them.

1. An anchor is trusted for its purposes, for its kinds of keys and within its window, and no more.
2. What a document brings along joins a store as evidence (`with_evidence`), never as an anchor.
3. Everything is public, and read once: a store is shared by threads and never changes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Any, Final, TypeVar

from runtime.errors import InvalidArgument
from seal.pki.certificates import CertificateInfo, parse_certificate
from seal.pki.crls import parse_crl
from seal.pki.ocsp import parse_ocsp
from seal.pki.revocation import TOLD_ONLY, RevocationData, RevocationPolicy, gather

MAX_BROUGHT: Final = 64
"""How many certificates, lists or responses of a document are looked at."""

_MOST_ANSWERS: Final = 256  # of up to 8 certificates of 32 KiB each, most of them shared
_PARTS: Final = "the parts, pickled"
_T = TypeVar("_T")

Pool = Mapping[bytes, tuple[CertificateInfo, ...]]
"""Certificates by what their subject's name is compared by."""


class Purpose(StrEnum):
    """What an anchor is trusted for."""

    SEAL_MAKER = "SEAL_MAKER"
    SIGNER = "SIGNER"
    TIMESTAMP = "TIMESTAMP"


EVERY_PURPOSE: Final = frozenset(Purpose)
FOR_TIME: Final = frozenset({Purpose.TIMESTAMP})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchor:
    """A root we trust, for some purposes, for what was made within [valid_from, valid_to].

    `suites` names the kinds of key that may stand beneath it (and its own); empty allows any.
    `source` is the trust list it stands on, for people: "this node", "recognised: 示范市".
    `makers` are the SHA-256 (hexadecimal) of the only certificates that make seals under it; empty
    says nothing of that. `policy` is for the chains that end at it; None is the store's.
    """

    name: str
    certificate: bytes
    valid_from: datetime
    valid_to: datetime | None = None
    purposes: frozenset[Purpose] = EVERY_PURPOSE
    suites: frozenset[str] = frozenset()
    source: str = ""
    policy: RevocationPolicy | None = None
    makers: tuple[str, ...] = ()

    def is_in_force(self, at: datetime) -> bool:
        """Whether we trusted it at that instant."""
        return self.valid_from <= at and (self.valid_to is None or at <= self.valid_to)

    @property
    def is_ever_in_force(self) -> bool:
        """Whether we ever trusted it: one withdrawn as of before its beginning we never did."""
        return self.valid_to is None or self.valid_from <= self.valid_to

    @property
    def is_for_time_alone(self) -> bool:
        """Whether it is a time-stamp authority's root and nothing else."""
        return self.purposes == FOR_TIME


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Public trust material, DER: anchors, intermediate certificates and revocation data.

    `crls` are revocation lists, `ocsp` OCSP responses (RFC 6960), from wherever: each is verified
    before it counts. `policy` is that of the anchors which have none of their own. Raises
    `InvalidArgument` when a piece of it is unreadable: it is configuration, not input.
    """

    anchors: tuple[TrustAnchor, ...] = ()
    intermediates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsp: tuple[bytes, ...] = ()
    policy: RevocationPolicy = TOLD_ONLY
    _data: RevocationData = field(
        init=False, repr=False, compare=False, default_factory=RevocationData
    )
    _known: Pool = field(init=False, repr=False, compare=False, default_factory=dict)
    _answers: dict[Hashable, Any] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        known = [*(one.certificate for one in self.anchors), *self.intermediates]
        object.__setattr__(self, "_known", by_name(map(parse_certificate, known)))
        object.__setattr__(self, "_data", gather(self.crls, self.ocsp))

    def __reduce__(self) -> tuple[Callable[[bytes], TrustStore], tuple[bytes]]:
        """What another process makes the same store of: once, however often it is sent."""
        parts = (self.anchors, self.intermediates, self.crls, self.ocsp, self.policy)
        return _again, (self.answered(_PARTS, lambda: pickle.dumps(parts)),)

    @property
    def revocation_data(self) -> RevocationData:
        """Its lists and responses as read, none of them judged yet."""
        return self._data

    def answered(self, question: Hashable, find: Callable[[], _T]) -> _T:
        """What `find` says, kept for the same question: a store and what it holds never change.

        A question holds all that the answer depends on beside the store. 256 are kept.
        """
        known: _T | None = self._answers.get(question)
        if known is None:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            known = self._answers[question] = find()
        return known

    def roots(self, purpose: Purpose, at: datetime) -> list[bytes]:
        """The certificates (DER) that are trusted for that purpose at that instant."""
        return [
            one.certificate
            for one in self.anchors
            if purpose in one.purposes and one.is_in_force(at)
        ]

    def issuers(self, key: bytes) -> tuple[CertificateInfo, ...]:
        """Its certificates of that subject (`CertificateInfo.subject_key`)."""
        return self._known.get(key, ())

    def with_evidence(
        self,
        *,
        certificates: Iterable[bytes] = (),
        crls: Iterable[bytes] = (),
        ocsp: Iterable[bytes] = (),
    ) -> TrustStore:
        """This store and what a document brought along; what cannot be read is passed over.

        A certificate from there may build a path and never end one; lists and responses are judged
        like the store's own, after those. Some of each are taken (64), the rest is passed over.
        """
        more = (
            tuple(readable(certificates, parse_certificate)),
            tuple(readable(crls, parse_crl)),
            tuple(readable(ocsp, parse_ocsp)),
        )
        if not any(more):
            return self
        return replace(
            self,
            intermediates=(*self.intermediates, *more[0]),
            crls=(*self.crls, *more[1]),
            ocsp=(*self.ocsp, *more[2]),
        )


@lru_cache(maxsize=4)
def _again(parts: bytes) -> TrustStore:
    return TrustStore(*pickle.loads(parts))  # noqa: S301  # of a process of ours


def readable(encoded: Iterable[bytes], parse: Callable[[bytes], object]) -> Iterator[bytes]:
    """The first of those that can be read."""
    for one in islice(encoded, MAX_BROUGHT):
        try:
            parse(one)
        except InvalidArgument:
            continue
        yield one


def by_name(certificates: Iterable[CertificateInfo]) -> Pool:
    """Certificates by their subject's key, each once."""
    found: dict[bytes, dict[str, CertificateInfo]] = {}
    for one in certificates:
        found.setdefault(one.subject_key, {})[one.fingerprint] = one
    return {name: tuple(each.values()) for name, each in found.items()}
