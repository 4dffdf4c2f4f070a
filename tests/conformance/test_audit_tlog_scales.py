"""The log as another maker's library reads and verifies it: tiles, checkpoints, proofs, witnesses.

`tlog-scales` knows c2sp.org/tlog-tiles, tlog-checkpoint and tlog-cosignature, and nothing of us.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import (
    Checkpoint,
    ConsistencyProof,
    ConsistencyProofInvalid,
    InclusionProof,
    InclusionProofInvalid,
)

from exchange.audit.merkle import leaf_hash
from exchange.audit.note import read_proof
from exchange.audit.service import AuditReader
from exchange.audit.witnesses.service import Witnessing
from tests.builders.audit import LogFixture, log_key, record, witness_key
from tests.builders.witnesses import hand_in, register

SIZES = (1, 2, 3, 128, 255, 256, 257, 300, 700)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogFixture]:
    folder = tmp_path_factory.mktemp("log")
    made = LogFixture(f"sqlite:///{folder / 'audit.db'}", folder)
    at = 0
    for size in SIZES:
        made.log.append_blocking([record(n) for n in range(at, size)])
        assert made.log.sequencer.run() == size
        at = size
    yield made
    made.close()


@pytest.fixture
def theirs(node: LogFixture) -> TilesReader:
    """Their reader of our folder."""
    return TilesReader(LocalBackend(node.folder / "audit"))


def note(node: LogFixture, size: int) -> str:
    held = node.log.store.checkpoint(size)
    assert held is not None
    return held.note


def test_they_verify_our_checkpoint_and_compute_its_root_from_our_tiles(node, theirs) -> None:
    found = theirs.get_checkpoint()
    found.verify(Vkey.from_string(node.key.verifier_key))
    assert found.size == 700
    assert theirs.calculate_root_hash() == found.root_hash
    with pytest.raises(RuntimeError):
        found.verify(Vkey.from_string(log_key(2).verifier_key))
    forged = note(node, 700).replace("\n700\n", "\n701\n")
    with pytest.raises(InvalidSignature):
        Checkpoint.from_text(forged).verify(Vkey.from_string(node.key.verifier_key))


def test_they_read_our_entries(node, theirs) -> None:
    theirs.get_checkpoint()
    ours = AuditReader(node.log).entries(0, 4096)[0]
    assert [theirs.get_entry(index) for index in range(700)] == ours


@pytest.mark.parametrize("index", [0, 1, 127, 255, 256, 511, 512, 698, 699])
def test_they_verify_our_inclusion_proofs_and_we_make_the_same(node, theirs, index: int) -> None:
    found = theirs.get_checkpoint()
    reader = AuditReader(node.log)
    proof = read_proof(reader.inclusion_proof_at(index))
    leaf = leaf_hash(reader.entries(index, 1)[0][0])
    given = InclusionProof(index, 700, list(proof.path))
    given.check(leaf, found.root_hash)
    assert theirs.get_inclusion_proof(index, 700).node_hashes == list(proof.path)
    with pytest.raises(InclusionProofInvalid):
        given.check(leaf_hash(b"another"), found.root_hash)


@pytest.mark.parametrize("first", SIZES)
def test_they_verify_our_consistency_proofs_and_we_make_the_same(node, theirs, first: int) -> None:
    found = theirs.get_checkpoint()
    reader = AuditReader(node.log)
    for second in SIZES[SIZES.index(first) :]:
        hashes = reader.consistency_proof(first, second).hashes
        old, new = (Checkpoint.from_text(note(node, size)).root_hash for size in (first, second))
        ConsistencyProof(first, second, hashes).check(old, new)
        assert theirs.get_consistency_proof(first, second).node_hashes == hashes
        if first < second:
            with pytest.raises(ConsistencyProofInvalid):
                ConsistencyProof(first, second, hashes).check(found.root_hash[::-1], new)


def test_they_verify_our_witnesses_cosignatures(node) -> None:
    key = node.key.verifier_key
    witnessing = Witnessing(node.database, node.log.store, log_key=key, clock=node.clock)
    keys = [witness_key(n) for n in (1, 2)]
    for one in keys:
        register(node, witnessing, one)
        hand_in(node, witnessing, one, 700)
    found = Checkpoint.from_text(witnessing.with_lines(witnessing.newest(2)))
    known = VkeySet(*(Vkey.from_string(text) for text in (key, *(k.verifier_key for k in keys))))
    verified = known.verify(found.signatures, found)
    assert {vkey.name for vkey, _ in verified} == {node.key.origin, *(k.origin for k in keys)}
    for one in keys:
        found.verify(Vkey.from_string(one.verifier_key))


def test_a_changed_tile_is_caught_by_them_too(node, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(node.folder / "audit", copy)
    tile = copy / "tile/0/001"
    data = bytearray(tile.read_bytes())
    data[5] ^= 1
    tile.write_bytes(bytes(data))
    theirs = TilesReader(LocalBackend(copy))
    found = theirs.get_checkpoint()
    proof = theirs.get_inclusion_proof(300, 700)
    with pytest.raises(InclusionProofInvalid):
        proof.check(leaf_hash(theirs.get_entry(300)), found.root_hash)
