"""The maker's key under dual control: two halves, a protocol, and a node that runs without it."""

from __future__ import annotations

import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import FixedClock
from runtime.errors import AlreadyExists, DomainError, FailedPrecondition, InvalidArgument
from seal.keys import signers as keys
from seal.keys.ceremony import hold, is_genuine
from seal.keys.custody import Custody
from seal.keys.hierarchy import MAKER
from seal.keys.maker import MakerKey, check_halves, join_halves
from seal.pki.certificates import is_issued_by, parse_certificate
from seal.server import custody_of
from seal.ses.read import parse_seal
from seal.suites import SM2
from tests.builders.ofd import plain_ofd
from tests.builders.seal_node import (
    ADMINISTRATOR,
    NOW,
    SEAL,
    create_request,
    seal_request,
    settings_in,
    start,
)

FIRST, SECOND = b"first half: correct horse", "第二份口令：电池订书钉".encode()
CUSTODIANS = ("seal-officer", "departments/supervision-office/systems/security")


@pytest.fixture
def maker(tmp_path: Path) -> MakerKey:
    """Where the key is, and the two files, which the persons bring and take away."""
    (tmp_path / "vault").mkdir()
    return MakerKey(
        uri=(tmp_path / "vault" / "maker.key").as_uri(),
        halves=(tmp_path / "half-1", tmp_path / "half-2"),
    )


def custody(tmp_path: Path, maker: MakerKey | None) -> Custody:
    return Custody(
        tmp_path / "seal",
        passphrase=lambda: b"a long passphrase",
        clock=FixedClock(NOW),
        maker=maker,
    )


def ceremony(tmp_path: Path, maker: MakerKey, **changes: Any) -> dict[str, Any]:
    asked = {
        "key": maker.uri,
        "halves": (FIRST, SECOND),
        "custodians": CUSTODIANS,
        "clock": FixedClock(NOW),
        **changes,
    }
    return hold(custody(tmp_path, maker), **asked)


def bring(maker: MakerKey, first: bytes = FIRST, second: bytes = SECOND) -> None:
    for path, half in zip(maker.halves, (first, second), strict=True):
        path.write_bytes(half + b"\n")
        path.chmod(0o400)


def take_away(maker: MakerKey) -> None:
    for path in maker.halves:
        path.unlink(missing_ok=True)


def test_the_protocol_says_what_was_made(tmp_path: Path, maker: MakerKey) -> None:
    said = ceremony(tmp_path, maker)
    assert said["custodians"] == list(CUSTODIANS)
    assert said["time"] == "2026-06-01T04:00:00Z"
    certificate = parse_certificate(ssl.PEM_cert_to_DER_cert(said["certificate"]))
    root_pem = (tmp_path / "seal" / "root-sm2.pem").read_text()
    root = parse_certificate(ssl.PEM_cert_to_DER_cert(root_pem))
    assert is_issued_by(certificate, root)
    assert said["certificate_sha256"] == certificate.fingerprint
    assert said["root_certificate_sha256"] == root.fingerprint
    assert is_genuine(json.loads(json.dumps(said)))
    for changed in ("time", "custodians", "certificate_sha256", "signature"):
        assert not is_genuine({**said, changed: said["public_key_sha256"]})
    text = json.dumps(said, ensure_ascii=False)
    assert FIRST.decode() not in text
    assert SECOND.decode() not in text


def test_every_maker_there_has_been_is_told(tmp_path: Path, maker: MakerKey) -> None:
    assert custody(tmp_path, maker).makers() == ()
    first = ceremony(tmp_path, maker)["certificate_sha256"]
    node = custody(tmp_path, maker)
    node.prepare()
    assert node.makers() == (first,)
    (tmp_path / "vault" / "maker.key").rename(tmp_path / "vault" / "former.key")
    second = ceremony(tmp_path, maker, replace=True)["certificate_sha256"]
    assert node.makers() == (second, first), "whoever runs already sees it"
    former = tmp_path / "seal" / f"maker-{first[:16]}.pem"
    former.write_text("damaged")
    with pytest.raises(FailedPrecondition) as caught:
        node.makers()
    assert caught.value.reason == "SEAL_KEYS_MISSING"


