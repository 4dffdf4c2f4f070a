"""The offline verifier: each way of lying is caught by the check that is named for it."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.audit import verify
from exchange.audit.chinese import in_chinese
from exchange.audit.merkle import (
    HASH_SIZE,
    TILE_WIDTH,
    TiledTree,
    join_entries,
    leaf_hash,
    tile_name,
    tiles_over,
)
from exchange.audit.model import Receipt
from exchange.audit.note import (
    Checkpoint,
    NoteError,
    Proof,
    checkpoint_text,
    proof_text,
    sign_note,
)
from exchange.audit.promising import promise
from exchange.audit.rpc import receipt_of
from exchange.audit.verify import (
    SavedReceipt,
    receipt_from_json,
    receipt_to_json,
    verify_consistency,
    verify_inclusion,
    verify_log,
    verify_receipt,
)
from exchange.receipts import to_message
from runtime.records import SealedRecord, canonical, make_record
from tests.builders.audit import NOON, ORIGIN, log_key

KEY = log_key()
QUESTION = {"grant": "departments/housing/grants/g1", "key": "合成", "items": ["XM"]}
RESPONSE = {"found": True, "items": {"XM": '测试\u0001"\\/'}}


def sealed(number: int) -> SealedRecord:
    return make_record(
        "query",
        at=NOON,
        actor="departments/housing/systems/desk",
        facts={"number": number},
        commitments={
            "key": b"synthetic",
            "request": canonical(QUESTION),
            "answer": canonical(RESPONSE),
        },
    )


RECORDS = [sealed(n) for n in range(5)]
_, RECEIPTS = promise(RECORDS, shard="s1", sequence=7, at=NOON, key=KEY)
SAVED = SavedReceipt(
    receipt=RECEIPTS[3], values={"key": "synthetic", "request": QUESTION, "answer": RESPONSE}
)


class Log:
    """A log in memory, and as a folder."""

    def __init__(self, leaves: list[bytes], key=KEY) -> None:
        self.leaves = leaves
        self.key = key
        self.tiles = {
            (level, number): tile for level, number, tile in tiles_over(map(leaf_hash, leaves))
        }
        self.tree = TiledTree(len(leaves), lambda level, number, _: self.tiles[level, number])

    def note(self, size: int | None = None) -> str:
        tree = self.tree.prefix(len(self.leaves) if size is None else size)
        text = checkpoint_text(Checkpoint(origin=ORIGIN, size=tree.size, root=tree.root()))
        return sign_note(text, ORIGIN, self.key.key_id, self.key.sign)

    def proof(self, index: int) -> str:
        path = tuple(self.tree.inclusion_proof(index))
        return proof_text(Proof(index=index, path=path, checkpoint=self.note()))

    def write(self, folder: Path) -> Path:
        for (level, number), tile in self.tiles.items():
            put(folder / tile_name(level, number, len(tile) // HASH_SIZE), tile)
        for start in range(0, len(self.leaves), TILE_WIDTH):
            part = self.leaves[start : start + TILE_WIDTH]
            name = tile_name("entries", start // TILE_WIDTH, len(part))
            put(folder / name, join_entries(part))
        return folder


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


LEAVES = [f'{{"n":{n}}}'.encode() for n in range(600)]
LOG = Log([*LEAVES[:300], RECORDS[3].leaf, *LEAVES[300:]])


# Receipts.


def test_a_true_receipt_passes_every_check() -> None:
    answer = verify_receipt(SAVED, KEY.verifier_key)
    assert answer.passed
    assert [check.name for check in answer.checks] == [
        "key", "leaf", "path", "promise", "opening:key", "opening:request", "opening:answer",
    ]  # fmt: skip
    assert all(check.detail and check.detail_zh for check in answer.checks)


def test_a_proof_in_the_file_is_checked_too() -> None:
    answer = verify_receipt(replace(SAVED, proof=LOG.proof(300)), KEY.verifier_key)
    assert answer.passed
    assert [check.name for check in answer.checks][-3:] == ["proof", "checkpoint", "inclusion"]
    other = verify_receipt(replace(SAVED, proof=LOG.proof(299)), KEY.verifier_key)
    assert other.failed() == ["inclusion"]


def test_the_file_is_read_back_as_it_was() -> None:
    saved = replace(SAVED, proof=LOG.proof(300))
    text = receipt_to_json(saved)
    assert receipt_from_json(text) == saved
    assert receipt_of(to_message(saved.receipt)) == saved.receipt
    assert "合成" in text


def lacking(*labels: str) -> SavedReceipt:
    return replace(SAVED, values={k: v for k, v in SAVED.values.items() if k not in labels})


@pytest.mark.parametrize("labels", [("answer",), ("request",), ("request", "answer", "key")])
def test_a_receipt_without_question_or_answer_says_less(labels) -> None:
    answer = verify_receipt(lacking(*labels), KEY.verifier_key)
    assert not answer.passed
    assert answer.failed() == []
    assert answer.open() == [f"opening:{one}" for one in labels if one != "key"]


def twice(text: str, member: str, forged: str) -> str:
    return text.replace(f'"{member}":', f'"{member}": {forged}, "{member}":', 1)


@pytest.mark.parametrize("change", [
    lambda text: twice(text, "values", '{"answer": {"found": false}}'),
    lambda text: twice(text, "answer", '{"found": false, "items": {}}'),
    lambda text: twice(text, "found", "false"),
    lambda text: text.replace('"shard":', '"answer": {"found": true}, "shard":', 1),
    lambda text: text.replace('"shard":', '"signed": {"nonce": "", "x": 1}, "shard":', 1),
    lambda text: text.replace('"found": true', '"found": NaN', 1),
    lambda text: text.replace('"shard": "s1"', '"shard": ["s1"]', 1),
    lambda text: text.replace('"values": {', '"values": [], "proof": {', 1),
])  # fmt: skip
def test_a_file_with_two_readings_is_refused(change) -> None:
    text = receipt_to_json(SAVED)
    assert receipt_from_json(text) == SAVED
    assert change(text) != text
    with pytest.raises(NoteError):
        receipt_from_json(change(text))


def other_leaf(receipt: Receipt) -> Receipt:
    return replace(receipt, leaf=receipt.leaf.replace(b'"number":3', b'"number":4'))


@pytest.mark.parametrize(("change", "failed"), [
    (other_leaf, ["promise"]),
    (lambda r: replace(r, leaf=r.leaf.replace(b":3", b": 3")), ["leaf", "promise", "*"]),
    (lambda r: replace(r, leaf=b"not json"), ["leaf", "promise", "*"]),
    (lambda r: replace(r, position=2), ["promise"]),
    (lambda r: replace(r, position=5), ["path", "promise"]),
    (lambda r: replace(r, position=-1), ["path", "promise"]),
    (lambda r: replace(r, batch_size=6), ["promise"]),
    (lambda r: replace(r, batch_size=9), ["path", "promise"]),
    (lambda r: replace(r, path=r.path[:-1]), ["path", "promise"]),
    (lambda r: replace(r, path=(*r.path, r.path[0])), ["path", "promise"]),
    (lambda r: replace(r, path=(r.path[1], r.path[0], *r.path[2:])), ["promise"]),
    (lambda r: replace(r, batch=8), ["promise"]),
    (lambda r: replace(r, shard="s2"), ["promise"]),
    (lambda r: replace(r, shard="s1\n7"), ["promise"]),
    (lambda r: replace(r, shard="\ud800"), ["promise"]),
    (lambda r: replace(r, leaf=b'{"a":"\\ud800"}'), ["leaf", "promise", "*"]),
    (lambda r: replace(r, promise_time=NOON - timedelta(days=1)), ["promise"]),
    (lambda r: replace(r, signature=log_key(2).sign(b"")), ["promise"]),
    (lambda r: replace(r, signature=b""), ["promise"]),
    (lambda r: replace(r, salt=b"\0" * 16), ["*"]),
])  # fmt: skip
def test_a_changed_receipt_fails_by_name(change, failed: list[str]) -> None:
    answer = verify_receipt(replace(SAVED, receipt=change(RECEIPTS[3])), KEY.verifier_key)
    openings = ["opening:key", "opening:request", "opening:answer"]
    assert answer.failed() == [n for f in failed for n in (openings if f == "*" else [f])]


def test_a_receipt_whose_signer_is_another_fails() -> None:
    _, forged = promise(RECORDS, shard="s1", sequence=7, at=NOON, key=log_key(2))
    assert verify_receipt(SavedReceipt(receipt=forged[0]), KEY.verifier_key).failed() == ["promise"]
    other_origin = log_key(1, "other.example/log")  # the same key for another log
    _, moved = promise(RECORDS, shard="s1", sequence=7, at=NOON, key=other_origin)
    assert verify_receipt(SavedReceipt(receipt=moved[0]), KEY.verifier_key).failed() == ["promise"]


@pytest.mark.parametrize("key", ["", "nonsense", log_key(2).verifier_key, KEY.verifier_key[:-4]])
def test_a_wrong_key_never_passes(key: str) -> None:
    assert not verify_receipt(SAVED, key).passed
    assert not verify_inclusion(LOG.proof(300), RECORDS[3].leaf, key).passed
    assert not verify_consistency(
        LOG.note(1), LOG.note(), LOG.tree.consistency_proof(1), key
    ).passed


@pytest.mark.parametrize(("label", "value"), [
    ("key", "another"), ("request", {**QUESTION, "key": "另一"}), ("answer", {"found": False}),
    ("unknown", "x"), ("request", canonical(QUESTION).decode() + " "), ("key", "\ud800"),
    ("key", float("nan")), ("key", b"synthetic"),
])  # fmt: skip
def test_another_question_or_answer_than_logged_is_caught(label: str, value: object) -> None:
    saved = SavedReceipt(receipt=RECEIPTS[3], values={label: value})
    assert verify_receipt(saved, KEY.verifier_key).failed() == [f"opening:{label}"]


json_values = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**53), 2**53) | st.booleans()
    | st.none(),
    lambda inner: st.lists(inner)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)  # fmt: skip


@given(json_values)
def test_canonical_form_needs_no_library(value: object) -> None:
    assert verify._canonical(value) == canonical(value)


@pytest.mark.parametrize("change", [
    lambda body: body.pop("leaf"),
    lambda body: body.update(format="other"),
    lambda body: body.update(batch="7"),
    lambda body: body.update(batch=True),
    lambda body: body.update(position=1.0),
    lambda body: body.update(path="AAAA"),
    lambda body: body.update(path=[1]),
    lambda body: body.update(leaf="not base64"),
    lambda body: body.update(promise_time="yesterday"),
    lambda body: body.update(promise_time="2026-11-02T04:00:00"),
    lambda body: body.update(promise_time="2026-11-02T12:00:00.000000+08:00"),
    lambda body: body.update(values=[1]),
    # Half of a character: text that cannot be written.
    lambda body: body.update(shard="\ud800"),
    lambda body: body.update(proof="\ud800"),
    lambda body: body.update(values={"request": {"key": ["\ud800"]}}),
    lambda body: body.update(values={"\ud800": 1}),
])  # fmt: skip
def test_a_malformed_file_is_told(change) -> None:
    body = json.loads(receipt_to_json(SAVED))
    change(body)
    with pytest.raises(NoteError):
        receipt_from_json(json.dumps(body))


@pytest.mark.parametrize("text", ["", "[]", "null", "1", "{", "[" * 100_000])
def test_what_is_no_receipt_is_told(text: str) -> None:
    with pytest.raises(NoteError) as told:
        receipt_from_json(text)
    assert "Error" not in str(told.value)  # a person reads it: no class names


# Inclusion and consistency.


def test_inclusion_of_another_leaf_or_index_fails() -> None:
    proof, key = LOG.proof(300), KEY.verifier_key
    assert verify_inclusion(proof, RECORDS[3].leaf, key).passed
    assert verify_inclusion(proof, RECORDS[2].leaf, key).failed() == ["inclusion"]
    moved = proof.replace("index 300", "index 301")
    assert verify_inclusion(moved, RECORDS[3].leaf, key).failed() == ["inclusion"]
    assert verify_inclusion("", RECORDS[3].leaf, key).failed() == [
        "proof", "checkpoint", "inclusion",
    ]  # fmt: skip


def test_a_forged_checkpoint_fails() -> None:
    forger = Log([*LEAVES[:300], RECORDS[3].leaf, *LEAVES[300:]], key=log_key(2))
    answer = verify_inclusion(forger.proof(300), RECORDS[3].leaf, KEY.verifier_key)
    assert answer.failed() == ["checkpoint", "inclusion"]


def test_rewritten_history_has_no_consistency_proof() -> None:
    key = KEY.verifier_key
    for size in (1, 100, 256, 300, 600, 601):
        hashes = LOG.tree.consistency_proof(size)
        assert verify_consistency(LOG.note(size), LOG.note(), hashes, key).passed
    rewritten = Log([b'{"n":"other"}', *LOG.leaves[1:]])
    hashes = rewritten.tree.consistency_proof(300)
    answer = verify_consistency(LOG.note(300), rewritten.note(), hashes, key)
    assert answer.failed() == ["consistency"]
    back = verify_consistency(LOG.note(), LOG.note(300), LOG.tree.consistency_proof(300), key)
    assert back.failed() == ["consistency"]


# Whole logs.


def test_a_copy_of_the_log_is_verified(tmp_path: Path) -> None:
    folder = LOG.write(tmp_path)
    earlier = [LOG.note(size) for size in (0, 1, 256, 600)]
    answer = verify_log(folder, LOG.note(), KEY.verifier_key, earlier=earlier)
    assert answer.passed, answer
    older = verify_log(folder, LOG.note(512), KEY.verifier_key)
    assert older.passed, "a copy may be newer than the checkpoint"


def test_a_copy_without_tiles_is_judged_by_its_entries(tmp_path: Path) -> None:
    folder = LOG.write(tmp_path)
    (folder / "tile" / "0").rename(folder / "elsewhere")
    answer = verify_log(folder, LOG.note(), KEY.verifier_key)
    assert answer.passed
    assert "tiles" not in [check.name for check in answer.checks]


def rewrite(folder: Path, name: str, change) -> None:
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


BUNDLE = "tile/entries/001"


@pytest.mark.parametrize(("harm", "failed"), [
    (lambda f: rewrite(f, BUNDLE, lambda d: d.replace(b"290", b"291")), ["root", "tiles"]),
    (lambda f: rewrite(f, BUNDLE, lambda d: join_entries(reversed(LOG.leaves[256:512]))),
     ["root", "tiles"]),
    (lambda f: rewrite(f, BUNDLE, lambda d: join_entries(LOG.leaves[256:511])),
     ["entries", "root", "tiles"]),
    (lambda f: rewrite(f, BUNDLE, lambda d: d[:-1]), ["entries", "root", "tiles"]),
    (lambda f: (f / BUNDLE).unlink(), ["entries", "root", "tiles"]),
    (lambda f: rewrite(f, "tile/0/001", lambda d: d[32:] + d[:32]), ["tiles"]),
    (lambda f: (f / "tile/1/000.p/2").unlink(), ["tiles"]),
])  # fmt: skip
def test_a_harmed_copy_fails_by_name(tmp_path: Path, harm, failed: list[str]) -> None:
    folder = LOG.write(tmp_path)
    harm(folder)
    assert verify_log(folder, LOG.note(), KEY.verifier_key).failed() == failed


def test_a_log_rewritten_whole_is_caught_by_an_earlier_checkpoint(tmp_path: Path) -> None:
    rewritten = Log([b'{"n":"other"}', *LOG.leaves[1:]])
    folder = rewritten.write(tmp_path)
    assert verify_log(folder, rewritten.note(), KEY.verifier_key).passed
    answer = verify_log(folder, rewritten.note(), KEY.verifier_key, earlier=[LOG.note(5)])
    assert answer.failed() == ["earlier_root:0"]


def test_a_folder_that_is_none_fails(tmp_path: Path) -> None:
    answer = verify_log(tmp_path / "absent", LOG.note(), KEY.verifier_key)
    assert answer.failed() == ["entries", "root"]
    assert not verify_log(tmp_path, "", KEY.verifier_key).passed


def test_the_empty_log_is_verified(tmp_path: Path) -> None:
    assert verify_log(tmp_path, Log([]).note(), KEY.verifier_key).passed


def test_the_verifier_stands_alone() -> None:
    """It loads nothing but itself, the standard library and cryptography."""
    program = "import sys, exchange.audit.verify; print(*sys.modules)"
    root = Path(verify.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root
    )
    loaded = set(run.stdout.split())
    ours = {name for name in loaded if name.startswith(("exchange.", "runtime"))}
    assert ours == {
        f"exchange.audit{part}"
        for part in (
            "", ".answering", ".chinese", ".copying", ".merkle", ".model", ".note", ".proved",
            ".saved", ".signed", ".verify",
        )
    }  # fmt: skip
    servers = ("grpc", "google", "sqlalchemy", "sqlmodel", "orjson", "pydantic", "structlog")
    assert not [name for name in loaded if name.partition(".")[0] in servers]


@pytest.mark.parametrize(
    "name",
    ["answering", "copying", "entries", "merkle", "note", "signed", "verify", "verify_told"],
)
def test_whatever_a_step_raises_is_told_in_chinese(name: str) -> None:
    source = (Path(verify.__file__).parent / f"{name}.py").read_text()
    said = re.findall(r"(?:Note|Proof|NothingToCheck)Error\(\s*f?\"([^\"]+)\"", source)
    assert said
    assert [text for text in said if not re.search("[\u4e00-\u9fff]", in_chinese(text))] == []


def test_a_promise_time_is_utc() -> None:
    assert receipt_from_json(receipt_to_json(SAVED)).receipt.promise_time == datetime(
        2026, 11, 2, 4, tzinfo=UTC
    )
