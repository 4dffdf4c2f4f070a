"""What a wallet's answer comes to: each step, and the attack that it prevents.

1. The issuer's signature: a credential that nobody signed, or that was changed.
2. The holder's proof: a credential that was taken from somebody, an answer that is shown again, or
   to another verifier, or for a purpose that its holder never saw.
3. Type and fields: an answer to another question.
4. The license, by the status place: a credential that its department, or another with a seal on
   this node, signed for somebody else's license, with other values or another key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from licenses import store as licenses
from licenses.credentials import read_credential
from licenses.credentials.making import vct_of
from licenses.model import NEVER_IN_FORCE, License
from licenses.neighbours import Neighbours
from licenses.statuslist.model import StatusRef
from licenses.statuslist.service import StatusLists
from licenses.tokens import TokenError
from licenses.types.service import Types
from licenses.wallets.issued import IssuedCredentials, says_the_same
from licenses.wallets.model import Fault, Reason, WalletRequest, binding_fault, presented_of
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import DomainError, InvalidArgument
from seal import verify as sealed


class Judging:
    """Judges answers."""

    def __init__(
        self,
        database: Database,
        neighbours: Neighbours,
        types: Types,
        statuses: StatusLists,
        issued: IssuedCredentials,
        clock: Clock,
    ) -> None:
        self._database = database
        self._neighbours = neighbours
        self._types = types
        self._statuses = statuses
        self._issued = issued
        self._clock = clock

    def judge(
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
        # 3. What was asked for, of the type that was asked for.
        if claims.get("vct") != vct_of(self._types.newest(request.license_type).type):
            return Fault.OTHER_LICENSE_TYPE, None, {}
        shown = {one: read.metadata[one] for one in request.fields if one in read.metadata}
        if len(shown) != len(request.fields) or not all(isinstance(v, str) for v in shown.values()):
            return Fault.CLAIMS_MISSING, None, {}
        # 4. As it was issued: the seal alone says who signed, and not that they may (`issued`).
        license_ = self._license_of(claims)
        if license_ is None or license_.state in NEVER_IN_FORCE:
            return Fault.LICENSE_UNKNOWN, None, {}
        if license_.type_id != request.type_id:
            return Fault.OTHER_LICENSE_TYPE, None, {}
        same = read.metadata_sha256 in ("", license_.metadata_sha256)
        if not same or not says_the_same(read.metadata, license_):
            return Fault.VALUES_CHANGED, None, {}
        if not self._issued.is_issued(credential, license_):
            return Fault.CREDENTIAL_NOT_ISSUED, None, {}
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
