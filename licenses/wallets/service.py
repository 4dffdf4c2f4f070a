"""Credentials for wallets, requests to them, and their answers.

1. A holder's wallet gets the license as an SD-JWT VC bound to a key of the wallet's own, which it
   proves to have; the key says nothing of the holder elsewhere than in that credential.
2. A verifier's request is answered once: of two answers at once one counts. An answer that does
   not pass takes nothing, and too many are refused.
3. The verifier gets the claims it asked for, and the live state. They are gone an hour after the
   request's end. The holder sees the look.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

import orjson

from licenses import held
from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.credentials import Credentials
from licenses.credentials.making import thumbprint, vct_of
from licenses.finishing import page_of
from licenses.guesses import Guesses
from licenses.holders import check_identified
from licenses.model import License, LicenseFormat
from licenses.neighbours import WALLETED, Neighbours
from licenses.presentations.model import state_refusal
from licenses.presenting_keys import PresentingKeys, key_of_jwk
from licenses.statuslist.service import StatusLists
from licenses.texts import check_text
from licenses.tokens import write_jwt
from licenses.types.service import Types
from licenses.wallets import store
from licenses.wallets.issued import IssuedCredentials, jws_of, sha256_of
from licenses.wallets.judging import Judging
from licenses.wallets.model import (
    LIFETIME,
    REQUEST_TYPE,
    REQUESTS,
    Reason,
    WalletRequest,
    check_response_uri,
    check_wallet_nonce,
    client_id_of,
    proof_fault,
    request_claims,
    wanted_fields,
)
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from runtime.identity import Principal
from runtime.records import SealedRecord, Value, make_record

KEPT = timedelta(hours=1)
#: Requests of a department that can be answered at a time.
MOST_OPEN = 500
#: Wallets that one license goes to in a while.
MOST_KEYS, PERIOD = 20, timedelta(days=30)


class Wallets:
    """The use cases of wallets."""

    def __init__(
        self,
        database: Database,
        neighbours: Neighbours,
        types: Types,
        credentials: Credentials,
        statuses: StatusLists,
        keys: PresentingKeys,
        issued: IssuedCredentials,
        clock: Clock,
        *,
        guesses: Guesses | None = None,
        origin: str = "",
        hosts: Collection[str] = (),
    ) -> None:
        """`origin`: of the node's pages, or ""; `hosts`: where else answers may be posted to."""
        self._database = database
        self._neighbours = neighbours
        self._types = types
        self._credentials = credentials
        self._keys = keys
        self._clock = clock
        self._judging = Judging(database, neighbours, types, statuses, issued, clock)
        self._guesses = guesses or Guesses()
        self._origin = origin
        self._hosts = frozenset(hosts)

    def credential(
        self, name: str, holder_code: str, *, jwk: bytes, proof: bytes, principal: Principal
    ) -> bytes:
        """A license's SD-JWT VC bound to a wallet's key (JWK, JSON), which `proof` proves.

        The same bytes for the same key. Raises NotFound (LICENSE_NOT_FOUND), InvalidArgument
        (BAD_HOLDER_KEY, BAD_PROOF), FailedPrecondition (as `held.check_in_force`),
        ResourceExhausted (TOO_MANY_WALLETS) and Unavailable.
        """
        names.parse(names.LICENSE, name, field="license")
        check_identified(principal, holder_code, held.license_not_found)
        now = self._clock.now()
        key = _jwk(jwk)
        known = thumbprint(key)
        wrong = proof_fault(proof, key, name, now)
        if wrong:
            raise InvalidArgument(
                f"the proof of the wallet's key does not hold: {wrong}",
                reason="BAD_PROOF",
                message_zh="钱包密钥的持有证明不成立",
                violations=[FieldViolation("proof", wrong)],
            )
        with self._database.reading() as session:
            license_ = held.own(session, name, holder_code)
            held.check_in_force(license_, now)
            before = store.credential_made(session, license_.id, known)
            got = store.credentials_since(session, license_.id, now - PERIOD)
            if before is None and got >= MOST_KEYS:
                raise ResourceExhausted(
                    f"a license goes to at most {MOST_KEYS} wallets in {PERIOD.days} days",
                    reason="TOO_MANY_WALLETS",
                    message_zh=f"同一证照 {PERIOD.days} 天内最多放入 {MOST_KEYS} 个钱包",
                )
        kind = self._types.version(license_.type_id, license_.type_version)
        # When it went to this wallet: when the license was issued is the same in all of them.
        at = before or now
        draft = self._credentials.draft(license_, kind.type, holder_key=key, at=at)
        made = self._neighbours.seal_document(
            draft.payload,
            LicenseFormat.JWT,
            seal=license_.seal,
            license_type=license_.type_id,
            stamp=page_of(kind).stamp,
            sheets=0,
            request_id=f"{license_.id}-{hashlib.sha256(draft.payload).hexdigest()[:32]}",
            reason=WALLETED,
        )
        with self._database.unit_of_work() as work:
            licenses.license_by_id(work.session, license_.id, lock=True)
            store.note_credential(
                work.session,
                sha256_of(jws_of(made)),
                license_id=license_.id,
                key_sha256=known,
                at=at,
            )
            # The key says who it is wherever it is shown: the log commits to it.
            self._record(
                work, "wallet_credential_issued", license_, {}, principal, "", (),
                hidden={"key": known},
            )  # fmt: skip
        return draft.bound(made)

    def ask(
        self,
        work: UnitOfWork,
        license_type: str,
        fields: Sequence[str],
        *,
        purpose: str,
        response_uri: str,
        verifier_name: str,
        principal: Principal,
        purpose_unbound: bool = False,
    ) -> tuple[WalletRequest, bytes]:
        """A request and its signed request object; `verifier_name` is what people call who asks.

        Raises NotFound (LICENSE_TYPE_NOT_FOUND), InvalidArgument (UNKNOWN_FIELDS, BAD_TEXT,
        BAD_RESPONSE_URI), ResourceExhausted (TOO_MANY_REQUESTS), FailedPrecondition
        (NO_PRESENTING_KEY).
        """
        check_text(purpose, name="purpose")
        uri = check_response_uri(response_uri, self._origin, self._hosts)
        kind = self._types.newest(license_type).type
        now = self._clock.now().replace(microsecond=0)
        if store.open_count(work.session, principal.department, now) >= MOST_OPEN:
            raise ResourceExhausted(
                f"a department has at most {MOST_OPEN} open requests to wallets: wait, they end "
                "after five minutes",
                reason="TOO_MANY_REQUESTS",
                message_zh=f"同一部门同时有效的钱包请求最多 {MOST_OPEN} 个：请稍候，五分钟后失效",
                retry_after=LIFETIME.total_seconds(),
            )
        request = WalletRequest(
            id=secrets.token_hex(16),
            department=principal.department,
            system=principal.system,
            type_id=kind.id,
            fields=wanted_fields(fields, kind),
            purpose=purpose,
            verifier_name=verifier_name,
            purpose_bound=not purpose_unbound,
            nonce=secrets.token_urlsafe(24),
            client_id=client_id_of(self._keys.own()),
            response_uri=uri,
            create_time=now,
            expire_time=now + LIFETIME,
        )
        store.forget(work.session, now - KEPT)
        store.add(work.session, request)
        facts: dict[str, Value] = {"request": request.name, "fields": list(request.fields)}
        self._record(work, "wallet_asked", None, facts, principal, purpose, ())
        return request, self._signed(request)

    def request_uri(self, request: WalletRequest) -> str:
        """Where a wallet fetches a request; "" where the node has no pages."""
        return f"{self._origin}{REQUESTS}{request.id}" if self._origin else ""

    def request_object(self, name: str, wallet_nonce: str) -> bytes:
        """A request as its signed request object, anew.

        Whoever has the name was shown it: it has 128 bits, and names no holder. Raises NotFound
        (PRESENTATION_REQUEST_NOT_FOUND), FailedPrecondition (PRESENTATION_REQUEST_OVER) and
        InvalidArgument (BAD_WALLET_NONCE).
        """
        ids = names.parse(names.PRESENTATION_REQUEST, name)
        check_wallet_nonce(wallet_nonce)
        request = self._open(ids["presentation_request"])
        if client_id_of(self._keys.own()) != request.client_id:  # the key was renewed since
            raise _over()
        return self._signed(request, wallet_nonce)

    def _signed(self, request: WalletRequest, wallet_nonce: str = "") -> bytes:
        vct = vct_of(self._types.newest(request.license_type).type)
        return write_jwt(request_claims(request, vct, wallet_nonce), self._keys, kind=REQUEST_TYPE)

    def called(self, department: str) -> str:
        """What the catalog calls a department; its name where the catalog has none."""
        with contextlib.suppress(NotFound):
            return self._neighbours.issuer(department).display_name
        return department

    def _open(self, request_id: str) -> WalletRequest:
        with self._database.reading() as session:
            request = store.request_by_id(session, request_id)
        if request is None:
            raise _not_found()
        if self._clock.now() >= request.expire_time or request.answer_time is not None:
            raise _over()
        return request

    def submit(
        self, state: str, vp_token: str, *, principal: Principal, visitor: str = ""
    ) -> Reason | None:
        """Take a wallet's answer, as it was posted; None is PASSED, and only that is kept.

        Raises NotFound (PRESENTATION_REQUEST_NOT_FOUND), FailedPrecondition
        (PRESENTATION_REQUEST_OVER), ResourceExhausted (TOO_MANY_UNKNOWN_CODES).
        """
        now = self._clock.now()
        request = self._open(state[:33])
        # A request is named by what everybody reads in its QR code: who posts is counted.
        who = f"{principal.system}#{visitor}" if visitor else request.name
        self._guesses.check(who)
        reason, license_, disclosed = self._judging.judge(request, vp_token)
        with self._database.unit_of_work() as work:
            if license_ is not None and reason is None:
                held = licenses.license_by_id(work.session, license_.id, lock=True) or license_
                reason = state_refusal(held, now)
            result = reason.value if reason else "PASSED"
            if reason is None and not store.answer(
                work.session,
                request.id,
                at=now,
                result=result,
                license_id=license_.id if license_ else "",
                disclosed=disclosed,
            ):
                raise _over()
            # Who submitted acted; who asked looked.
            facts: dict[str, Value] = {
                "request": request.name,
                "result": result,
                "asked_by": request.system,
            }
            self._record(
                work, "wallet_answered", license_, facts, principal, request.purpose,
                request.fields if reason is None else (),
                looker=request.system,
            )  # fmt: skip
        if reason is not None:
            self._guesses.count(who)
        return reason

    def result(self, name: str, *, principal: Principal) -> tuple[WalletRequest, License | None]:
        """A request of the caller's department, and its license as it is now. Raises NotFound."""
        ids = names.parse(names.PRESENTATION_REQUEST, name)
        with self._database.reading() as session:
            request = store.request_by_id(session, ids["presentation_request"])
            if request is None or request.department != principal.department:
                raise _not_found()
            return request, licenses.license_by_id(session, request.license_id)

    def _record(
        self,
        work: UnitOfWork,
        kind: str,
        license_: License | None,
        facts: dict[str, Value],
        principal: Principal,
        purpose: str,
        shown: Sequence[str],
        *,
        hidden: Mapping[str, str] = MappingProxyType({}),
        looker: str = "",
    ) -> SealedRecord:
        now = self._clock.now()
        commitments = {label: value.encode() for label, value in hidden.items()}
        commitments["purpose"] = purpose.encode()
        if license_ is not None:
            commitments["holder_code"] = license_.holder_code.encode()
            commitments["license"] = license_.name.encode()
        record = make_record(
            kind, at=now, actor=principal.system, facts=facts, commitments=commitments
        )
        if license_ is not None:
            accesses.add_access(
                work.session,
                license_.id,
                at=now,
                system=looker or principal.system,
                kind=kind,
                purpose=purpose,
                record=record,
                fields=shown,
                result=str(facts.get("result", "")),
            )
        work.record(record)
        return record


def _jwk(data: bytes) -> Mapping[str, str]:
    """A public key as its members alone. Raises InvalidArgument, BAD_HOLDER_KEY."""
    try:
        found = orjson.loads(data[:4096])
    except orjson.JSONDecodeError:
        found = None
    said = found if isinstance(found, dict) else {}
    key_of_jwk(said)
    return {name: said[name] for name in ("crv", "kty", "x", "y")}


def _not_found() -> NotFound:
    return NotFound(
        "no such request to a wallet",
        reason="PRESENTATION_REQUEST_NOT_FOUND",
        message_zh="没有这个出示请求",
    )


def _over() -> FailedPrecondition:
    return FailedPrecondition(
        "this request was answered, or its time is over: make a new one",
        reason="PRESENTATION_REQUEST_OVER",
        message_zh="该出示请求已应答或已过期：请重新发起",
    )
