"""License types at work: the shipped ones, and those that their authorities put.

1. Shipped types are version 1 from the first start. A shipped file that changed becomes the next
   version, unless somebody put one since: what an authority decided is not undone by an update.
2. Only the authority that a type's code names puts it. Its id and its code never change.
3. Versions are never changed, so each is read once and kept in memory.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

import structlog

from licenses.types import store
from licenses.types.model import LicenseType, TypeVersion
from licenses.types.pages import checked, shipped
from licenses.types.reading import parse
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Principal
from runtime.records import Value, make_record

REMEMBERED = 500
VERSIONS_LIMIT = 10_000
_log = structlog.get_logger()


class Types:
    """The use cases of types."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = Lock()
        self._known: OrderedDict[tuple[str, int], TypeVersion] = OrderedDict()

    def begin(self) -> None:
        """Bring the shipped types into the database, each as it is now."""
        for text, template_text in shipped():
            try:
                self._begin(text, template_text)
            except Aborted:  # another replica did it
                _log.info("license_type_was_begun")

    def _begin(self, text: str, template_text: str) -> None:
        kind, digest = parse(text), digest_of(text, template_text)  # tests check what is shipped
        with self._database.unit_of_work() as work:
            number = store.newest(work.session, kind.id)
            held = store.version(work.session, kind.id, number) if number else None
            if held is not None and (held.put_by or held.digest == digest):
                return
            made = self._made(kind, number + 1, text, template_text, put_by="")
            store.add(work.session, made)
        _log.info("license_type_shipped", license_type=made.name, version=made.version)

    def newest(self, name: str) -> TypeVersion:
        """The newest version of `licenseTypes/{license_type}`. Raises NotFound."""
        wanted = names.parse(names.LICENSE_TYPE, name, field="license_type")["license_type"]
        with self._database.reading() as session:
            number = store.newest(session, wanted)
        return self.version(wanted, number)

    def version(self, type_id: str, number: int) -> TypeVersion:
        """One version of a type. Raises NotFound, LICENSE_TYPE_NOT_FOUND."""
        with self._lock:
            known = self._known.get((type_id, number))
        if known is not None:
            return known
        with self._database.reading() as session:
            known = store.version(session, type_id, number) if number > 0 else None
        if known is None:
            raise NotFound(
                "no such license type or version: ListLicenseTypes (`tongban license types`) "
                "names them",
                reason="LICENSE_TYPE_NOT_FOUND",
                message_zh="没有这个证照类型或版本：请用 ListLicenseTypes"
                "（tongban license types）查看",
            )
        with self._lock:
            self._known[type_id, number] = known
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return known

    def of_code(self, code: str) -> TypeVersion:
        """The newest version of the type with a code (GB/T 36904). Raises NotFound."""
        with self._database.reading() as session:
            wanted = store.id_of_code(session, code)
            number = store.newest(session, wanted) if wanted else 0
        return self.version(wanted, number)

    def all(self, *, after: str, size: int) -> list[TypeVersion]:
        """The newest version of each type, in order of id."""
        with self._database.reading() as session:
            found = store.types(session, after=after, size=size)
        return [self.version(type_id, number) for type_id, number in found]

    def versions(self, name: str, *, after: int, size: int) -> list[TypeVersion]:
        """All versions of a type, oldest first. Raises NotFound."""
        wanted = self.newest(name).type.id
        with self._database.reading() as session:
            return store.versions(session, wanted, after=after, size=size)

    def check(self, text: str, template_text: str) -> LicenseType:
        """A type that may be put: its page is drawn, which takes a while. Raises as `checked`."""
        return checked(text, template_text)

    def put(
        self,
        work: UnitOfWork,
        kind: LicenseType,
        text: str,
        template_text: str,
        *,
        etag: str,
        credit_code: str,
        principal: Principal,
    ) -> TypeVersion:
        """A new type, or the next version of one; `credit_code` is the caller's department's.

        `kind`: what `check` answered. `etag` is the newest version's, "" for a new type. Raises
        PermissionDenied (NOT_DEFINING_AUTHORITY), AlreadyExists
        (TYPE_CODE_TAKEN), Aborted (ETAG_MISMATCH) and FailedPrecondition (TYPE_CODE_FIXED).
        """
        if kind.authority_code != credit_code:
            raise PermissionDenied(
                "only the authority whose credit code begins the type's code may put it",
                reason="NOT_DEFINING_AUTHORITY",
                message_zh="只有类型代码所指的制定机关才能发布该证照类型",
            )
        number = store.newest(work.session, kind.id)
        held = store.version(work.session, kind.id, number) if number else None
        self._check_held(work, kind, held, etag)
        made = self._made(kind, number + 1, text, template_text, put_by=principal.system)
        if held is not None and held.digest == made.digest:
            return held
        store.add(work.session, made)
        facts: dict[str, Value] = {
            "license_type": made.name,
            "code": kind.code,
            "version": made.version,
            "sha256": made.digest,
        }
        work.record(
            make_record("license_type_put", at=made.put_time, actor=principal.system, facts=facts)
        )
        return made

    def _check_held(
        self, work: UnitOfWork, kind: LicenseType, held: TypeVersion | None, etag: str
    ) -> None:
        if etag != (held.digest if held else ""):
            raise Aborted(
                "the type was changed meanwhile, or is there already: read it again and send its "
                "etag",
                reason="ETAG_MISMATCH",
                message_zh="该类型已存在或刚被修改：请重新读取并带上其 etag",
            )
        if held is not None and held.type.code != kind.code:
            raise FailedPrecondition(
                "a type's code never changes: put another type",
                reason="TYPE_CODE_FIXED",
                message_zh="证照类型代码不能更改：请另建类型",
            )
        if held is not None and held.version >= VERSIONS_LIMIT:
            raise FailedPrecondition(
                "the type has too many versions: put another type",
                reason="VERSIONS_USED_UP",
                message_zh="该类型的版本过多：请另建类型",
            )
        owner = store.id_of_code(work.session, kind.code)
        if owner not in ("", kind.id):
            raise AlreadyExists(
                "another type has this code: take other digits",
                reason="TYPE_CODE_TAKEN",
                message_zh="该类型代码已被另一类型使用：请换末三位",
            )

    def _made(
        self, kind: LicenseType, number: int, text: str, template_text: str, *, put_by: str
    ) -> TypeVersion:
        return TypeVersion(
            type=kind,
            version=number,
            text=text,
            template_text=template_text,
            digest=digest_of(text, template_text),
            put_time=self._clock.now().replace(microsecond=0),
            put_by=put_by,
        )


def digest_of(text: str, template_text: str) -> str:
    """SHA-256 of a type's two texts, hex."""
    inner = (hashlib.sha256(one.encode()).digest() for one in (text, template_text))
    return hashlib.sha256(b"".join(inner)).hexdigest()
