"""`tongban grants check`: a contract and its receipts, without any node."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from exchange.grants.contracts import contract_note
from exchange.grants.model import Grant
from runtime.signing import LogKey
from tests.builders import grants as build
from tongban.main import application


@pytest.fixture
def key(tmp_path: Path) -> LogKey:
    made = LogKey.create(tmp_path / "key", "example.org/log", b"long enough")
    (tmp_path / "key.txt").write_text(made.verifier_key + "\n")
    return made


def check(folder: Path, note: str) -> tuple[int, dict]:
    (folder / "contract.txt").write_text(note, encoding="utf-8")
    told = CliRunner().invoke(
        application("grants"),
        [
            "grants", "check", str(folder / "contract.txt"), "--key", str(folder / "key.txt"),
            "--json",
        ],
    )  # fmt: skip
    return told.exit_code, json.loads(told.output)


def note_of(grant: Grant, key: LogKey) -> str:
    return contract_note(grant, origin=key.origin, key_id=key.key_id, sign=key.sign)


def test_a_contract_holds(tmp_path: Path, key: LogKey):
    grant = build.grant(rate_per_minute=3)
    code, told = check(tmp_path, note_of(grant, key))
    assert (code, told["indication"]) == (0, "PASSED")
    assert told["contract_hash"] == grant.contract_hash
    assert told["terms"]["purpose"] == build.PURPOSE


@pytest.mark.parametrize(
    "forge",
    [
        lambda note: note.replace(build.PURPOSE, "别的用途"),
        lambda note: note.replace("example.org/log\n", "example.net/log\n", 1),
        lambda note: note.rpartition("\n\n")[0] + "\n",
        lambda note: note + note,
        lambda note: "\x00" + note,
    ],
)
def test_a_forged_contract_does_not(tmp_path: Path, key: LogKey, forge):
    code, told = check(tmp_path, forge(note_of(build.grant(), key)))
    assert (code, told["indication"]) == (1, "FAILED")
    assert told["terms"] == {}


def test_nor_does_one_signed_by_another_key(tmp_path: Path, key: LogKey):
    other = LogKey.create(tmp_path / "other", "example.org/log", b"long enough")
    assert check(tmp_path, note_of(build.grant(), other))[0] == 1


def test_nor_one_whose_hash_is_of_other_terms(tmp_path: Path, key: LogKey):
    wrong = build.grant(contract_hash="0" * 64)
    assert check(tmp_path, note_of(wrong, key))[0] == 1
