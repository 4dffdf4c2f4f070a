"""Witnesses for tests: registered, and handing in what they signed."""

from exchange.audit.note import cosign_line, split_note
from exchange.audit.witnesses.service import Witnessing
from runtime.identity import Role
from runtime.signing import LogKey
from tests.builders.audit import NOON, LogFixture
from tests.builders.catalog import HOUSING, caller

ADMINISTRATOR = caller("departments/data-office", Role.ADMINISTRATOR)
WATCHER = caller(HOUSING)


def register(node: LogFixture, witnessing: Witnessing, key: LogKey, department=HOUSING) -> None:
    with node.database.unit_of_work() as work:
        witnessing.register(
            work, ADMINISTRATOR, verifier_key=key.verifier_key, department=department
        )


def line_of(note: str, key: LogKey, time: int) -> str:
    return cosign_line(split_note(note)[0], key.origin, key.key_id, time, key.sign)


def hand_in(node, witnessing, key: LogKey, size: int, *, time=None, who=WATCHER, line="") -> int:
    found = node.log.store.checkpoint(size)
    note = found.note if found else node.log.store.newest_checkpoint().note
    at = int(NOON.timestamp()) if time is None else time
    with node.database.unit_of_work() as work:
        return witnessing.add_cosignature(work, who, size, line or line_of(note, key, at))
