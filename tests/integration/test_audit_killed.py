"""A node that is killed again and again under load: no answer without its record, and no repair."""

from __future__ import annotations

import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from exchange.audit.merkle import leaf_hash
from exchange.audit.model import Receipt
from exchange.audit.opening import check_log
from exchange.audit.rpc import receipt_of
from exchange.audit.verify import SavedReceipt, verify_consistency, verify_receipt
from exchange.v1 import audit_pb2 as pb
from runtime import config
from tests.builders import county, programs
from tongban.demonstration import sharing, stage
from tongban.people import PERSON_ITEMS, people

ASK = {"purpose": "核实身份", "case_number": "T-1"}
ROUNDS = 4
CALLERS = 12
SAMPLE = 60


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if request.param == "postgresql":
        monkeypatch.setenv("TONGBAN_DATABASE", request.getfixturevalue("postgres_url"))
    return county.new_stage(tmp_path / "data")


class Load:
    """Callers who ask and ask until the node is gone, and keep every receipt they got."""

    def __init__(self, found: stage.Stage, granted: str, keys: list[str]) -> None:
        self.receipts: list[Receipt] = []
        self._stop = threading.Event()
        self._client, self._granted, self._keys = found["employment"], granted, keys
        self._pool = ThreadPoolExecutor(CALLERS)
        self._running = [self._pool.submit(self._ask, n) for n in range(CALLERS)]

    def _ask(self, number: int) -> None:
        while not self._stop.is_set():
            key = self._keys[number % len(self._keys)]
            try:
                answer = self._client.query(self._granted, key, **ASK)
            except grpc.RpcError:
                return
            self.receipts.append(receipt_of(answer.receipt))

    def end(self) -> None:
        """Wait until the last of them met its error."""
        self._stop.set()
        for one in self._running:
            one.result()
        self._pool.shutdown()


def newest(client) -> pb.GetCheckpointResponse:
    return client.audit.GetCheckpoint(pb.GetCheckpointRequest(), timeout=30)


def leaves_of(client) -> list[bytes]:
    leaves: list[bytes] = []
    while True:
        page = client.audit.ListEntries(
            pb.ListEntriesRequest(start=len(leaves), page_size=4096), timeout=30
        )
        leaves += page.leaves
        if len(leaves) >= page.size:
            return leaves


def test_no_answer_was_sent_without_its_record(scene: stage.Stage) -> None:
    crowd = list(people(20))
    receipts: list[Receipt] = []
    notes: list[str] = []
    granted = ""
    chance = random.Random(6)
    # Before, in and after a second's sequencing: one death in each quarter of that time.
    moments = [1.3 * (number + chance.random()) / ROUNDS for number in range(ROUNDS)]
    for number, moment in enumerate(moments):
        with stage.running(scene, programs.start) as process:
            if not number:
                county.fill_catalog(scene)
                scene["police"].publish(
                    sharing.POPULATION, PERSON_ITEMS, [p.row() for p in crowd], request_id="people"
                )
                granted = county.grant(scene)
            # What the killed one left is in the log before anybody is answered: the tail is
            # repaired by the start alone.
            logged = set(map(leaf_hash, leaves_of(scene["auditor"])))
            assert {leaf_hash(one.leaf) for one in receipts} <= logged
            notes.append(newest(scene["auditor"]).checkpoint)
            load = Load(scene, granted, [one.citizen_number for one in crowd])
            deadline = time.monotonic() + 30
            while len(load.receipts) < CALLERS and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            load.end()
        assert len(load.receipts) >= CALLERS
        receipts += load.receipts
    with stage.running(scene, programs.start):
        client = scene["auditor"]
        found = newest(client)
        leaves = leaves_of(client)
        logged = [leaf_hash(leaf) for leaf in leaves]
        assert len(set(logged)) == len(logged), "a record is in the log twice"
        assert {leaf_hash(one.leaf) for one in receipts} <= set(logged)
        for one in chance.sample(receipts, min(SAMPLE, len(receipts))):
            place = pb.GetInclusionProofRequest(
                shard=one.shard, batch=one.batch, position=one.position
            )
            proof = client.audit.GetInclusionProof(place, timeout=30).proof
            saved = SavedReceipt(receipt=one, proof=proof)  # nobody kept what was asked and told
            assert not verify_receipt(saved, found.verifier_key).failed()
        for note in notes:
            now = newest(client)
            hashes = client.audit.GetConsistencyProof(
                pb.GetConsistencyProofRequest(
                    first_size=int(note.split("\n")[1]),
                    second_size=int(now.checkpoint.split("\n")[1]),
                ),
                timeout=30,
            ).hashes
            assert verify_consistency(note, now.checkpoint, list(hashes), found.verifier_key).passed
    assert check_log(config.load(data=scene.data)) is None
