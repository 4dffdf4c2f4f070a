"""Witnesses of the log, on SQLite and PostgreSQL alike."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from exchange.audit.note import WitnessVerifier, cosigners
from exchange.audit.service import AuditReader
from exchange.audit.verify import Quorum, verify_inclusion
from exchange.audit.witnesses.model import CLOCKS_APART, GREATEST_WITNESSES
from exchange.audit.witnesses.service import Witnessing
from runtime.database import UnitOfWork
from runtime.errors import DomainError
from runtime.signing import WitnessKey
from tests.builders.audit import NOON, LogFixture, record, witness_key
from tests.builders.catalog import CIVIL, caller
from tests.builders.witnesses import ADMINISTRATOR, hand_in, line_of, register


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    made = LogFixture(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def witnessing(node: LogFixture) -> Witnessing:
    return Witnessing(
        node.database, node.log.store, log_key=node.key.verifier_key, clock=node.clock
    )


def refused(act) -> str:
    with pytest.raises(DomainError) as found:
        act()
    assert found.value.message_zh
    return found.value.reason


def grow(node: LogFixture, count: int) -> int:
    node.log.append_blocking([record(n) for n in range(count)])
    return node.log.sequencer.run()


def test_checkpoints_are_handed_out_with_their_cosignatures(node, witnessing) -> None:
    first, second = witness_key(1), witness_key(2)
    register(node, witnessing, first)
    register(node, witnessing, second, CIVIL)
    size = grow(node, 3)
    reader = AuditReader(node.log, witnessing)
    assert refused(lambda: reader.checkpoint(1)) == "NOT_COSIGNED"
    assert hand_in(node, witnessing, first, size) == 1
    assert hand_in(node, witnessing, second, size, who=caller(CIVIL)) == 2
    newer = grow(node, 2)
    assert hand_in(node, witnessing, second, newer, who=caller(CIVIL)) == 1
    grow(node, 1)
    assert [reader.checkpoint(n).size for n in (0, 1, 2)] == [newer + 1, newer, size]
    assert refused(lambda: reader.checkpoint(3)) == "NOT_COSIGNED"
    note = reader.note(reader.checkpoint(2))
    verifiers = [WitnessVerifier(key.verifier_key) for key in (first, second)]
    assert cosigners(note, verifiers) == dict.fromkeys(
        (first.origin, second.origin), int(NOON.timestamp())
    )
    # A proof to a cosigned checkpoint is checked offline, by the witnesses' keys.
    proof = reader.inclusion_proof_at(0, cosignatures=2)
    leaf = reader.entries(0, 1)[0][0]
    keys = (first.verifier_key, second.verifier_key)
    log_key = node.key.verifier_key
    asked = Quorum(witnesses=keys, required=2)
    assert verify_inclusion(proof, leaf, log_key, quorum=asked).passed
    for wrong in (
        Quorum(witnesses=keys, required=3),
        Quorum(witnesses=(keys[0], keys[0]), required=2),
        Quorum(witnesses=(keys[0], log_key), required=2),
        Quorum(witnesses=(keys[0], witness_key(3).verifier_key), required=2),
    ):
        answer = verify_inclusion(proof, leaf, log_key, quorum=wrong)
        assert answer.failed() == ["cosignatures"]
    # A witness that was removed is not handed out any more.
    with node.database.unit_of_work() as work:
        witnessing.remove(work, ADMINISTRATOR, name=first.origin, reason="换届")
    assert refused(lambda: reader.checkpoint(2)) == "NOT_COSIGNED"
    assert first.origin not in reader.note(node.log.store.checkpoint(size))
    grow(node, 1)
    leaves = b"".join(reader.entries(0, 4096)[0])
    assert leaves.count(b'"witness_registered"') == 2
    assert leaves.count(b'"witness_removed"') == 1
    assert "换届".encode() not in leaves


def test_a_cosignature_is_taken_only_as_it_must_be(node, witnessing) -> None:
    key = witness_key(1)
    register(node, witnessing, key)
    size = grow(node, 3)
    note = node.log.store.checkpoint(size).note
    now = int(NOON.timestamp())
    other = grow(node, 1)
    cases = {
        "NO_SUCH_CHECKPOINT": {"size": 99},
        "UNKNOWN_WITNESS": {"line": line_of(note, witness_key(2), now)},
        "BAD_COSIGNATURE": {"line": line_of(node.log.store.checkpoint(other).note, key, now)},
        "COSIGNATURE_IN_FUTURE": {"time": now + CLOCKS_APART + 1},
        "NOT_YOUR_WITNESS": {"who": caller(CIVIL)},
    }
    for reason, how in cases.items():
        asked = {"size": size, **how}
        assert refused(lambda asked=asked: hand_in(node, witnessing, key, **asked)) == reason
    for line in ("", "x", "— a b", line_of(note, key, now) + "\n", "— " + "x" * 500):
        asked = line or " "
        reason = refused(lambda line=asked: hand_in(node, witnessing, key, size, line=line))
        assert reason == "BAD_COSIGNATURE"
    # An older one does not replace a later one.
    assert hand_in(node, witnessing, key, size, time=now + 5) == 1
    assert hand_in(node, witnessing, key, size, time=now) == 1
    assert witnessing.reader.last_of(key.origin) == (size, now + 5)


def test_a_name_stays_with_its_key_and_witnesses_are_few(node, witnessing) -> None:
    first = witness_key(1)
    register(node, witnessing, first)
    assert refused(lambda: register(node, witnessing, first)) == "WITNESS_EXISTS"
    renewed = witness_key(2, first.origin)
    assert refused(lambda: register(node, witnessing, renewed)) == "WITNESS_KEY_TAKEN"
    renamed = witness_key(1, "other.example/w")
    assert refused(lambda: register(node, witnessing, renamed)) == "WITNESS_KEY_TAKEN"
    assert refused(lambda: register(node, witnessing, node.key)) == "BAD_WITNESS_KEY"
    own = WitnessKey("watch.example/log", node.key._key)
    assert refused(lambda: register(node, witnessing, own)) == "BAD_WITNESS_KEY"
    for n in range(2, GREATEST_WITNESSES + 1):
        register(node, witnessing, witness_key(n))
    late = witness_key(99)
    assert refused(lambda: register(node, witnessing, late)) == "TOO_MANY_WITNESSES"
    with node.database.unit_of_work() as work:
        witnessing.remove(work, ADMINISTRATOR, name=first.origin, reason="停用")
    with node.database.unit_of_work() as work:
        gone = refused(
            lambda: witnessing.remove(work, ADMINISTRATOR, name=first.origin, reason="停用")
        )
    assert gone == "WITNESS_UNKNOWN"
    register(node, witnessing, late)
    with node.database.unit_of_work() as work:
        witnessing.remove(work, ADMINISTRATOR, name=late.origin, reason="停用")
    node.clock.advance(timedelta(days=1))
    assert refused(lambda: register(node, witnessing, first, CIVIL)) == "WITNESS_KEY_TAKEN"
    register(node, witnessing, first)  # back again, under its name and key
    with node.database.reading() as session:
        found = [one.name for one, _ in witnessing.witnesses(UnitOfWork(session))]
    assert len(found) == GREATEST_WITNESSES
    assert first.origin in found