def test_the_key_is_apart_from_the_signers_keys(tmp_path: Path, maker: MakerKey) -> None:
    ceremony(tmp_path, maker)
    assert not (tmp_path / "seal" / "maker.key").exists()
    path = tmp_path / "vault" / "maker.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for wrong in (FIRST, SECOND, FIRST + SECOND, b"a long passphrase"):
        with pytest.raises(FailedPrecondition) as caught:
            keys.open_key(path.as_uri(), passphrase=wrong)
        assert caught.value.reason == "WRONG_PASSPHRASE"
    assert keys.open_key(path.as_uri(), passphrase=join_halves(SECOND, FIRST)).suite_name == SM2


def test_both_halves_open_it_and_one_does_not(tmp_path: Path, maker: MakerKey) -> None:
    said = ceremony(tmp_path, maker)
    bring(maker)
    node = custody(tmp_path, maker)
    appointed = parse_certificate(node.prepare().maker)
    assert appointed.fingerprint == said["certificate_sha256"]
    assert node.key(MAKER).public_key == appointed.public_key
    for wrong in ((FIRST, FIRST), (SECOND, SECOND), (FIRST, SECOND + b"."), (b"", SECOND)):
        take_away(maker)
        bring(maker, *wrong)
        with pytest.raises(FailedPrecondition) as caught:
            node.key(MAKER)
        assert caught.value.reason == "WRONG_PASSPHRASE"
        assert "seal.maker_halves" in caught.value.message


def test_without_the_halves_all_but_making_goes_on(tmp_path: Path, maker: MakerKey) -> None:
    custody(tmp_path, maker).prepare()
    ceremony(tmp_path, maker)
    node = custody(tmp_path, maker)
    node.prepare(expected=True)
    node.make_seal_keys("departments/approval-office/seals/main")
    with pytest.raises(FailedPrecondition) as caught:
        node.key(MAKER)
    assert caught.value.reason == "MAKER_KEY_OFFLINE"
    assert "seal.maker_halves" in caught.value.message
    bring(maker)
    assert node.key(MAKER).suite_name == SM2
    maker.halves[1].unlink()
    with pytest.raises(FailedPrecondition) as caught:  # nothing of it was kept
        node.key(MAKER)
    assert caught.value.reason == "MAKER_KEY_OFFLINE"


def test_a_vault_that_was_taken_away(tmp_path: Path, maker: MakerKey) -> None:
    custody(tmp_path, maker).prepare()
    ceremony(tmp_path, maker)
    bring(maker)
    (tmp_path / "vault").rename(tmp_path / "safe")
    node = custody(tmp_path, maker)
    node.prepare(expected=True)
    with pytest.raises(FailedPrecondition) as caught:
        node.key(MAKER)
    assert caught.value.reason == "MAKER_KEY_OFFLINE"
    (tmp_path / "safe").rename(tmp_path / "vault")
    assert node.key(MAKER).suite_name == SM2


def test_before_the_ceremony_there_is_no_maker(tmp_path: Path, maker: MakerKey) -> None:
    made = custody(tmp_path, maker).prepare()
    with pytest.raises(FailedPrecondition) as caught:
        _ = made.maker
    assert caught.value.reason == "MAKER_KEY_OFFLINE"
    assert "tongban seal ceremony" in caught.value.message


def test_a_wrong_half_is_told_at_start(tmp_path: Path, maker: MakerKey) -> None:
    ceremony(tmp_path, maker)
    bring(maker, first=b"another half altogether")
    with pytest.raises(FailedPrecondition) as caught:
        custody(tmp_path, maker).prepare()
    assert caught.value.reason == "WRONG_PASSPHRASE"


