"""Sharing with departments: find, fetch as an endorsed copy, verify (GB/T 36906).

1. Each answer leaves a record and, of each license that is in it, a look for its holder: which
   department's system, when, for what.
2. What is not there and what is somebody else's look alike. Who asks much in vain is slowed down.
3. A page of a holder's licenses is cut from those that may be told, and its token is a keyed
   digest: neither says that there are others.
4. The names of licenses that were found stand in no leaf: whoever reads the log would learn whose
   data went where. It commits to them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from licenses import held
from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.copies.model import EndorsedCopy, Wish
from licenses.copies.service import Copies
from licenses.guesses import Guesses
from licenses.holder_index import HolderIndex
from licenses.identifiers import LicenseIdentifier
from licenses.model import NEVER_IN_FORCE, License, LicenseFormat
from licenses.neighbours import Neighbours
from licenses.offline.coding import read_code
from licenses.offline.model import PREFIX
from licenses.presentations import store as presentations
from licenses.presentations.showing import license_of_code
from licenses.presenting_keys import PresentingKeys
from licenses.sharing.model import (
    Asking,
    check_item,
    decide,
    identifier_in,
    last_day,
    may_have,
)
from licenses.statuslist.service import StatusLists
from licenses.texts import NAME_LIMIT, check_text
from licenses.tokens import TokenError
from licenses.types.model import TypeVersion
from licenses.types.service import Types
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import FieldViolation, InvalidArgument
from runtime.idcodes import citizen_number_problem, credit_code_problem
from runtime.identity import Principal
from runtime.paging import bad_token, last_of
from runtime.records import SealedRecord, Value, make_record

KIND = "licenses_found"
_BATCH = 200


class Sharing:
    """The use cases of finding and fetching."""

    def __init__(
        self,
        database: Database,
        types: Types,
        copies: Copies,
        neighbours: Neighbours,
        statuses: StatusLists,
        keys: PresentingKeys,
        index: HolderIndex,
        clock: Clock,
        guesses: Guesses,
    ) -> None:
        self._database = database
        self._types = types
        self._copies = copies
        self._neighbours = neighbours
        self._statuses = statuses
        self._keys = keys
        self._index = index
        self._clock = clock
        self._guesses = guesses

    def by_identifier(
        self, identifier: str, *, reason: str, service_item: str, principal: Principal
    ) -> tuple[list[License], SealedRecord]:
        """The license with an identifier, if there is one.

        Raises InvalidArgument (BAD_TEXT, BAD_LICENSE_IDENTIFIER), NotFound
        (LICENSE_TYPE_NOT_FOUND), PermissionDenied (as `sharing.model.decide`), ResourceExhausted
        (TOO_MANY_UNKNOWN_CODES).
        """
        asking = self._asking(reason, service_item, principal)
        self._may_have(identifier, asking)
        self._guesses.check(principal.system)
        with self._database.reading() as session:
            found = licenses.license_by_identifier(session, identifier)
        return self._told("identifier", [found] if found else [], reason, asking, principal)

    def by_qr(
        self, text: str, *, reason: str, service_item: str, principal: Principal
    ) -> tuple[list[License], SealedRecord]:
        """The license of a QR code: of a page's, or of an offline code of this node.

        An offline code says which license it is of, and gives no right to it. Raises as
        `by_identifier`, and InvalidArgument (QR_UNREADABLE).
        """
        asking = self._asking(reason, service_item, principal)
        self._guesses.check(principal.system)
        identifier = ""
        if text.startswith(PREFIX):
            try:
                code = read_code(text.strip(), self._keys.trusted())
            except TokenError:
                self._guesses.count(principal.system)
                raise _unreadable() from None
            with self._database.reading() as session:
                made = presentations.presentation_by_id(session, code.presentation_id)
                found = license_of_code(session, self._statuses, code, made)
                identifier = found.identifier if found else ""
        else:
            identifier = identifier_in(text)
        if not identifier:
            self._guesses.count(principal.system)
            raise _unreadable()
        return self.by_identifier(
            identifier, reason=reason, service_item=asking.service_item, principal=principal
        )

    def by_holder(
        self,
        name: str,
        code: str,
        *,
        license_type: str,
        reason: str,
        service_item: str,
        size: int,
        token: str,
        principal: Principal,
    ) -> tuple[list[License], str, SealedRecord]:
        """Licenses of a holder that the department may have, and where to go on ("" is the end).

        Name and code have to be one holder's. Raises InvalidArgument (BAD_TEXT, BAD_HOLDER_CODE,
        BAD_PAGE_TOKEN), NotFound (LICENSE_TYPE_NOT_FOUND), PermissionDenied (as
        `sharing.model.decide`, of the type that is named), ResourceExhausted
        (TOO_MANY_UNKNOWN_CODES, TOO_MANY_GUESSES).
        """
        asking = self._asking(reason, service_item, principal)
        if citizen_number_problem(code) and credit_code_problem(code):
            raise InvalidArgument(
                "holder.code is neither a citizen number nor a credit code",
                reason="BAD_HOLDER_CODE",
                message_zh="holder.code 不是有效的公民身份号码或统一社会信用代码",
                violations=[FieldViolation("holder.code", "not such a number")],
            )
        wanted = ""
        if license_type:
            kind = self._types.newest(license_type).type
            decide(kind, asking)
            wanted = kind.id
        index = self._index(code)
        at = index.hex()
        with self._guesses.trying(principal.system, at):
            page, after = self._page_of(
                index,
                # Who does not know the name can neither read nor make a place.
                lambda one: self._index(f"page\0{name}\0{code}\0{one.id}").hex(),
                is_named=lambda one: any(
                    each.code == code and each.name == name for each in one.holders
                ),
                may_have=lambda one: wanted in ("", one.type_id) and self._may(one, asking),
                size=size,
                place=last_of(token),
            )
            if page is None:
                self._guesses.count(principal.system, at)
            if page is None and token:
                raise bad_token()
            told, record = self._told("holder", page or [], reason, asking, principal, code=code)
        return told, after, record

    def _page_of(
        self,
        index: bytes,
        place_of: Callable[[License], str],
        *,
        is_named: Callable[[License], bool],
        may_have: Callable[[License], bool],
        size: int,
        place: str,
    ) -> tuple[list[License] | None, str]:
        """Of a holder's licenses a page of those that may be told; None where none is named.

        A place says nothing to who reads it, and there is one only where one more may be told.
        Raises InvalidArgument, BAD_PAGE_TOKEN.
        """
        page: list[License] = []
        any_named, begun, after = False, not place, ""
        while True:
            with self._database.reading() as session:
                batch = licenses.held(session, index, after=after, size=_BATCH)
            for one in filter(is_named, batch):
                any_named = True
                if not begun:
                    begun = place_of(one) == place
                elif may_have(one):
                    if len(page) == size:
                        return page, place_of(page[-1])
                    page.append(one)
            if len(batch) < _BATCH:
                break
            after = batch[-1].id
        if any_named and not begun:
            raise bad_token()
        return (page if any_named else None), ""

    def template(self, license_type: str) -> TypeVersion:
        """The newest version of a type, by its name or its code. Raises NotFound."""
        if license_type.startswith("licenseTypes/"):
            return self._types.newest(license_type)
        return self._types.of_code(license_type)

    def fetch(
        self,
        identifier: str,
        *,
        reason: str,
        service_item: str,
        form: LicenseFormat,
        valid_to: date | None,
        request_id: str,
        request_digest: bytes,
        principal: Principal,
    ) -> tuple[EndorsedCopy, bytes]:
        """A license's file as an endorsed copy for the caller's department; a repeat is the same.

        Raises as `by_identifier`, NotFound (LICENSE_NOT_FOUND), and as `Copies.share`.
        """
        asking = self._asking(reason, service_item, principal)
        self._may_have(identifier, asking)
        self._guesses.check(principal.system)
        with self._database.reading() as session:
            found = licenses.license_by_identifier(session, identifier)
        if found is None or found.state in NEVER_IN_FORCE:
            self._guesses.count(principal.system)
            raise held.license_not_found()
        wish = Wish(
            form=form,
            purpose=reason,
            receiver=self._neighbours.issuer(asking.department).display_name[:NAME_LIMIT],
            receiver_department=asking.department,
            valid_to=last_day(valid_to, found, self._clock.now()),
            shared=True,
            service_item=asking.service_item,
        )
        return self._copies.share(
            found.name,
            wish,
            request_id=request_id,
            request_digest=request_digest,
            principal=principal,
        )

    def check(
        self, identifier: str, *, reason: str, service_item: str, principal: Principal
    ) -> None:
        """Whether a department may compare the fields of a license. Raises as `by_identifier`."""
        self._may_have(identifier, self._asking(reason, service_item, principal))

    # --- pieces ------------------------------------------------------------------------------

    def _asking(self, reason: str, service_item: str, principal: Principal) -> Asking:
        check_text(reason, name="reason")
        asking = Asking(department=principal.department, service_item=service_item)
        check_item(asking)
        return asking

    def _may_have(self, identifier: str, asking: Asking) -> None:
        """By the type that the identifier names, whether or not there is such a license."""
        code = LicenseIdentifier.parse(identifier).type_code
        decide(self._types.of_code(code).type, asking)

    def _may(self, license_: License, asking: Asking) -> bool:
        return may_have(self._types.newest(f"licenseTypes/{license_.type_id}").type, asking)

    def _told(
        self,
        by: str,
        found: list[License],
        reason: str,
        asking: Asking,
        principal: Principal,
        *,
        code: str = "",
    ) -> tuple[list[License], SealedRecord]:
        now: datetime = self._clock.now()
        found = [one for one in found if one.state not in NEVER_IN_FORCE]
        if not found and by != "holder":
            self._guesses.count(principal.system)
        facts: dict[str, Value] = {
            "by": by,
            "count": len(found),
            "service_item": asking.service_item,
        }
        record = make_record(
            KIND,
            at=now,
            actor=principal.system,
            facts=facts,
            commitments={
                "reason": reason.encode(),
                "holder_code": code.encode(),
                "licenses": " ".join(one.name for one in found).encode(),
            },
        )
        with self._database.unit_of_work() as work:
            for one in found:
                accesses.add_access(
                    work.session,
                    one.id,
                    at=now,
                    system=principal.system,
                    kind=KIND,
                    purpose=reason,
                    record=record,
                )
            work.record(record)
        return found, record


def _unreadable() -> InvalidArgument:
    return InvalidArgument(
        "qr holds no license's identifier and is no code of this node: scan it again",
        reason="QR_UNREADABLE",
        message_zh="二维码中没有证照标识，也不是本节点的亮证码：请重新扫描",
        violations=[FieldViolation("qr", "no identifier")],
    )
