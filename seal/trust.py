"""Trust: anchors, and whether a certificate led to one at a given instant.

Invariants:

1. `assess_chain` asks about one instant `at` (when a seal was made or a document signed): dates and
   revocation are judged as of then. What happened later is told (`revoked_at`), not punished.
2. Of several paths the best counts: who was recognised anew is recognised.
3. Nothing is trusted that does not lead to an anchor in force at that instant; and a certificate
   that is out of its dates is EXPIRED or NOT_YET_VALID whether or not its issuer is known.
4. Certificates that a document brings along may build a path, never end one.
5. Who may make seals is said by an anchor's list of makers. Whoever is not on it is refused, not
   left open: the authority itself has said who makes them, and its signers are many. Without a
   list, a certificate for signing documents makes none.
6. What is known of revocation is told with the day until which it is known.
7. The number of paths tried is bounded: a crowd of cross-signed certificates costs little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Final, NamedTuple

from runtime.errors import InvalidArgument
from seal.pki.certificate_uses import FOR_DOCUMENTS, is_meant_otherwise, refuse_certificate
from seal.pki.certificates import CertificateInfo, can_judge, is_issued_by, parse_certificate
from seal.pki.chain_result import DETAILS, TELLING, ChainResult, ChainStatus
from seal.pki.crls import CrlInfo, Revocation, parse_crl
from seal.pki.issuing import issue_certificate, issue_crl
from seal.pki.ocsp import parse_ocsp
from seal.pki.revocation import IsSigned, RevocationPolicy, standing_of
from seal.pki.trust_store import (
    EVERY_PURPOSE,
    FOR_TIME,
    Pool,
    Purpose,
    TrustAnchor,
    TrustStore,
    by_name,
    readable,
)

__all__ = [
    "EVERY_PURPOSE",
    "FOR_TIME",
    "CertificateInfo",
    "ChainResult",
    "ChainStatus",
    "CrlInfo",
    "Purpose",
    "Revocation",
    "RevocationPolicy",
    "TrustAnchor",
    "TrustStore",
    "assess_chain",
    "assess_path",
    "is_issued_by",
    "issue_certificate",
    "issue_crl",
    "kept_chains",
    "parse_certificate",
    "parse_crl",
    "parse_ocsp",
]

_MAX_PATH: Final = 8
_MAX_TRIES: Final = 64
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_FOREVER: Final = datetime.max.replace(tzinfo=UTC)

# --- the chain -------------------------------------------------------------------------------


def assess_chain(
    leaf_der: bytes,
    *,
    at: datetime,
    store: TrustStore,
    purpose: Purpose,
    extra: Sequence[bytes] = (),
    now: datetime | None = None,
) -> ChainResult:
    """Judge a leaf certificate for a purpose as of `at` (aware). Never raises on what it holds.

    Steps, and the attack each stops: (1) the leaf reads, its key is of a known suite, it has no
    critical extension we ignore; (2) its dates (an old certificate used again); (3) a path to an
    anchor in force, for this purpose and these keys (anybody's own root); each link is signed by
    a CA with the right to (a leaf playing CA), within its dates and path length; (4) revocation
    at `at`.
    `extra` holds certificates the document brought along: they may build a path, not end one. With
    `now`, revocation data that says it is from after that covers nothing.
    """
    result = _assess(leaf_der, at, store, purpose, extra, now)
    kept = _KEPT.get()
    if kept is not None:
        kept.append(result)
    return result


_KEPT: ContextVar[list[ChainResult] | None] = ContextVar("kept_chains", default=None)


@contextmanager
def kept_chains() -> Iterator[list[ChainResult]]:
    """Every answer of `assess_chain` meanwhile: the paths that a bundle of evidence holds."""
    kept: list[ChainResult] = []
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)


def _assess(
    leaf_der: bytes,
    at: datetime,
    store: TrustStore,
    purpose: Purpose,
    extra: Sequence[bytes],
    now: datetime | None,
) -> ChainResult:
    try:
        leaf = parse_certificate(leaf_der)
    except InvalidArgument as error:
        return ChainResult(
            status="MALFORMED", path=(), detail=error.message, detail_zh=error.message_zh
        )
    refused = refuse_certificate(leaf, at, purpose)
    if refused:
        return _result(_Try(refused, (leaf,)))
    # Of most stores the answer is the same whenever it is asked for.
    when = now if now is not None and store.revocation_data.is_ahead_of(now) else None
    if not extra:  # of a seal's maker the same is asked with every document
        alone = _Question(at, store, purpose, {}, when)
        return store.answered((leaf.fingerprint, at, purpose, when), lambda: _search(leaf, alone))
    brought = by_name(map(parse_certificate, readable(extra, parse_certificate)))
    return _search(leaf, _Question(at, store, purpose, brought, when))


class _Try(NamedTuple):
    """One path as far as it went, the anchor at its end and what is known of revocation."""

    status: ChainStatus
    path: tuple[CertificateInfo, ...]
    anchor: TrustAnchor | None = None
    revoked: Revocation | None = None
    revocation_known: bool = False
    is_meant_otherwise: bool = False
    known_until: datetime | None = None
    is_required: bool = False
    is_data_ahead: bool = False


def _result(tried: _Try) -> ChainResult:
    status, path, anchor, revoked, known, otherwise, until, required, ahead = tried
    detail, detail_zh = DETAILS[status]
    return ChainResult(
        status=status,
        path=path,
        detail=detail,
        detail_zh=detail_zh,
        revoked_at=revoked.since if revoked else None,
        revoked_why=revoked.reason if revoked else "",
        withdrawn_at=_withdrawn(anchor),
        revocation_known=known,
        is_meant_otherwise=otherwise,
        anchor=anchor.name if anchor else "",
        source=anchor.source if anchor else "",
        known_until=until,
        is_required=required,
        is_listed_maker=_is_listed(tried),
        is_data_ahead=ahead,
    )


def _is_listed(tried: _Try) -> bool:
    return tried.anchor is not None and tried.path[0].fingerprint in tried.anchor.makers


def _withdrawn(anchor: TrustAnchor | None) -> datetime | None:
    """When trust ends before the certificate does."""
    if anchor is None or anchor.valid_to is None:
        return None
    own_end = parse_certificate(anchor.certificate).not_after
    return anchor.valid_to if anchor.valid_to < own_end else None


def _refuse_issuer(
    issuer: CertificateInfo, path: tuple[CertificateInfo, ...], asked: _Question
) -> ChainStatus | None:
    """What speaks against a certificate as the issuer of the path beneath it."""
    # A key's own new certificate costs no step of the length (RFC 5280 §6.1.4 (l)).
    below = sum(one.subject_key != one.issuer_key for one in path[1:])
    if not issuer.is_ca or (issuer.path_length is not None and below > issuer.path_length):
        return "NOT_CA"
    if issuer.key_usage is not None and "key_cert_sign" not in issuer.key_usage:
        return "KEY_USAGE"
    return refuse_certificate(issuer, asked.at, asked.purpose)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of a leaf, and out of what it is answered; `brought` came with a document.

    `now` is there where some revocation data is from after it.
    """

    at: datetime
    store: TrustStore
    purpose: Purpose
    brought: Pool
    now: datetime | None = None

    def issuers(self, key: bytes) -> tuple[CertificateInfo, ...]:
        """Candidates whose subject has that key, ours first."""
        return (*self.store.issuers(key), *self.brought.get(key, ()))


def assess_path(
    path: tuple[CertificateInfo, ...],
    *,
    at: datetime,
    store: TrustStore,
    purpose: Purpose,
    anchor: TrustAnchor,
    now: datetime | None,
    is_signed: IsSigned,
) -> ChainResult:
    """Judge the revocation of a path, from leaf to anchor, that somebody else found good."""
    asked = _Question(at, store, purpose, {}, now)
    return _result(_with_revocation(path, asked, anchor, is_signed))


def _search(leaf: CertificateInfo, asked: _Question) -> ChainResult:
    """The trusted path that lasts the longest, else the most telling failure among those tried."""
    best = _Try("NO_ANCHOR", (leaf,))
    for tried in islice(_paths((leaf,), asked), _MAX_TRIES):
        if TELLING[tried.status] > TELLING[best.status] or (
            tried.status == best.status == "TRUSTED" and _merit(tried) > _merit(best)
        ):
            best = tried
        if best.status == "TRUSTED" and best.revocation_known and _ends(best) >= leaf.not_after:
            break  # no path outlasts its leaf
    return _result(best)


def _merit(tried: _Try) -> tuple[datetime, bool, bool, datetime]:
    """Of two trusted paths the one counts that ends later, and of which more is known."""
    listed, until = _is_listed(tried), tried.known_until or _LONG_AGO
    return _ends(tried), listed, tried.revocation_known, until


def _ends(tried: _Try) -> datetime:
    """When the first of all that a path rests on ends."""
    revoked = [tried.revoked.since] if tried.revoked else []
    withdrawn = _withdrawn(tried.anchor)
    dates = [one.not_after for one in tried.path]
    return min([*dates, *revoked, *([withdrawn] if withdrawn else [])])


def _paths(path: tuple[CertificateInfo, ...], asked: _Question) -> Iterator[_Try]:
    """All paths that go on from `path`, depth first, anchors first."""
    tip = path[-1]
    for anchor in asked.store.anchors:
        if anchor.certificate == tip.raw:
            refused = _refuse_anchor(anchor, path, asked)
            if refused:
                yield _Try(refused, path, anchor)
            else:
                yield _with_revocation(path, asked, anchor)
    # Every step counts as a try: certificates of one key all sign each other, and their paths
    # would otherwise multiply without one ever being told of.
    yield _Try("NO_ANCHOR", path)
    if len(path) >= _MAX_PATH:
        return
    for issuer in asked.issuers(tip.issuer_key):
        if any(issuer.fingerprint == one.fingerprint for one in path):
            continue
        if tip.aki and issuer.ski and tip.aki != issuer.ski:
            if issuer in asked.store.issuers(tip.issuer_key):
                yield _Try("OTHER_KEY", path)
            continue
        longer = (*path, issuer)
        if not is_issued_by(tip, issuer):
            yield _Try("BAD_SIGNATURE" if can_judge(tip, issuer) else "UNSUPPORTED_KEY", longer)
            continue
        refused = _refuse_issuer(issuer, path, asked)
        if refused:
            yield _Try(refused, longer)
            continue
        yield from _paths(longer, asked)


def _refuse_anchor(
    anchor: TrustAnchor, path: tuple[CertificateInfo, ...], asked: _Question
) -> ChainStatus | None:
    """What our own list says against resting this path on an anchor."""
    if asked.purpose not in anchor.purposes:
        return "PURPOSE_NOT_TRUSTED"
    if anchor.suites and any(one.suite not in anchor.suites for one in path):
        return "SUITE_NOT_TRUSTED"
    if asked.purpose is Purpose.SEAL_MAKER and (refused := _refuse_maker(anchor, path[0])):
        return refused
    if asked.at < anchor.valid_from:
        return "ANCHOR_NOT_YET_TRUSTED"
    return None if anchor.is_in_force(asked.at) else "ANCHOR_WITHDRAWN"


def _refuse_maker(anchor: TrustAnchor, leaf: CertificateInfo) -> ChainStatus | None:
    """Rule 5: who has a right to sign documents has none to say whose seal it is."""
    if anchor.makers:
        return None if leaf.fingerprint in anchor.makers else "MAKER_NOT_LISTED"
    listed = leaf.extended_key_usage or ()
    if FOR_DOCUMENTS in listed and "any_extended_key_usage" not in listed:
        return "SIGNER_AS_MAKER"
    return None


def _with_revocation(
    path: tuple[CertificateInfo, ...],
    asked: _Question,
    anchor: TrustAnchor,
    is_signed: IsSigned = is_issued_by,
) -> _Try:
    """A complete path, judged by the revocation data of its issuers as of the instant asked."""
    policy = anchor.policy or asked.store.policy
    data = asked.store.revocation_data
    found = [
        standing_of(
            child,
            issuer,
            at=asked.at,
            data=data,
            policy=policy,
            now=asked.now,
            is_signed=is_signed,
        )
        for child, issuer in pairwise(path)
    ]
    revoked = [one.revoked for one in found if one.revoked]
    first = min(revoked, key=lambda one: one.since, default=None)
    known = all(one.is_known for one in found)
    status: ChainStatus = "TRUSTED"
    if first and first.since <= asked.at:
        status = "REVOKED"
    elif not known and policy.required:
        status = "REVOCATION_UNKNOWN"
    otherwise = any(is_meant_otherwise(one, asked.purpose) for one in path)
    until = [one.known_until for one in found]
    least = None if None in until else min((one for one in until if one), default=_FOREVER)
    ahead = any(one.is_ahead for one in found)
    return _Try(status, path, anchor, first, known, otherwise, least, policy.required, ahead)
