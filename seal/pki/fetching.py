"""Fetching revocation data: for certificates that lead to a trusted anchor, and for no others.

1. The addresses stand in certificates, and whoever makes a certificate chooses them. So those of
   certificates that lead to an anchor are asked, and on public networks only unless allowed.
2. What comes back is verified before it is kept: by whom it is, about what, and until when; never
   is an older list put in the place of a newer one. It is judged again whenever it is used.
3. What is kept is asked for again once its next update is due. Where nothing new comes, the old
   is handed on: whether it still counts is the policy's question (`RevocationPolicy.grace`).
4. Everything is bounded: exchanges, octets and seconds in all. Verifying itself opens no socket.
"""

from __future__ import annotations

import http.client
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, TypeVar

from runtime.clock import SYSTEM, Clock
from runtime.errors import InvalidArgument
from seal.pki.certificates import CertificateInfo, is_issued_by
from seal.pki.crls import MAX_CRL, CrlInfo, parse_crl
from seal.pki.exchanging import ExchangeFailed, Reach, exchange, host_of, web_address
from seal.pki.ocsp import MAX_RESPONSE, OcspSingle, ocsp_request, parse_ocsp, refusal
from seal.pki.revocation import is_authorised
from seal.pki.revocation_cache import RevocationCache
from seal.trust import ChainResult, TrustStore, kept_chains

_SKEW: Final = timedelta(minutes=5)
_STALE: Final = timedelta(days=1)  # an answer without a next update is about now
_LEADS_TO_ANCHOR: Final = frozenset({"TRUSTED", "REVOKED", "REVOCATION_UNKNOWN"})

_Judged = TypeVar("_Judged")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """Bounds of one call, for all its certificates; seconds and octets.

    `hosts` are those that may be asked (`host_of`); None is any.
    """

    reach: Reach = Reach.PUBLIC
    timeout: float = 10.0
    total_timeout: float = 60.0
    largest_list: int = MAX_CRL
    largest_response: int = MAX_RESPONSE
    exchanges: int = 32
    hosts: frozenset[str] | None = None


