"""Reading licenses: who may see which, and what is kept of it.

1. The issuer sees its own, also while they are being issued. A counter sees those of the holder it
   has identified, an applicant their own. To everybody else a license does not exist.
2. That a counter looked, and that anybody took a document, is in the audit log; the reason, which
   may be personal, is committed to there and kept beside the license.
"""

from __future__ import annotations

from licenses import store
from licenses.accesses import store as accesses
from licenses.documents import Documents
from licenses.held import is_holder, license_not_found
from licenses.holder_index import HolderIndex
from licenses.holders import check_identified
from licenses.lists import store as lists
from licenses.model import NEVER_IN_FORCE, Act, License, LicenseFormat
from licenses.texts import NAME_LIMIT, check_text, search_key, text_problem
from runtime import names
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import InvalidArgument, PermissionDenied
from runtime.idcodes import citizen_number_problem, credit_code_problem
from runtime.identity import Principal, Role
from runtime.paging import last_of
from runtime.records import canonical, make_record

NAMES_A_RECORD = 250  # of at most 109 characters: a leaf of the log holds 64 KiB

#: Of a list of licenses.
ORDERS = ("", "name", "issue_time", "issue_time desc")


def check_own_department(parent: str, principal: Principal) -> None:
    """Raises PermissionDenied (NOT_OWN_DEPARTMENT), whether or not the other one exists."""
    names.parse(names.DEPARTMENT, parent, field="parent")
    if parent != principal.department:
        raise PermissionDenied(
            "parent must be the caller's own department",
            reason="NOT_OWN_DEPARTMENT",
            message_zh="parent 应为调用方所在部门",
        )


