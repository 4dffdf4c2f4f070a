"""Licensing in a world that is simulated: neighbours, object store, clock, and a process that dies.

The services are the real ones, on a real SQLite database; pages are not drawn. Every effect outside
a transaction, and every transaction, has moments before and after it (and one right before it
commits): at each the process may die, and at each effect the other side may be away.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import event

from licenses import finishing, issuing, lifecycle, store
from licenses.credentials import Credentials, read_credential
from licenses.documents import Documents
from licenses.finishing import Finishing
from licenses.holder_index import HolderIndex
from licenses.identifiers import LicenseIdentifier
from licenses.issuing import Asked, Issuing, Request
from licenses.library.service import ITEMS, Library
from licenses.metadata import metadata_digest
from licenses.model import Act, Issuer, IssuingSeal, License, LicenseFormat, LicenseState
from licenses.neighbours import Draft
from licenses.pages.drawn import Drawn, Said
from licenses.reading import Reading
from licenses.server import MIGRATIONS
from licenses.succession import Successions, Wish
from licenses.types.service import Types
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.errors import DomainError, NotFound, Unavailable
from runtime.identity import Principal, Role
from tests.builders.licenses import (
    BUREAU,
    ISSUER,
    NOW,
    SEAL,
    an_order,
    citizen_number,
    with_transfers,
)

ISSUER_SYSTEM = Principal(
    system=f"{BUREAU}/systems/main",
    department=BUREAU,
    roles=frozenset({Role.DEPARTMENT}),
    serial=1,
)
STATE, ACT = LicenseState, Act
_INDEX = HolderIndex(b"a passphrase of a simulation")
_CREDENTIALS = Credentials(b"a passphrase of a simulation")
_NEVER = (STATE.ISSUING, STATE.ABANDONED)


class Death(BaseException):
    """The process is gone: nothing catches this."""


class Fate:
    """When the process dies, or the other side is away; `plan` is by the moment's number."""

    def __init__(self) -> None:
        self.plan: dict[int, str] = {}
        self.count = 0
        self.names: list[str] = []

    def expect(self, plan: dict[int, str]) -> None:
        self.plan, self.count, self.names = plan, 0, []

    def moment(self, name: str, *, outside: bool) -> None:
        what = self.plan.get(self.count, "")
        self.count += 1
        self.names.append(name)
        if what == "die":
            raise Death(name)
        if what == "away" and outside:
            raise Unavailable("the other side is away", reason="SIMULATED")


def compact(payload: bytes, signature: int) -> bytes:
    """A compact JWS that nobody signed."""
    header = b'{"alg":"ES256","typ":"dc+sd-jwt","x5c":["AA=="]}'
    parts = (header, payload, signature.to_bytes(64, "big"))
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)


class World:
    """What outlives the process: the other services, the object store, the clock."""

    def __init__(self, fate: Fate) -> None:
        self.fate = fate
        self.clock = FixedClock(NOW)
        self.objects: dict[str, bytes] = {}
        self.sealed: dict[str, bytes] = {}
        self.library: dict[str, dict[str, str]] = {}
        self.batches: set[str] = set()

    def _effect(self, name: str, effect: Callable[[], Any]) -> Any:
        self.fate.moment(f"before {name}", outside=True)
        answer = effect()
        self.fate.moment(f"after {name}", outside=True)
        return answer

    # What `Neighbours` and `ObjectStore` ask.

    def issuer(self, department: str) -> Issuer:
        return ISSUER

    def seal_of(self, *_: object) -> IssuingSeal:
        return SEAL

    def seal_document(
        self, document: bytes, form: LicenseFormat, *, request_id: str, **_: object
    ) -> bytes:
        def seal() -> bytes:
            # Another request would be sealed at another time, and so have other bytes.
            sealed = document + f"\nsealed {len(self.sealed)}".encode()
            if form is LicenseFormat.JWT:
                sealed = compact(document, len(self.sealed))
            return self.sealed.setdefault(request_id, sealed)

        return bytes(self._effect(f"sealing {form.name}", seal))

    def seal_documents(
        self, several: Sequence[Draft], form: LicenseFormat
    ) -> Iterator[tuple[int, bytes]]:
        for item, one in enumerate(several):
            yield item, self.seal_document(one.document, form, request_id=one.request_id)

    def document_problem(self, document: bytes) -> str:
        return str(self._effect("verifying", lambda: ""))

    def publish(self, _: str, items: Any, rows: Any, request_id: str) -> None:
        def publish() -> None:
            if request_id not in self.batches:
                self.batches.add(request_id)
                for row in rows:
                    record = dict(zip(items, row, strict=True))
                    self.library[record["license_identifier"]] = record

        self._effect("publishing", publish)

    def has_resource(self, _: str) -> bool:
        return True

    def put_if_absent(self, name: str, data: bytes) -> bool:
        return bool(self._effect("storing", lambda: self.objects.setdefault(name, data) is data))

    def get(self, name: str) -> bytes:
        if name not in self.objects:
            raise NotFound("no such object", reason="OBJECT_NOT_FOUND")
        return self.objects[name]


