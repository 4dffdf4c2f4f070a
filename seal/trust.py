"""Trust: anchors, and whether a certificate led to one at a given instant.

Invariants:

1. `assess_chain` asks about one instant `at` (when a seal was made or a document signed): dates and
   revocation are judged as of then. What happened later is told (`revoked_at`), not punished.
2. Nothing is trusted that does not lead to an anchor in force at that instant; and a certificate
   that is out of its dates is EXPIRED or NOT_YET_VALID whether or not its issuer is known.
3. Certificates that a document brings along may build a path, never end one.
4. The number of paths tried is bounded: a crowd of cross-signed certificates costs little.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, pairwise
from typing import Final, Literal

from runtime.errors import InvalidArgument
from seal.certificates import (
    CertificateInfo,
    CrlInfo,
    Revocation,
    is_issued_by,
    issue_certificate,
    issue_crl,
    parse_certificate,
    parse_crl,
)

__all__ = [
    "CertificateInfo",
    "ChainResult",
    "ChainStatus",
    "CrlInfo",
    "Revocation",
    "TrustAnchor",
    "TrustStore",
    "assess_chain",
    "is_issued_by",
    "issue_certificate",
    "issue_crl",
    "parse_certificate",
    "parse_crl",
]

_MAX_PATH: Final = 8
_MAX_TRIES: Final = 64

ChainStatus = Literal[
    "TRUSTED",
    "NO_ANCHOR",
    "EXPIRED",
    "NOT_YET_VALID",
    "REVOKED",
    "BAD_SIGNATURE",
    "NOT_CA",
    "KEY_USAGE",
    "CRITICAL_EXTENSION",
    "UNSUPPORTED_KEY",
    "MALFORMED",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchor:
    """A root we trust for documents signed within [valid_from, valid_to]."""

    name: str
    certificate: bytes
    valid_from: datetime
    valid_to: datetime | None = None

    def is_in_force(self, at: datetime) -> bool:
        """Whether we trusted it at that instant."""
        return self.valid_from <= at and (self.valid_to is None or at <= self.valid_to)


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Public trust material: anchors, intermediate certificates (DER) and revocation lists (DER).

    `timestamp_anchors` are the roots of time-stamp authorities, trusted for the time
    alone; who is trusted for signatures is trusted for the time too.
    Raises `InvalidArgument` when a piece of it is unreadable: it is configuration, not input.
    """

    anchors: tuple[TrustAnchor, ...] = ()
    intermediates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    timestamp_anchors: tuple[TrustAnchor, ...] = ()
    _lists: Mapping[bytes, tuple[CrlInfo, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        anchors = (*self.anchors, *self.timestamp_anchors)
        for certificate in (*(one.certificate for one in anchors), *self.intermediates):
            parse_certificate(certificate)
        lists: dict[bytes, tuple[CrlInfo, ...]] = {}
        for encoded in self.crls:
            found = parse_crl(encoded)
            lists[found.issuer_name] = (*lists.get(found.issuer_name, ()), found)
        object.__setattr__(self, "_lists", lists)

    def time_roots(self, at: datetime) -> list[bytes]:
        """The certificates (DER) that a time-stamp of that instant may lead to."""
        anchors = (*self.timestamp_anchors, *self.anchors)
        return [one.certificate for one in anchors if one.is_in_force(at)]

    def lists_of(self, issuer_name: bytes) -> tuple[CrlInfo, ...]:
        """The revocation lists that this issuer signed (or someone claims it did)."""
        return self._lists.get(issuer_name, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainResult:
    """`path` runs from the leaf to the anchor, as far as it went.

    `revoked_at` is set for REVOKED, and for TRUSTED when the leaf or an issuer was revoked after
    the instant asked about. `revocation_known` says that every certificate below the anchor had a
    good revocation list made at or after that instant, or one still current then.
    """

    status: ChainStatus
    path: tuple[CertificateInfo, ...]
    detail: str
    detail_zh: str
    revoked_at: datetime | None = None
    revocation_known: bool = False
    anchor: str = ""

    @property
    def is_trusted(self) -> bool:
        """Whether the leaf led to an anchor in force."""
        return self.status == "TRUSTED"


# --- the chain -------------------------------------------------------------------------------


def assess_chain(
    leaf_der: bytes, *, at: datetime, store: TrustStore, extra: Sequence[bytes] = ()
) -> ChainResult:
    """Judge a leaf certificate as of `at` (aware). Never raises on what a certificate holds.

    Steps, and the attack each stops: (1) the leaf reads, its key is of a known suite, it has no
    critical extension we ignore; (2) its dates (an old certificate used again); (3) a path to an
    anchor in force (anybody's own root); each link is signed by a CA with the right to
    (a leaf playing CA), within its dates and path length; (4) revocation at `at`.
    `extra` holds certificates the document brought along: they may build a path, not end one.
    """
    try:
        leaf = parse_certificate(leaf_der)
    except InvalidArgument as error:
        return ChainResult(
            status="MALFORMED", path=(), detail=error.message, detail_zh=error.message_zh
        )
    refused = _refuse_certificate(leaf, at)
    if refused:
        return _result(refused, (leaf,))
    return _search(leaf, at, store, _pool(store, extra))


# From the least to the most telling: of several failed paths, the most telling one is reported.
_TELLING: Final[tuple[ChainStatus, ...]] = (
    "NO_ANCHOR",
    "BAD_SIGNATURE",
    "UNSUPPORTED_KEY",
    "CRITICAL_EXTENSION",
    "KEY_USAGE",
    "NOT_CA",
    "NOT_YET_VALID",
    "EXPIRED",
    "REVOKED",
    "TRUSTED",
)

_DETAILS: Final[dict[str, tuple[str, str]]] = {
    "TRUSTED": ("the chain leads to a trust anchor", "证书链可追溯到受信任的根证书"),
    "NO_ANCHOR": ("no trust anchor is known for the chain", "证书链没有对应的受信任根证书"),
    "EXPIRED": ("a certificate had ended at that time", "证书在该时刻已过有效期"),
    "NOT_YET_VALID": ("a certificate had not begun at that time", "证书在该时刻尚未生效"),
    "REVOKED": ("a certificate was revoked at that time", "证书在该时刻已被吊销"),
    "BAD_SIGNATURE": ("a certificate's signature is not its issuer's", "证书签名与颁发者不符"),
    "NOT_CA": ("an issuer is not a certificate authority", "颁发者不是 CA 证书"),
    "KEY_USAGE": ("a key was used for what its certificate forbids", "密钥用途不符"),
    "CRITICAL_EXTENSION": ("a critical extension is not understood", "存在无法识别的关键扩展"),
    "UNSUPPORTED_KEY": ("a key is of an unsupported kind", "不支持的密钥类型"),
}


def _result(
    status: ChainStatus,
    path: tuple[CertificateInfo, ...],
    *,
    revoked_at: datetime | None = None,
    revocation_known: bool = False,
    anchor: str = "",
) -> ChainResult:
    detail, detail_zh = _DETAILS[status]
    return ChainResult(
        status=status,
        path=path,
        detail=detail,
        detail_zh=detail_zh,
        revoked_at=revoked_at,
        revocation_known=revocation_known,
        anchor=anchor,
    )


def _refuse_certificate(one: CertificateInfo, at: datetime) -> ChainStatus | None:
    """What alone speaks against a certificate, leaf or issuer."""
    if not one.suite:
        return "UNSUPPORTED_KEY"
    if one.unknown_critical:
        return "CRITICAL_EXTENSION"
    if at < one.not_before:
        return "NOT_YET_VALID"
    if at > one.not_after:
        return "EXPIRED"
    return None


def _refuse_issuer(issuer: CertificateInfo, below: int, at: datetime) -> ChainStatus | None:
    """What speaks against a certificate as an issuer with `below` CA certificates beneath it."""
    if not issuer.is_ca or (issuer.path_length is not None and below > issuer.path_length):
        return "NOT_CA"
    if issuer.key_usage is not None and "key_cert_sign" not in issuer.key_usage:
        return "KEY_USAGE"
    return _refuse_certificate(issuer, at)


_Pool = Mapping[bytes, tuple[CertificateInfo, ...]]


def _pool(store: TrustStore, extra: Sequence[bytes]) -> _Pool:
    """Candidate issuers by subject name; unreadable extras are passed over."""
    pool: dict[bytes, dict[str, CertificateInfo]] = {}
    trusted = [anchor.certificate for anchor in store.anchors]
    for encoded in (*trusted, *store.intermediates, *extra[:_MAX_TRIES]):
        try:
            found = parse_certificate(encoded)
        except InvalidArgument:
            continue
        pool.setdefault(found.subject_name, {})[found.fingerprint] = found
    return {name: tuple(found.values()) for name, found in pool.items()}


def _search(leaf: CertificateInfo, at: datetime, store: TrustStore, pool: _Pool) -> ChainResult:
    """The first trusted path, else the most telling failure among those tried."""
    best = _result("NO_ANCHOR", (leaf,))
    for result in islice(_paths((leaf,), at, store, pool), _MAX_TRIES):
        if _TELLING.index(result.status) > _TELLING.index(best.status):
            best = result
        if best.status == "TRUSTED":
            break
    return best


def _paths(
    path: tuple[CertificateInfo, ...], at: datetime, store: TrustStore, pool: _Pool
) -> Iterator[ChainResult]:
    """Results of all paths that go on from `path`, depth first, anchors first."""
    tip = path[-1]
    for anchor in store.anchors:
        if anchor.certificate == tip.raw and anchor.is_in_force(at):
            yield _with_revocation(path, at, store, anchor.name)
            return
    # Every step counts as a try: certificates of one key all sign each other, and their paths
    # would otherwise multiply without one ever being told of.
    yield _result("NO_ANCHOR", path)
    if len(path) >= _MAX_PATH:
        return
    for issuer in pool.get(tip.issuer_name, ()):
        if issuer in path or (tip.aki and issuer.ski and tip.aki != issuer.ski):
            continue
        longer = (*path, issuer)
        if not is_issued_by(tip, issuer):
            yield _result("BAD_SIGNATURE", longer)
            continue
        refused = _refuse_issuer(issuer, len(path) - 1, at)
        if refused:
            yield _result(refused, longer)
            continue
        yield from _paths(longer, at, store, pool)


def _with_revocation(
    path: tuple[CertificateInfo, ...], at: datetime, store: TrustStore, anchor: str
) -> ChainResult:
    """A complete path, judged by the revocation lists of its issuers as of `at`."""
    earliest: datetime | None = None
    known = True
    for child, issuer in pairwise(path):
        revoked_at, listed = _revocation(child, issuer, at, store)
        known = known and listed
        if revoked_at and (earliest is None or revoked_at < earliest):
            earliest = revoked_at
    status: ChainStatus = "REVOKED" if earliest and earliest <= at else "TRUSTED"
    return _result(status, path, revoked_at=earliest, revocation_known=known, anchor=anchor)


def _revocation(
    child: CertificateInfo, issuer: CertificateInfo, at: datetime, store: TrustStore
) -> tuple[datetime | None, bool]:
    """(revoked since when, whether a good list covers `at`).

    Every list the issuer signed counts: a later one may have dropped an expired certificate.
    A list with a critical extension we do not process (indirect, partial) proves a revocation, but
    never the absence of one.
    """
    may_sign = issuer.key_usage is None or "crl_sign" in issuer.key_usage
    since: datetime | None = None
    covered = False
    for found in store.lists_of(child.issuer_name) if may_sign else ():
        if not is_issued_by(found, issuer):
            continue
        entry = found.revoked.get(child.serial)
        if entry and (since is None or entry.at < since):
            since = entry.at
        current = found.next_update is None or at <= found.next_update
        if not found.unknown_critical and (found.this_update >= at or current):
            covered = True
    return since, covered