PUBLIC_ONLY: Final = FetchLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailure:
    """An address that gave nothing of use, and why; `is_silent` where there was no answer."""

    url: str
    why: str
    why_zh: str
    is_silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Verified revocation data, DER, kept and new; `asked` counts the exchanges it took.

    `missing` are the subjects of certificates that say where to ask, in vain.
    """

    crls: tuple[bytes, ...] = ()
    ocsp: tuple[bytes, ...] = ()
    failures: tuple[FetchFailure, ...] = ()
    missing: tuple[str, ...] = ()
    asked: int = 0

    def beside(self, store: TrustStore) -> TrustStore:
        """The store with this data."""
        return store.with_evidence(crls=self.crls, ocsp=self.ocsp)


class Fetcher:
    """Fetches and keeps revocation data. Usable by several threads at once."""

    def __init__(
        self,
        cache: RevocationCache,
        *,
        limits: FetchLimits = FetchLimits(),
        clock: Clock = SYSTEM,
    ) -> None:
        self._cache, self._limits, self._clock = cache, limits, clock

    def judge(
        self, judge: Callable[[TrustStore], _Judged], store: TrustStore
    ) -> tuple[_Judged, Fetched]:
        """What `judge` says by the store and by the data that its chains ask for, and that data."""
        with kept_chains() as chains:
            first = judge(store)
        found = self.fetch(chains, store)
        if not found.crls and not found.ocsp:
            return first, found
        return judge(found.beside(store)), found

    def gather(self, judge: Callable[[], object], store: TrustStore) -> Fetched:
        """The data that the chains ask for which `judge` builds."""
        with kept_chains() as chains:
            judge()
        return self.fetch(chains, store)

    def fetch(self, chains: Iterable[ChainResult], store: TrustStore) -> Fetched:
        """The data about every certificate of the chains that lead to an anchor."""
        return _Run(self._cache, self._limits, self._clock.now(), store).all(chains)


class _Run:
    """One call: what it may still cost, and what it found."""

    def __init__(
        self, cache: RevocationCache, limits: FetchLimits, now: datetime, store: TrustStore
    ) -> None:
        self._cache, self._limits, self._now, self._store = cache, limits, now, store
        self._ends = time.monotonic() + limits.total_timeout
        self._asked = 0
        self._tried: set[str] = set()
        self._crls: dict[bytes, None] = {}
        self._ocsp: dict[bytes, None] = {}
        self._failures: list[FetchFailure] = []

    def all(self, chains: Iterable[ChainResult]) -> Fetched:
        links = {
            (child.fingerprint, issuer.fingerprint): (child, issuer)
            for chain in chains
            if chain.status in _LEADS_TO_ANCHOR
            for child, issuer in pairwise(chain.path)
        }
        missing: list[str] = []
        for child, issuer in links.values():
            # An authority's certificates seldom change: a list says it all, and serves others too.
            sources = [self._response, self._list]
            ordered = reversed(sources) if child.is_ca else sources
            found = any(source(child, issuer) for source in ordered)
            if not found and (child.crl_urls or child.ocsp_urls):
                missing.append(child.subject)
        return Fetched(
            crls=tuple(self._crls),
            ocsp=tuple(self._ocsp),
            failures=tuple(self._failures),
            missing=tuple(missing),
            asked=self._asked,
        )

    # --- lists --------------------------------------------------------------------------------

    def _list(self, child: CertificateInfo, issuer: CertificateInfo) -> bool:
        """Whether a current list about the certificate was found, kept or new."""
        return any(self._list_of(url, child, issuer) for url in child.crl_urls)

    def _list_of(self, url: str, child: CertificateInfo, issuer: CertificateInfo) -> bool:
        key = f"{url}\n{issuer.fingerprint}"
        held = self._held(self._cache.read_list(key), parse_crl)
        if held is not None and not is_issued_by(held, issuer):
            held = None
        if held is not None:
            self._crls[held.raw] = None
            if held.next_update is None or self._now <= held.next_update:
                return held.scope.covers(child)
        body = self._ask(url, key, largest=self._limits.largest_list)
        if body is None:
            return False
        found, why = self._good_list(body, issuer, held)
        if found is None:
            self._failed(url, *why)
            return False
        self._cache.write_list(key, found.raw)
        self._crls[found.raw] = None
        return found.scope.covers(child)

    def _good_list(
        self, body: bytes, issuer: CertificateInfo, held: CrlInfo | None
    ) -> tuple[CrlInfo | None, tuple[str, str]]:
        try:
            found = parse_crl(body)
        except InvalidArgument as error:
            return None, (error.message, error.message_zh)
        may_sign = issuer.key_usage is None or "crl_sign" in issuer.key_usage
        theirs = found.issuer_key == issuer.subject_key and may_sign
        if not theirs or not is_issued_by(found, issuer):
            return None, ("the list is not its issuer's", "吊销列表不是颁发者签发的")
        if not self._is_current(found.this_update, found.next_update):
            return None, ("the list is outdated, or from the future", "吊销列表已过期或时间在未来")
        if held is not None and found.this_update < held.this_update:
            return None, ("a newer list is known", "已有更新的吊销列表")
        return found, ("", "")

    # --- responses ----------------------------------------------------------------------------

    def _response(self, child: CertificateInfo, issuer: CertificateInfo) -> bool:
        """Whether a current response about the certificate was found, kept or new."""
        key = f"{child.fingerprint}\n{issuer.fingerprint}"
        held = self._held(self._cache.read_response(key), parse_ocsp)
        if held and is_authorised(held, issuer, data=self._store.revocation_data):
            self._ocsp[held.raw] = None
            singles = [one for one in held.singles if one.is_about(child, issuer)]
            if any(one.next_update and self._now <= one.next_update for one in singles):
                return True
        return any(self._answer(url, key, child, issuer) for url in child.ocsp_urls)

    def _answer(self, url: str, key: str, child: CertificateInfo, issuer: CertificateInfo) -> bool:
        nonce = secrets.token_bytes(16)
        query = ocsp_request(child, issuer, nonce=nonce)
        largest = self._limits.largest_response
        body = self._ask(url, key + url, query=query, largest=largest)
        if body is None:
            return False
        why = self._refuse_response(body, child, issuer, nonce)
        if why is not None:
            self._failed(url, *why)
            return False
        self._cache.write_response(key, body)
        self._ocsp[body] = None
        return True

    def _refuse_response(
        self, body: bytes, child: CertificateInfo, issuer: CertificateInfo, nonce: bytes
    ) -> tuple[str, str] | None:
        """Why a response is of no use."""
        try:
            found = parse_ocsp(body)
        except InvalidArgument as error:
            refused = refusal(body)
            if refused:
                return f"the responder refused: {refused}", f"OCSP 服务拒绝：{refused}"
            return error.message, error.message_zh
        about = [one for one in found.singles if one.is_about(child, issuer)]
        if not is_authorised(found, issuer, data=self._store.revocation_data):
            return "the response is by nobody entitled to it", "OCSP 响应不是由有权者签发的"
        if not about:
            return "the response is about another certificate", "OCSP 响应不是关于该证书的"
        # Some servers sign ahead and leave the number out (RFC 5019 §4): then dates must do.
        if found.nonce is not None and found.nonce != nonce:
            return "the response answers another question", "OCSP 响应与请求不符"
        if not any(self._is_current_answer(one) for one in about):
            return "the response is outdated, or from the future", "OCSP 响应已过期或时间在未来"
        if all(one.status == "unknown" for one in about):
            return "the responder does not know the certificate", "OCSP 服务不知道该证书"
        return None

    def _is_current_answer(self, one: OcspSingle) -> bool:
        ends = one.next_update or one.this_update + _STALE
        return self._is_current(one.this_update, ends)

    # --- both ---------------------------------------------------------------------------------

    def _is_current(self, begins: datetime, ends: datetime | None) -> bool:
        return begins <= self._now + _SKEW and (ends is None or self._now <= ends)

    def _held(self, kept: bytes | None, parse: Callable[[bytes], _Judged]) -> _Judged | None:
        if kept is not None:
            with suppress(InvalidArgument):
                return parse(kept)
        return None

    def _ask(self, url: str, key: str, *, query: bytes | None = None, largest: int) -> bytes | None:
        """The body of an answer. Nothing is asked twice in one call."""
        if key in self._tried:
            return None
        self._tried.add(key)
        address = web_address(url)
        if address is None:
            self._failed(url, "not an http:// or https:// address", "不是 http:// 或 https:// 地址")
            return None
        hosts = self._limits.hosts
        if hosts is not None and host_of(url) not in hosts:
            self._failed(url, "its host is none that may be asked", "该主机不在可查询之列")
            return None
        left = self._ends - time.monotonic()
        if left <= 0 or self._asked >= self._limits.exchanges:
            self._failed(url, "not asked: there was too much to ask", "未查询：需查询的地址过多")
            return None
        self._asked += 1
        try:
            answer = exchange(
                address,
                body=query,
                content_type="application/ocsp-request",
                timeout=min(self._limits.timeout, left),
                largest=largest,
                reach=self._limits.reach,
            )
        except ExchangeFailed as error:
            self._failed(url, error.what, error.what_zh, is_silent=True)
            return None
        if answer.status != http.client.OK:
            self._failed(url, f"it answered HTTP {answer.status}", f"返回 HTTP {answer.status}")
            return None
        if answer.body is None:
            self._failed(url, "the answer is too large", "返回的内容过大")
        return answer.body

    def _failed(self, url: str, why: str, why_zh: str, *, is_silent: bool = False) -> None:
        shown = url if url.isprintable() else repr(url)
        self._failures.append(FetchFailure(url=shown, why=why, why_zh=why_zh, is_silent=is_silent))