class Reading:
    """The use cases of reading."""

    def __init__(
        self,
        database: Database,
        documents: Documents,
        holder_index: HolderIndex,
        clock: Clock,
    ) -> None:
        self._database = database
        self._documents = documents
        self._index = holder_index
        self._clock = clock

    def get(self, name: str, principal: Principal) -> License:
        """A license of the caller's department. Raises NotFound, LICENSE_NOT_FOUND."""
        license_ = self._find(name)
        if license_.issuer != principal.department:
            raise license_not_found()
        return license_

    def began(self, license_: License) -> License:
        """The version with which its holders came to hold it: the first, or a transferred one."""
        with self._database.reading() as session:
            while license_.act is not Act.TRANSFER:
                before = store.license_by_id(session, license_.predecessor)
                if before is None:
                    break
                license_ = before
        return license_

    def issued(
        self, parent: str, principal: Principal, *, size: int, token: str, order_by: str = ""
    ) -> list[License]:
        """Licenses that the caller's department issued: at most `size` + 1.

        In order of name, or by the time they were issued (`ORDERS`). Raises InvalidArgument,
        BAD_ORDER.
        """
        check_own_department(parent, principal)
        if order_by not in ORDERS:
            raise InvalidArgument(
                "order_by is name, issue_time or issue_time desc",
                reason="BAD_ORDER",
                message_zh="order_by（排序）应为 name、issue_time 或 issue_time desc",
            )
        order, _, last = last_of(token).rpartition("|")
        if token and order != order_by:
            raise InvalidArgument(
                "page_token is of a list in another order: begin that list anew",
                reason="BAD_PAGE_TOKEN",
                message_zh="page_token 属于另一种排序：请从第一页重新开始",
            )
        with self._database.reading() as session:
            if order_by.startswith("issue_time"):
                return lists.issued_by_time(
                    session,
                    parent,
                    after=last,
                    newest_first=order_by.endswith("desc"),
                    size=size + 1,
                )
            return lists.issued(session, parent, after=last, size=size + 1)

    def issued_to(
        self, parent: str, holder_name: str, principal: Principal, *, size: int, token: str
    ) -> list[tuple[int, License]]:
        """Licenses of the caller's department by holders' names that begin so: at most `size` + 1.

        In order of name. Each comes with the place of that holder in it. Raises InvalidArgument
        (BAD_HOLDER_NAME, BAD_PAGE_TOKEN).
        """
        check_own_department(parent, principal)
        # A beginning may end where a name goes on behind a space.
        if text_problem(holder_name.removesuffix(" "), NAME_LIMIT, required=True):
            raise InvalidArgument(
                f"holder_name must be the beginning of a name, at most {NAME_LIMIT} characters",
                reason="BAD_HOLDER_NAME",
                message_zh=f"holder_name 应为姓名或名称的开头，不超过 {NAME_LIMIT} 字",
            )
        after: tuple[str, int] | None = None
        if token:
            license_id, _, place = last_of(token).partition(":")
            if not place.isdecimal() or len(place) > 3:
                raise InvalidArgument(
                    "page_token must be one that this method gave",
                    reason="BAD_PAGE_TOKEN",
                    message_zh="page_token 应为本方法先前返回的值",
                )
            after = (license_id, int(place))
        with self._database.reading() as session:
            return lists.issued_to(
                session, parent, search_key(holder_name), after=after, size=size + 1
            )

    def held(
        self, holder_code: str, principal: Principal, *, size: int, token: str, license_: str = ""
    ) -> list[License]:
        """Licenses of an identified holder, in order of id: at most `size` + 1. Audited.

        With `license_`, a name, only that one. An applicant who names somebody else is answered as
        if that one held none.
        """
        if license_:
            names.parse(names.LICENSE, license_, field="license")
        if citizen_number_problem(holder_code) and credit_code_problem(holder_code):
            raise InvalidArgument(
                "holder_code is neither a citizen number nor a credit code",
                reason="BAD_HOLDER_CODE",
                message_zh="holder_code 不是有效的公民身份号码或统一社会信用代码",
            )
        if not check_identified(principal, holder_code):
            return []
        with self._database.unit_of_work() as work:
            index = self._index(holder_code)
            found = store.held(
                work.session,
                index,
                after=last_of(token),
                size=size + 1,
                license_id=license_.rpartition("/")[2],
            )
            found = [one for one in found if license_ in ("", one.name)]
            shown, now = [one.name for one in found[:size]], self._clock.now()
            for start in range(0, max(len(shown), 1), NAMES_A_RECORD):
                told = shown[start : start + NAMES_A_RECORD]
                record = make_record(
                    "held_licenses_listed",
                    at=now,
                    actor=principal.system,
                    facts={},
                    # How many somebody holds is theirs to tell, too.
                    commitments={
                        "licenses": canonical(told),
                        "holder_code": holder_code.encode(),
                    },
                )
                accesses.add_listed(
                    work.session,
                    [one.rpartition("/")[2] for one in told],
                    at=now,
                    system=principal.system,
                    kind="held_licenses_listed",
                    record=record,
                )
                work.record(record)
        return found

    def document(
        self,
        name: str,
        form: LicenseFormat,
        *,
        reason: str,
        holder_code: str,
        principal: Principal,
    ) -> bytes:
        """A license's sealed file, for its issuer, its holder's counter or an auditor. Audited.

        Raises NotFound (LICENSE_NOT_FOUND), InvalidArgument (BAD_TEXT), DataLoss
        (OBJECT_CHANGED, OBJECT_MISSING) and NotFound (FORM_NOT_MADE).
        """
        check_text(reason, name="reason")
        license_ = self._find(name)
        # Names of licenses stand in the log that every system reads: to know one proves nothing.
        may_read = (
            (principal.has(Role.DEPARTMENT) and license_.issuer == principal.department)
            or (check_identified(principal, holder_code) and is_holder(license_, holder_code))
            or principal.has(Role.AUDITOR)
        )
        if not may_read:
            raise license_not_found()
        if license_.state in NEVER_IN_FORCE:
            raise license_not_found()
        data = self._documents.read(license_, form)
        now = self._clock.now()
        kind = "license_document_read"
        record = make_record(
            kind,
            at=now,
            actor=principal.system,
            facts={"form": form.name},
            commitments={
                "license": name.encode(),
                "sha256": license_.sha256(form).encode(),
                "reason": reason.encode(),
                "holder_code": license_.holder_code.encode(),
            },
        )
        with self._database.unit_of_work() as work:
            accesses.add_access(
                work.session,
                license_.id,
                at=now,
                system=principal.system,
                kind=kind,
                purpose=reason,
                record=record,
                fields=("*",),
            )
            work.record(record)
        return data

    def _find(self, name: str) -> License:
        ids = names.parse(names.LICENSE, name)
        with self._database.reading() as session:
            license_ = store.license_by_id(session, ids["license"])
        if license_ is None or license_.name != name:
            raise license_not_found()
        return license_
