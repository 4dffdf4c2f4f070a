"""Credentials for wallets, requests to them, and their answers.

1. A holder's wallet gets the license as an SD-JWT VC bound to a key of the wallet's own, which it
   proves to have; the key says nothing of the holder elsewhere than in that credential.
2. A verifier's request is answered once: of two answers at once one counts. An answer that does
   not pass takes nothing, and too many are refused.
3. The verifier gets the claims it asked for, and the live state. They are gone an hour after the
   request's end. The holder sees the look.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.credentials import Credentials, read_credential
from licenses.credentials.making import vct_of
from licenses.finishing import page_of
from licenses.holders import check_identified
from licenses.model import License, LicenseFormat, LicenseState, is_expired
from licenses.neighbours import Neighbours
from licenses.presentations.limits import UnknownCodes
from licenses.presentations.model import NEVER_IN_FORCE, state_refusal
from licenses.presenting_keys import PresentingKeys, key_of_jwk
from licenses.reading import is_holder, license_not_found
from licenses.statuslist.model import StatusRef
from licenses.statuslist.service import StatusLists
from licenses.texts import check_text
from licenses.tokens import TokenError, write_jwt
from licenses.types.service import Types
from licenses.wallets import store
from licenses.wallets.model import (
    LIFETIME,
    REQUEST_TYPE,
    Fault,
    Reason,
    WalletRequest,
    binding_fault,
    check_response_uri,
    client_id_of,
    presented_of,
    proof_fault,
    request_claims,
)
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    DomainError,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
)
from runtime.identity import Principal
from runtime.records import SealedRecord, Value, make_record
from seal import verify as sealed

KEPT = timedelta(hours=1)
MOST_FIELDS = 50


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
        clock: Clock,
    ) -> None:
        self._database = database
        self._neighbours = neighbours
        self._types = types
        self._credentials = credentials
        self._statuses = statuses
        self._keys = keys
        self._clock = clock
        self._limit = UnknownCodes()

    def credential(
        self, name: str, holder_code: str, *, jwk: bytes, proof: bytes, principal: Principal
    ) -> bytes:
        """A license's SD-JWT VC bound to a wallet's key (JWK, JSON), which `proof` proves.

        The same bytes for the same key. Raises NotFound (LICENSE_NOT_FOUND), InvalidArgument
        (BAD_HOLDER_KEY, BAD_PROOF), FailedPrecondition (LICENSE_NOT_IN_FORCE) and Unavailable.
        """
        names.parse(names.LICENSE, name, field="license")
        check_identified(principal, holder_code, license_not_found)
        now = self._clock.now()
        key = _jwk(jwk)
        wrong = proof_fault(proof, key, name, now)
        if wrong:
            raise InvalidArgument(
                f"the proof of the wallet's key does not hold: {wrong}",
                reason="BAD_PROOF",
                message_zh="钱包密钥的持有证明不成立",
                violations=[FieldViolation("proof", wrong)],
            )
        with self._database.reading() as session:
            license_ = licenses.license_by_id(session, name.rpartition("/")[2])
        if (
            license_ is None
            or license_.name != name
            or license_.state in NEVER_IN_FORCE
            or not is_holder(license_, holder_code)
        ):
            raise license_not_found()
        if license_.state is not LicenseState.ACTIVE or is_expired(license_.valid_to, now):
            raise FailedPrecondition(
                "only a license in force goes into a wallet: see its state and its last day",
                reason="LICENSE_NOT_IN_FORCE",
                message_zh="证照不在有效状态或已过有效期，不能放入钱包",
                state=license_.state.value,
            )
        kind = self._types.version(license_.type_id, license_.type_version)
        draft = self._credentials.draft(license_, kind.type, holder_key=key)
        made = self._neighbours.seal_document(
            draft.payload,
            LicenseFormat.JWT,
            seal=license_.seal,
            license_type=license_.type_id,
            stamp=page_of(kind).stamp,
            sheets=0,
            request_id=f"{license_.id}-{hashlib.sha256(draft.payload).hexdigest()[:32]}",
        )
        with self._database.unit_of_work() as work:
            thumbprint = hashlib.sha256(orjson.dumps(key, option=orjson.OPT_SORT_KEYS)).hexdigest()
            facts: dict[str, Value] = {"license": name, "key": thumbprint}
            self._record(work, "wallet_credential_issued", license_, facts, principal, "", ())
        return draft.bound(made)

    def ask(
        self,
        license_type: str,
        fields: Sequence[str],
        *,
        purpose: str,
        response_uri: str,
        principal: Principal,
    ) -> tuple[WalletRequest, bytes]:
        """A request and its signed request object.

        Raises NotFound (LICENSE_TYPE_NOT_FOUND), InvalidArgument (UNKNOWN_FIELDS, BAD_TEXT,
        BAD_RESPONSE_URI), FailedPrecondition (NO_PRESENTING_KEY).
        """
        check_text(purpose, name="purpose")
        check_response_uri(response_uri)
        kind = self._types.newest(license_type)
        chosen = tuple(dict.fromkeys(fields))
        known = {one.code for one in kind.type.fields}
        if not 0 < len(chosen) <= MOST_FIELDS or not all(
            one in known or (one.startswith(("ZZ", "CZZT")) and one.isalnum()) for one in chosen
        ):
            raise InvalidArgument(
                "ask for at least one field, each a key of such a license's metadata",
                reason="UNKNOWN_FIELDS",
                message_zh="至少请求一个字段，且须为该类证照元数据中的项",
                violations=[FieldViolation("fields", "none, too many, or unknown")],
            )
        now = self._clock.now().replace(microsecond=0)
        request = WalletRequest(
            id=secrets.token_hex(16),
            department=principal.department,
            system=principal.system,
            type_id=kind.type.id,
            fields=chosen,
            purpose=purpose,
            nonce=secrets.token_urlsafe(24),
            client_id=client_id_of(self._keys.own()),
            response_uri=response_uri,
            create_time=now,
            expire_time=now + LIFETIME,
        )
        signed = write_jwt(
            request_claims(request, vct_of(kind.type)), self._keys, kind=REQUEST_TYPE
        )
        with self._database.unit_of_work() as work:
            store.forget(work.session, now - KEPT)
            store.add(work.session, request)
            facts: dict[str, Value] = {"request": request.name, "fields": list(chosen)}
            self._record(work, "wallet_asked", None, facts, principal, purpose, ())
        return request, signed

    def submit(self, state: str, vp_token: str, *, principal: Principal) -> Reason | None:
        """Take a wallet's answer, as it was posted; None is PASSED, and only that is kept.

        Raises NotFound (PRESENTATION_REQUEST_NOT_FOUND), FailedPrecondition
        (PRESENTATION_REQUEST_OVER), ResourceExhausted (TOO_MANY_UNKNOWN_CODES).
        """
        now = self._clock.now()
        with self._database.reading() as session:
            request = store.request_by_id(session, state) if len(state) == 32 else None
        if request is None:
            raise _not_found()
        if now >= request.expire_time or request.answer_time is not None:
            raise _over()
        self._limit.check(request.id)
        reason, license_, disclosed = self._judge(request, vp_token)
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
            facts: dict[str, Value] = {"request": request.name, "result": result}
            asked_by = replace(principal, system=request.system, department=request.department)
            self._record(
                work, "wallet_answered", license_, facts, asked_by, request.purpose,
                request.fields if reason is None else (),
            )  # fmt: skip
        if reason is not None:
            self._limit.count(request.id)
        return reason

    def result(self, name: str, *, principal: Principal) -> tuple[WalletRequest, License | None]:
        """A request of the caller's department, and its license as it is now. Raises NotFound."""
        ids = names.parse(names.PRESENTATION_REQUEST, name)
        with self._database.reading() as session:
            request = store.request_by_id(session, ids["presentation_request"])
            if request is None or request.department != principal.department:
                raise _not_found()
            return request, licenses.license_by_id(session, request.license_id)

    # --- judging -----------------------------------------------------------------------------

    def _judge(
        self, request: WalletRequest, vp_token: str
    ) -> tuple[Reason | None, License | None, dict[str, str]]:
        """The first fault, the license that was shown, and what of it was asked for."""
        # 1. The issuer's signature over the credential and its disclosures.
        try:
            presented = presented_of(vp_token)
            credential = presented.rpartition(b"~")[0] + b"~"
            read = read_credential(credential)
            claims = sealed.read_credential(credential).claims
        except (TokenError, InvalidArgument):
            return Fault.ANSWER_UNREADABLE, None, {}
        if self._neighbours.document_problem(credential):
            return Fault.CREDENTIAL_NOT_VERIFIED, None, {}
        # 2. The holder's proof: this key, this verifier, this request, these disclosures, now.
        try:
            fault = binding_fault(presented, read.holder_key, request, self._clock.now())
        except DomainError:  # `cnf` holds a key of another kind
            fault = Fault.NOT_BOUND_TO_A_HOLDER
        if fault:
            return fault, None, {}
        # 3. What was asked for, of the type that was asked for, as the issuer issued it.
        if claims.get("vct") != vct_of(self._types.newest(_type_name(request)).type):
            return Fault.OTHER_LICENSE_TYPE, None, {}
        shown = {one: read.metadata[one] for one in request.fields if one in read.metadata}
        if len(shown) != len(request.fields) or not all(isinstance(v, str) for v in shown.values()):
            return Fault.CLAIMS_MISSING, None, {}
        license_ = self._license_of(claims)
        if license_ is None:
            return Fault.LICENSE_UNKNOWN, None, {}
        return None, license_, {key: str(value) for key, value in shown.items()}

    def _license_of(self, claims: Mapping[str, Any]) -> License | None:
        try:
            said = claims["status"]["status_list"]
            ref = StatusRef(uri=str(said["uri"]), index=int(said["idx"]))
        except (KeyError, TypeError, ValueError):
            return None
        with self._database.reading() as session:
            license_id = self._statuses.license_at(session, ref)
            return licenses.license_by_id(session, license_id) if license_id else None

    def _record(
        self,
        work: UnitOfWork,
        kind: str,
        license_: License | None,
        facts: dict[str, Value],
        principal: Principal,
        purpose: str,
        shown: Sequence[str],
    ) -> SealedRecord:
        now = self._clock.now()
        commitments = {"purpose": purpose.encode()}
        if license_ is not None:
            commitments["holder_code"] = license_.holder_code.encode()
            facts = {**facts, "license": license_.name}
        record = make_record(
            kind, at=now, actor=principal.system, facts=facts, commitments=commitments
        )
        if license_ is not None:
            accesses.add_access(
                work.session,
                license_.id,
                at=now,
                system=principal.system,
                kind=kind,
                purpose=purpose,
                record=record,
                fields=shown,
                result=str(facts.get("result", "")),
            )
        work.record(record)
        return record


def _type_name(request: WalletRequest) -> str:
    return f"licenseTypes/{request.type_id}"


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