class MortalDatabase:
    """A database whose user dies before, inside or after a transaction."""

    def __init__(self, database: Database, fate: Fate) -> None:
        self._database = database
        self._fate = fate

    @contextmanager
    def unit_of_work(self) -> Iterator[Any]:
        self._fate.moment("before a transaction", outside=False)
        with self._database.unit_of_work() as work:
            yield work
            self._fate.moment("before the commit", outside=False)
        self._fate.moment("after a transaction", outside=False)

    def reading(self) -> Any:
        return self._database.reading()


class Process:
    """The services of one life of the process."""

    def __init__(self, world: World, database: Any) -> None:
        outside: Any = world
        documents = Documents(outside, outside)
        library = Library(database, outside, "departments/data-office")
        self.database = database
        self.library = library
        self.clock = world.clock
        self.types = Types(database, world.clock)
        made = Finishing(
            database, documents, outside, library, self.types, world.clock, _CREDENTIALS
        )
        self.issuing = Issuing(
            database, documents, outside, made, self.types, _INDEX, world.clock, lambda: 0.0
        )
        self.reading = Reading(database, documents, _INDEX, world.clock)
        self.successions = Successions(
            self.issuing, self.reading, documents, self.types, world.clock
        )

    def issue(self, request: Request, **changes: Any) -> License:
        # Near its end, so that it may be renewed.
        first = self.clock.now().date() - timedelta(days=3 * 365 - 60)
        order = an_order(**{"valid_from": first, **changes})
        return self.issuing.issue(order, department=BUREAU, seal="", request=request)

    def issue_all(self, requests: Sequence[Request]) -> list[License]:
        order = an_order()
        return self.issuing.issue_all(
            [Asked(order=order, department=BUREAU, seal="", request=one) for one in requests]
        )

    def succeed(self, name: str, act: Act, wish: Wish, request: Request) -> License:
        return self.successions.succeed(
            name, act, wish, reason="依规", seal="", request=request, principal=ISSUER_SYSTEM
        )

    def change(self, name: str, act: Act) -> License:
        with self.database.unit_of_work() as work:
            changed = lifecycle.change(
                work, name, act, reason="依规", principal=ISSUER_SYSTEM, clock=self.clock
            )
        self.library.publish_soon()
        return changed


def without_pages(patched: pytest.MonkeyPatch) -> None:
    """Documents that hold nothing but the metadata: what is drawn is tested elsewhere."""

    def draw(_text: str, _values: object, said: Said, _fonts: object) -> Drawn:
        own = orjson.dumps(dict(said.metadata), option=orjson.OPT_SORT_KEYS)
        return Drawn(ofd=own + b"\nofd", pdf=own + b"\npdf", sheets=1)

    def carried(data: bytes, form: LicenseFormat) -> str:
        if form is LicenseFormat.JWT:
            return metadata_digest(read_credential(data).metadata)
        return metadata_digest(orjson.loads(data.partition(b"\n")[0]))

    with_transfers(patched)
    patched.setattr(issuing, "check_pages", lambda *_: None)
    patched.setattr(finishing, "draw", draw)
    patched.setattr("licenses.documents.carried_digest", carried)