def test_another_makers_key_is_told(tmp_path: Path, maker: MakerKey) -> None:
    ceremony(tmp_path, maker)
    (tmp_path / "vault" / "maker.key").unlink()
    keys.create_key(
        tmp_path / "vault" / "maker.key", suite=SM2, passphrase=join_halves(FIRST, SECOND)
    )
    bring(maker)
    with pytest.raises(FailedPrecondition) as caught:
        custody(tmp_path, maker).prepare()
    assert caught.value.reason == "KEY_AND_CERTIFICATE_DIFFER"


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("halves", "reason"),
    [
        ((FIRST, FIRST), "SAME_HALVES"),
        ((FIRST, FIRST.upper()), "SAME_HALVES"),
        ((FIRST, FIRST + b"1"), "SAME_HALVES"),
        ((FIRST, b"short"), "WEAK_HALF"),
        ((b"", SECOND), "WEAK_HALF"),
        ((b"abababababababab", SECOND), "WEAK_HALF"),
    ],
)
def test_weak_and_equal_halves(
    tmp_path: Path, maker: MakerKey, halves: tuple[bytes, bytes], reason: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        ceremony(tmp_path, maker, halves=halves)
    assert caught.value.reason == reason
    assert not (tmp_path / "vault" / "maker.key").exists()
    assert not (tmp_path / "seal").exists()


def test_halves_are_not_simply_joined() -> None:
    check_halves(b"abcdefghijkl-m", b"nopqrstuvwxyz")
    one = join_halves(b"abcdefghijkl-m", b"nopqrstuvwxyz")
    assert one == join_halves(b"nopqrstuvwxyz", b"abcdefghijkl-m")
    assert one != join_halves(b"abcdefghijkl-", b"mnopqrstuvwxyz")


@pytest.mark.parametrize(
    ("custodians", "reason"),
    [
        (("seal-officer", "seal-officer"), "SAME_CUSTODIANS"),
        (("seal-officer", "张三"), "MALFORMED_NAME"),
        (("Zhang San", "b"), "MALFORMED_NAME"),
    ],
)
def test_custodians_are_two_offices(
    tmp_path: Path, maker: MakerKey, custodians: tuple[str, str], reason: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        ceremony(tmp_path, maker, custodians=custodians)
    assert caught.value.reason == reason
    assert "张三" not in caught.value.message


def test_a_maker_is_not_replaced_by_chance(tmp_path: Path, maker: MakerKey) -> None:
    first = ceremony(tmp_path, maker)
    (tmp_path / "vault" / "maker.key").rename(tmp_path / "vault" / "maker-1.key")
    with pytest.raises(AlreadyExists) as caught:
        ceremony(tmp_path, maker)
    assert caught.value.reason == "MAKER_EXISTS"
    second = ceremony(tmp_path, maker, replace=True)
    assert second["replaced_certificate_sha256"] == first["certificate_sha256"]
    kept = tmp_path / "seal" / f"maker-{first['certificate_sha256'][:16]}.pem"
    assert kept.read_text() == first["certificate"]
    bring(maker)
    assert (
        parse_certificate(custody(tmp_path, maker).prepare().maker).fingerprint
        == (second["certificate_sha256"])
    )


def test_a_repeat_with_the_same_halves_appoints_the_same(tmp_path: Path, maker: MakerKey) -> None:
    first = ceremony(tmp_path, maker)
    again = ceremony(tmp_path, maker, halves=(SECOND, FIRST))
    assert again["certificate_sha256"] == first["certificate_sha256"]
    assert (first["outcome"], again["outcome"]) == (
        "appointed",
        "appointed before, nothing changed",
    )
    with pytest.raises(DomainError) as caught:
        ceremony(tmp_path, maker, halves=(b"quite another half", SECOND))
    assert caught.value.reason == "WRONG_PASSPHRASE"


@pytest.mark.parametrize("seen", ["seal/root-sm2.key", "seal/root-sm2.pem", "vault/maker.key"])
def test_a_ceremony_that_is_cut_short_is_held_again(
    tmp_path: Path, maker: MakerKey, seen: str
) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.integration.test_seal_ceremony import *\n"
        "maker = MakerKey(uri=sys.argv[2], halves=(Path('/a'), Path('/b')))\n"
        "ceremony(Path(sys.argv[1]), maker)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), maker.uri])
    deadline = time.monotonic() + 60
    while not (tmp_path / seen).exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = {path: path.read_bytes() for path in tmp_path.glob("*/*.key")}
    assert left
    said = ceremony(tmp_path, maker)
    assert {path: path.read_bytes() for path in left} == left
    assert is_genuine(said)
    bring(maker)
    assert custody(tmp_path, maker).prepare().maker


# --- a node ---------------------------------------------------------------------------------


def test_a_node_makes_seals_with_both_halves_and_seals_without(
    tmp_path: Path, maker: MakerKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGBAN_SEAL__MAKER_KEY", maker.uri)
    monkeypatch.setenv("TONGBAN_SEAL__MAKER_HALVES", json.dumps([str(p) for p in maker.halves]))
    node = start(tmp_path / "data")
    with pytest.raises(FailedPrecondition) as caught:
        node.call("CreateSeal", create_request(), ADMINISTRATOR)
    assert caught.value.reason == "MAKER_KEY_OFFLINE"
    assert "tongban seal ceremony" in caught.value.message

    said = hold(
        custody_of(settings_in(tmp_path / "data"), FixedClock(NOW)),
        key=maker.uri, halves=(FIRST, SECOND), custodians=CUSTODIANS, clock=FixedClock(NOW),
    )  # fmt: skip
    asked = node.call("CreateSeal", create_request(), ADMINISTRATOR).seal
    with pytest.raises(FailedPrecondition) as caught:
        node.approve(asked.name)
    assert caught.value.reason == "MAKER_KEY_OFFLINE"
    assert "half-1" in caught.value.message
    assert not list(tmp_path.glob("data/keys/seal/signers/**/*.key"))  # refused before any work

    bring(maker)
    made = node.approve(asked.name)
    take_away(maker)
    held = parse_seal(made.seal_data)
    assert parse_certificate(held.maker_certificate).fingerprint == said["certificate_sha256"]
    sealed = node.call("SealDocument", seal_request(plain_ofd()))
    assert sealed.document
    again = start(tmp_path / "data")
    assert again.call("SealDocument", seal_request(plain_ofd(), seal=SEAL)).document


# --- the command -----------------------------------------------------------------------------


def command(tmp_path: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "LANG": "C",
        "TONGBAN_SEAL__MAKER_KEY": (tmp_path / "vault" / "maker.key").as_uri(),
        "TONGBAN_SEAL__MAKER_HALVES": json.dumps(
            [str(tmp_path / "half-1"), str(tmp_path / "half-2")]
        ),
        **settings,
    }
    ask = ["--first", CUSTODIANS[0], "--second", CUSTODIANS[1], "--data", str(tmp_path / "data")]
    return subprocess.run(
        [sys.executable, "-m", "tongban.main", "seal", "ceremony", *ask, *arguments],
        env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip


def test_the_command_writes_the_protocol(tmp_path: Path, maker: MakerKey) -> None:
    out = ["--out", str(tmp_path / "ceremony.json")]
    asked = command(tmp_path, *out)
    assert asked.returncode != 0
    assert "--first-half" in asked.stderr + asked.stdout
    bring(maker)
    files = ["--first-half", str(maker.halves[0]), "--second-half", str(maker.halves[1])]
    done = command(tmp_path, *out, *files)
    assert done.returncode == 0, done.stderr
    said = json.loads((tmp_path / "ceremony.json").read_text())
    assert is_genuine(said)
    assert said["certificate_sha256"] in done.stdout.replace("\n", "")
    assert FIRST.decode() not in done.stdout + done.stderr
    again = command(tmp_path, *out, *files)
    assert again.returncode != 0
    assert "never overwritten" in again.stderr + again.stdout
    assert "The seal maker is appointed." in done.stdout
    same = command(tmp_path, "--out", str(tmp_path / "same.json"), "--replace", *files)
    assert same.returncode == 0, same.stderr
    told = " ".join(same.stdout.split())
    assert "is the one that was appointed before, with the same key: nothing changed" in told
    assert "The seal maker is appointed." not in told


def test_the_command_needs_a_place_for_the_key(tmp_path: Path, maker: MakerKey) -> None:
    bring(maker)
    files = ["--first-half", str(maker.halves[0]), "--second-half", str(maker.halves[1])]
    done = command(
        tmp_path, *files, "--out", str(tmp_path / "x"), "--json",
        TONGBAN_SEAL__MAKER_KEY="", TONGBAN_SEAL__MAKER_HALVES="[]",
    )  # fmt: skip
    assert done.returncode != 0
    assert "MAKER_KEY_NOT_SET" in done.stdout + done.stderr
