"""Archiving on a database and a folder, with a simulator of seals and of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from licenses.archiving.destroying import Guarding
from licenses.archiving.model import Archive, Retention
from licenses.archiving.service import Archiving
from licenses.archiving.surroundings import Logged
from licenses.model import Issuer, IssuingSeal
from licenses.server import MIGRATIONS
from runtime.clock import FixedClock
from runtime.database import Database, audit_outbox
from runtime.errors import DomainError, Unavailable
from runtime.identity import Principal, Role
from runtime.retention import RetainedFolder
from tests.builders.licenses import BUREAU, ISSUER, NOW, SEAL

FIRST = Principal(
    system=f"{BUREAU}/systems/person-a", department=BUREAU,
    roles=frozenset({Role.DEPARTMENT}), serial=1,
)  # fmt: skip
SECOND = replace(FIRST, system=f"{BUREAU}/systems/person-b")
STRANGER = replace(FIRST, system="departments/tax/systems/main", department="departments/tax")
SUBJECT = f"{BUREAU}/licenses/{'0' * 24}"


@dataclass
class Simulator:
    """Seals, and a log of what was asked for; dies where it is told to."""

    dying: bool = False
    sealed: list[bytes] = field(default_factory=list)
    #: Called when the department is looked up, and when something is sealed.
    meanwhile: Callable[[], None] | None = None
    while_sealing: Callable[[], None] | None = None

    def issuer(self, _department: str) -> Issuer:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return ISSUER

    def seal_of(self, *_asked: Any) -> IssuingSeal:
        return SEAL

    def seal(self, document: bytes, **_how: Any) -> bytes:
        if self.dying:
            raise Unavailable("gone", reason="SEAL_SERVICE_GONE")
        act, self.while_sealing = self.while_sealing, None
        if act is not None:
            act()
        self.sealed.append(document)
        return document + b"sealed"

    def logged(self, kinds: Sequence[str], naming: Sequence[str], at: datetime) -> Logged:
        leaf = orjson.dumps({"kind": kinds[0], "archive": naming[0]})
        return Logged(index=0, leaf=leaf, proof="")

    def verdict(self, _document: bytes) -> dict[str, Any]:
        return {"indication": "INDICATION_PASSED"}

    def leaf(self, _index: int) -> bytes:
        return b""


@dataclass
class Scene:
    database: Database
    clock: FixedClock
    retained: RetainedFolder
    around: Simulator
    archiving: Archiving
    guarding: Guarding
    folder: Path

    def archive(self, retention: Retention = Retention.YEARS_10) -> Archive:
        made = self.archiving._archive(
            SUBJECT, "license", lambda: {"a.json": b"{}"}, retention, FIRST
        )
        with self.database.unit_of_work() as work:
            return self.archiving.write(work, made)

    def ask(self, name: str, who: Principal = FIRST) -> Archive:
        with self.database.unit_of_work() as work:
            return self.guarding.ask(work, name, "保管期满，无保存价值", who)

    def approve(self, name: str, who: Principal = SECOND) -> Archive:
        archive, sha256 = self.guarding.destroy(name, "", who)
        with self.database.unit_of_work() as work:
            return self.guarding.destroyed(work, archive, sha256, who)

    def check(self, name: str, who: Principal = FIRST) -> Archive:
        """Checked, and written."""
        found = self.guarding.check(name, who)
        with self.database.unit_of_work() as work:
            return self.guarding.checked(work, found, who)

    def kinds(self) -> list[str]:
        with self.database.engine.connect() as connection:
            rows = connection.execute(audit_outbox.select().order_by(audit_outbox.c.id)).all()
        return [orjson.loads(bytes(row.leaf))["kind"] for row in rows]

    def reports(self) -> int:
        """How many reports and certificates are kept."""
        return len(list((self.folder / "reports").glob("*/*.pdf")))


@contextmanager
def archives_on(database_url: str, folder: Path) -> Iterator[Scene]:
    """Nothing archived yet."""
    database = Database(database_url, schema="licenses")
    database.migrate(MIGRATIONS)
    clock, around = FixedClock(NOW), Simulator()
    retained = RetainedFolder(folder, clock)
    archiving = Archiving(database, None, None, None, retained, around, around, clock)  # type: ignore[arg-type]
    guarding = Guarding(database, archiving, retained, around, around, clock)  # type: ignore[arg-type]
    yield Scene(database, clock, retained, around, archiving, guarding, folder)
    database.close()


def refused(reason: str, kind: type[DomainError], call: Any) -> None:
    """Whether a call is refused for this reason."""
    with pytest.raises(kind) as told:
        call()
    assert told.value.reason == reason