class Simulation:
    """One database and world; `run` lives a seed's acts in it, and checks what must hold."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'licenses.db'}", schema="licenses")
        event.listen(self.database.engine, "connect", _without_waiting_for_the_disk)
        self.database.migrate(MIGRATIONS)
        self.fate = Fate()
        self.world = World(self.fate)
        Types(self.database, self.world.clock).begin()
        self.mortal = MortalDatabase(self.database, self.fate)
        self.process = Process(self.world, self.mortal)
        self.identifiers: dict[str, str] = {}
        self.holders = 0
        self.deaths = 0

    def restart(self) -> None:
        self.process = Process(self.world, self.mortal)

    def attempt(self, act: Callable[[Process], Any], plan: dict[int, str]) -> Any:
        """What an act answers; None where the process died or it was refused."""
        self.fate.expect(plan)
        try:
            return act(self.process)
        except Death:
            self.deaths += 1
            self.restart()
        except DomainError:
            pass
        finally:
            self.fate.expect({})
        return None

    def run(self, seed: int) -> None:
        """A few acts on one serial number, each perhaps cut short and perhaps repeated."""
        chance = random.Random(seed)
        begun = NOW + timedelta(days=chance.randint(-400, 400))
        self.world.clock.set(begun)
        self.holders += 1
        code = citizen_number(self.holders % 900 + 1)
        first = Request(actor=ISSUER_SYSTEM.system, id=f"{seed}-issue", digest=b"d" * 32)
        todo: list[Callable[[Process], Any]] = [lambda p: p.issue(first, holder_code=code)]
        todo += [self._act(chance, f"{seed}-{n}", first) for n in range(chance.randint(1, 4))]
        for act in todo:
            if chance.random() < 0.2:
                jump = timedelta(seconds=chance.choice((-90_000, -5, 5, 90_000)))
                self.world.clock.set(self.world.clock.now() + jump)
            what = chance.choice(("die", "die", "away", ""))
            answered = self.attempt(act, {chance.randint(0, 24): what})
            self._check_always(first)
            if answered is None and chance.random() < 0.5:  # the caller repeats it
                self.attempt(act, {chance.randint(0, 40): "die"})
                self._check_always(first)
            if chance.random() < 0.3:
                plan = {chance.randint(0, 40): chance.choice(("die", "away"))}
                self.attempt(lambda p: (p.issuing.reconcile(), p.library.publish()), plan)
                self._check_always(first)
        self.world.clock.set(begun + timedelta(days=6))  # the clock is right again
        self.finish()
        self._check_done(first)

    def finish(self) -> None:
        """The process starts again, and nothing fails."""
        self.restart()
        self.process.issuing.reconcile()
        self.process.library.publish()

    def _act(self, chance: random.Random, id_: str, first: Request) -> Callable[[Process], Any]:
        request = Request(actor=first.actor, id=id_, digest=b"d" * 32)
        kind = chance.choice(
            (ACT.CORRECT, ACT.RENEW, ACT.TRANSFER, ACT.SUSPEND, ACT.RESUME, ACT.REVOKE, ACT.CANCEL)
        )
        wish = Wish()
        if kind is ACT.CORRECT:
            wish = Wish(fields={"KZ_BZ": f"更正 {id_}"})
        elif kind is ACT.TRANSFER:
            wish = Wish(holders=[("钱示例", citizen_number(901 + chance.randint(0, 90)))])
        # Mostly the newest version, and sometimes one before it.
        late = chance.random() < 0.8

        def act(process: Process) -> Any:
            versions = self._versions(first)
            if not versions:
                return None
            name = versions[-1 if late else 0].name
            if kind in (ACT.CORRECT, ACT.RENEW, ACT.TRANSFER):
                return process.succeed(name, kind, wish, request)
            return process.change(name, kind)

        return act

    def _versions(self, first: Request) -> list[License]:
        """All versions of the license that a request began, in order of version."""
        with self.database.reading() as session:
            found = store.request_of(session, first.actor, first.id)
            if found is None:
                return []
            versions = [found[0]]
            rows = store.TABLES.metadata.tables["license"]
            while True:
                before = [one.id for one in versions]
                ids = session.execute(
                    rows.select()
                    .with_only_columns(rows.c.id)
                    .where(rows.c.predecessor.in_(before), rows.c.id.not_in(before))
                ).scalars()
                more = [store.license_by_id(session, one) for one in ids]
                if not more:
                    return sorted(versions, key=lambda one: one.version)
                versions += [one for one in more if one is not None]

    # What must hold.

    def _check_always(self, first: Request) -> None:
        """After every act, whatever it came to."""
        versions = self._versions(first)
        for one in versions:
            known = self.identifiers.setdefault(one.identifier, one.id)
            assert known == one.id, "an identifier was given twice"
            assert LicenseIdentifier.parse(one.identifier).version == one.version
            assert metadata_digest(one.metadata) == one.metadata_sha256
        in_force = [one for one in versions if one.state in (STATE.ACTIVE, STATE.SUSPENDED)]
        assert len(in_force) <= 1, "two versions in force"
        assert len([one for one in versions if one.state is STATE.ISSUING]) <= 1
        by_id = {one.id: one for one in versions}
        for one in versions:
            followed = one.state in (STATE.SUPERSEDED, STATE.TRANSFERRED)
            assert followed == bool(one.successor)
            if followed:
                after = by_id[one.successor]
                assert after.predecessor == one.id
                assert after.activated_at == one.state_time, "not in one moment"
                assert after.state not in _NEVER, "ended for one that is not in force"
            if one.state in _NEVER:
                assert not one.ofd_sha256
                assert one.identifier not in self.world.library
            else:
                self._check_documents(one)
        for one in versions:
            with self.database.reading() as session:
                held = store.held(session, _INDEX(one.holder_code), after="", size=1000)
            assert not [each for each in held if each.state in _NEVER]

    def _check_documents(self, one: License) -> None:
        for form in LicenseFormat:
            digest = one.sha256(form)
            data = self.world.objects[f"licenses/{digest[:2]}/{digest}{form.value}"]
            assert hashlib.sha256(data).hexdigest() == digest
            if form is LicenseFormat.JWT:
                assert read_credential(data).metadata == dict(one.metadata)
            else:
                assert orjson.loads(data.partition(b"\n")[0]) == dict(one.metadata)
        assert one.activated_at is not None
        assert one.activated_at >= one.issue_time
        assert one.state_time >= one.activated_at

    def _check_done(self, first: Request) -> None:
        """When nothing fails any more, nothing is left half-done, and the log and library agree."""
        versions = self._versions(first)
        assert not [one for one in versions if one.state is STATE.ISSUING], "half-issued"
        issued = [leaf for leaf in self._leaves() if leaf["kind"] == "license_issued"]
        for one in versions:
            logged = [leaf for leaf in issued if leaf["ofd_sha256"] == one.ofd_sha256]
            assert len(logged) == (one.state is not STATE.ABANDONED)
            published = self.world.library.get(one.identifier)
            if one.state is STATE.ABANDONED:
                assert published is None
            else:
                assert published is not None
                assert published["state"] == one.state.value
                assert set(published) == set(ITEMS)
        self._forget_leaves()

    def _leaves(self) -> list[dict[str, Any]]:
        with self.database.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT leaf FROM audit_outbox ORDER BY id").all()
        return [orjson.loads(bytes(raw)) for (raw,) in rows]

    def _forget_leaves(self) -> None:
        with self.database.unit_of_work() as work:
            work.session.connection().exec_driver_sql("DELETE FROM audit_outbox")


def _without_waiting_for_the_disk(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")
