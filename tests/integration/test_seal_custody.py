"""Key custody over real files: made once, finished after a crash, never made anew under seals."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.clock import FixedClock
from runtime.errors import FailedPrecondition, Unavailable
from seal.keys.custody import Custody
from seal.keys.hierarchy import MAKER, ROOT_P256, ROOT_SM2
from seal.pki.certificates import parse_certificate
from seal.suites import P256, SM2
from seal.trust import Purpose, TrustAnchor, TrustStore, assess_chain
from tests.builders.seal_node import NOW, SEAL, start

PASSPHRASE = b"a long passphrase"
FILES = {f"{name}.{kind}" for name in (ROOT_SM2, ROOT_P256, MAKER) for kind in ("key", "pem")}


def custody(folder: Path, passphrase: bytes = PASSPHRASE) -> Custody:
    return Custody(folder, passphrase=lambda: passphrase, clock=FixedClock(NOW))


def test_the_hierarchy_is_made_once_and_opened_again(tmp_path: Path) -> None:
    made = custody(tmp_path / "seal").prepare()
    assert {p.name for p in (tmp_path / "seal").iterdir()} == FILES | {".lock"}
    assert custody(tmp_path / "seal").prepare(expected=True) == made
    for path in (tmp_path / "seal").glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()


def test_the_maker_is_apart_and_leads_to_the_sm2_root(tmp_path: Path) -> None:
    made = custody(tmp_path).prepare()
    root, maker = parse_certificate(made.root_sm2), parse_certificate(made.maker)
    assert maker.public_key != root.public_key
    assert not maker.is_ca
    assert (root.suite, parse_certificate(made.root_p256).suite) == (SM2, P256)
    anchor = TrustAnchor(name="r", certificate=made.root_sm2, valid_from=root.not_before)
    assert assess_chain(
        made.maker, at=NOW, store=TrustStore(anchors=(anchor,)), purpose=Purpose.SEAL_MAKER
    ).is_trusted


@pytest.mark.parametrize("lost", [f"{MAKER}.pem", f"{ROOT_SM2}.pem", f"{ROOT_P256}.pem"])
def test_a_half_made_folder_is_finished_with_the_keys_it_has(tmp_path: Path, lost: str) -> None:
    made = custody(tmp_path).prepare()
    keys = {p.name: p.read_bytes() for p in tmp_path.glob("*.key")}
    (tmp_path / lost).unlink()
    if lost.startswith("root-sm2"):
        (tmp_path / f"{MAKER}.pem").unlink()  # certificates are written in order
    (tmp_path / ".making-0123").write_bytes(b"half a key")
    again = custody(tmp_path).prepare()
    assert {p.name: p.read_bytes() for p in tmp_path.glob("*.key")} == keys
    name = {"maker": "maker", "root-sm2": "root_sm2", "root-p256": "root_p256"}[lost[:-4]]
    before, after = parse_certificate(getattr(made, name)), parse_certificate(getattr(again, name))
    assert before.public_key == after.public_key


@pytest.mark.parametrize("seen", [f"{ROOT_SM2}.key", f"{ROOT_SM2}.pem", f"{MAKER}.key"])
def test_a_process_killed_while_making_leaves_what_the_next_finishes(
    tmp_path: Path, seen: str
) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.builders.seal_node import NOW\n"
        "from runtime.clock import FixedClock; from seal.keys.custody import Custody\n"
        "Custody(Path(sys.argv[1]), passphrase=lambda: b'a long passphrase',"
        " clock=FixedClock(NOW)).prepare()"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "seal")])
    deadline = time.monotonic() + 60
    while not (tmp_path / "seal" / seen).exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = {p.name: p.read_bytes() for p in (tmp_path / "seal").glob("*.key")}
    assert left
    made = custody(tmp_path / "seal").prepare()
    for name, raw in left.items():
        assert (tmp_path / "seal" / name).read_bytes() == raw
    assert custody(tmp_path / "seal").prepare(expected=True) == made


def test_many_starting_at_once_make_one_hierarchy(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: custody(tmp_path).prepare(), range(4)))
    assert len(set(found)) == 1


def test_many_makers_of_one_seal_get_the_same_keys(tmp_path: Path) -> None:
    held = [custody(tmp_path) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda one: one.make_seal_keys(SEAL), held))
    points = {(c.seal_key(SEAL, SM2).public_key, c.seal_key(SEAL, P256).public_key) for c in held}
    assert len(points) == 1


def test_a_key_is_opened_once_a_process(tmp_path: Path) -> None:
    asked: list[int] = []

    def passphrase() -> bytes:
        asked.append(1)
        return PASSPHRASE

    custody(tmp_path).prepare()
    held = Custody(tmp_path, passphrase=passphrase, clock=FixedClock(NOW))
    held.prepare()
    with ThreadPoolExecutor(4) as threads:
        keys = list(threads.map(lambda _: held.key(MAKER), range(8)))
    assert len({id(key) for key in keys}) == 1
    assert len(asked) == 1


def test_a_wrong_passphrase_says_where_to_look(tmp_path: Path) -> None:
    custody(tmp_path).prepare()
    with pytest.raises(FailedPrecondition) as caught:
        custody(tmp_path, b"another passphrase").prepare()
    assert caught.value.reason == "WRONG_PASSPHRASE"
    assert "passphrase_file" in caught.value.message
    assert "passphrase_file" in caught.value.message_zh
    assert "another passphrase" not in caught.value.message


def test_a_lost_key_is_told_and_not_made_anew(tmp_path: Path) -> None:
    custody(tmp_path).prepare()
    (tmp_path / f"{MAKER}.key").unlink()
    with pytest.raises(FailedPrecondition) as caught:
        custody(tmp_path).prepare()
    assert caught.value.reason == "SEAL_KEYS_MISSING"
    assert not (tmp_path / f"{MAKER}.key").exists()


def test_a_key_of_another_node_is_told(tmp_path: Path) -> None:
    custody(tmp_path / "one").prepare()
    custody(tmp_path / "two").prepare()
    (tmp_path / "one" / f"{MAKER}.key").replace(tmp_path / "two" / f"{MAKER}.key")
    with pytest.raises(FailedPrecondition) as caught:
        custody(tmp_path / "two").prepare()
    assert caught.value.reason == "KEY_AND_CERTIFICATE_DIFFER"


def test_an_open_key_file_is_refused(tmp_path: Path) -> None:
    custody(tmp_path).prepare()
    (tmp_path / f"{MAKER}.key").chmod(0o644)
    with pytest.raises(FailedPrecondition) as caught:
        custody(tmp_path).prepare()
    assert caught.value.reason == "KEY_FILE_TOO_OPEN"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "seal").write_text("in the way")
    with pytest.raises(FailedPrecondition) as caught:
        custody(tmp_path / "seal").prepare()
    assert caught.value.reason == "KEY_FILE_UNWRITABLE"


def test_before_the_start_there_is_no_hierarchy(tmp_path: Path) -> None:
    node = start(tmp_path, opened=False)
    with pytest.raises(Unavailable) as caught:
        _ = node.server.custody.hierarchy
    assert caught.value.reason == "SEAL_SERVICE_STARTING"
