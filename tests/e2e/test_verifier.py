"""An auditor's journey: the stand-alone verifier, without gRPC, databases, keys or a network."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from exchange.audit.promising import promise
from exchange.audit.proved import LogProof, ProvenLeaf, proof_to_json
from exchange.audit.verify import SavedReceipt, receipt_to_json
from runtime.records import make_record
from seal.evidence.making import make_evidence
from tests.builders import verifier
from tests.builders.audit import NOON, log_key, proofs_of
from tests.builders.ofd import SEALED_AT, plain_ofd, seal_ofd, world
from tests.builders.pdf import P256, plain_pdf, sealed_pdf

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = (
    "grpc", "google", "sqlalchemy", "sqlmodel", "alembic", "psycopg", "prefect", "minio", "fastapi",
    "pkcs11", "prometheus_client", "pypdfium2", "seal.store", "seal.rpc", "seal.v1", "seal.server",
    "seal.keys", "seal.pki.fetching", "exchange.server", "exchange.v1", "flows", "tongban.client",
)  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return verifier.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> verifier.Verifier:
    return verifier.install(wheel, tmp_path_factory.mktemp("verify") / "environment")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """What an auditor is given: roots, documents, a bundle, a receipt and the log's key."""
    folder = tmp_path_factory.mktemp("given")
    for number, one in enumerate((world(), world(P256))):
        path = folder / "trust" / "anchors" / f"{number}.cer"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.root_certificate)
    document = seal_ofd(plain_ofd())
    (folder / "letter.ofd").write_bytes(document)
    (folder / "letter.pdf").write_bytes(sealed_pdf(plain_pdf()))
    (folder / "seal.esl").write_bytes(world().seal())
    changed = bytearray(document)
    changed[document.index(b"HELLO") if b"HELLO" in document else len(document) // 2] ^= 1
    (folder / "changed.ofd").write_bytes(changed)
    (folder / "notes.txt").write_bytes(b"nothing of ours")
    record = make_record(
        "query", at=NOON, actor="departments/housing/systems/desk", facts={},
        commitments={"key": b"synthetic"},
    )  # fmt: skip
    _, (receipt,) = promise([record], shard="s1", sequence=1, at=NOON, key=log_key())
    saved = receipt_to_json(SavedReceipt(receipt=receipt, values={"key": "synthetic"}))
    (folder / "receipt.json").write_text(saved)
    key = log_key().verifier_key
    (folder / "log-key.txt").write_text(key + "\n")
    sealing = make_record(
        "document_sealed", at=NOON, actor="departments/housing/systems/desk",
        facts={"sha256_after": sha256(document).hexdigest()},
    ).leaf  # fmt: skip
    leaves = (ProvenLeaf(index=1, leaf=sealing, proof=proofs_of([b"{}", sealing])[1]),)
    proof = proof_to_json(LogProof(document=sha256(document).hexdigest(), leaves=leaves))
    (folder / "proof.json").write_text(proof)
    trusted = replace(
        world().store(), anchors=(*world().store().anchors, *world(P256).store().anchors)
    )
    bundle = make_evidence(
        document, store=trusted, now=max(datetime.now(UTC), SEALED_AT), maker="tongban 0.1.0",
        receipts=[saved.encode(), proof.encode()], log_key=key,
    )  # fmt: skip
    (folder / "evidence.zip").write_bytes(bundle)
    return folder


def test_the_wheel_holds_what_verifying_reaches_and_nothing_else(wheel, tmp_path):
    assert verifier.build(tmp_path).read_bytes() == wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        names = {name.removesuffix(".py").replace("/", ".") for name in archive.namelist()}
    assert {"seal.verify", "seal.evidence.assessing", "exchange.audit.verify"} <= names
    for name in FORBIDDEN:
        assert not {one for one in names if one == name or one.startswith(name + ".")}, name


def test_its_libraries_have_the_bounds_of_the_project(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = verifier.requirements(wheel)
    assert set(asked) <= set(project["dependencies"])
    assert {one.split(">")[0] for one in asked} >= {"cryptography", "asn1crypto", "lxml", "pyhanko"}


def test_everything_is_verified_offline(installed, files):
    trust = ("--trust", files / "trust")
    for name in ("letter.ofd", "letter.pdf", "seal.esl"):
        said = installed.run(files / name, *trust)
        assert (said.returncode, said.stdout[:6]) == (0, "PASSED"), said.stdout + said.stderr
    key = ("--log-key", files / "log-key.txt")
    said = installed.run(files / "proof.json", *key, "--document", files / "letter.pdf")
    assert (said.returncode, "not of the file" in said.stdout) == (1, True)
    for name in ("receipt.json", "proof.json", "evidence.zip"):
        said = installed.run(files / name, *trust, *key)
        assert (said.returncode, said.stdout[:6]) == (0, "PASSED"), said.stdout + said.stderr
    said = installed.run(files / "evidence.zip", *trust, "--json")
    assert said.returncode == 6
    assert json.loads(said.stdout)["reason"] == "LOG_KEY_NOT_TRUSTED"
    said = installed.run(files / "evidence.zip", "--trust-inside")
    assert said.returncode == 0, said.stdout + said.stderr


def test_answers_have_exit_codes(installed, files):
    trust = ("--trust", files / "trust")
    assert installed.run(files / "changed.ofd", *trust).returncode == 1
    assert installed.run(files / "letter.ofd").returncode == 6
    many = installed.run(files / "letter.ofd", files / "changed.ofd", *trust, "--json")
    assert many.returncode == 1
    told = [json.loads(line) for line in many.stdout.splitlines()]
    assert [one["verdict"]["indication"] for one in told] == ["PASSED", "FAILED"]
    said = installed.run(files / "notes.txt", *trust)
    assert (said.returncode, "DOCUMENT_FORMAT_UNKNOWN" in said.stderr) == (4, True)
    assert "Traceback" not in said.stderr
    said = installed.run(files / "receipt.json", *trust)
    assert (said.returncode, "LOG_KEY_MISSING" in said.stderr) == (4, True)


def test_it_prints_a_report_and_judges_folders(installed, files, tmp_path):
    trust = ("--trust", files / "trust")
    report = tmp_path / "report.pdf"
    said = installed.run(files / "letter.ofd", *trust, "--report", report)
    assert said.returncode == 0, said.stderr
    assert report.read_bytes().startswith(b"%PDF-")
    folder = tmp_path / "letters"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.ofd").write_bytes((files / "letter.ofd").read_bytes())
    said = installed.run(folder, *trust, "--processes", 2, "--json")
    assert said.returncode == 0, said.stderr
    assert len(said.stdout.splitlines()) == 20


def test_nothing_else_can_be_imported_there_and_no_address_be_asked_for(installed):
    tops = [name for name in FORBIDDEN if "." not in name]
    code = f"import importlib.util as u; print([n for n in {tops} if u.find_spec(n)])"
    assert python(installed, code).stdout.strip() == "[]"
    asked = python(installed, "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert "the verifier asked for a name" in asked.stderr


def python(installed: verifier.Verifier, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [installed.python, "-I", "-c", code], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def carried(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("carried")
    (folder / "wheels").mkdir()
    verifier.as_wheels(wheel, folder / "wheels")
    verifier.pack(folder / "wheels", folder / "tongban-verify.pyz")
    return folder / "tongban-verify.pyz"


def carry(carried: Path, files: Path, **environment: object) -> subprocess.CompletedProcess[str]:
    """Run the one file by itself."""
    told = {name: str(value) for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "-I", "-S", carried, files / "letter.ofd", "--trust", files / "trust"],
        capture_output=True, text=True, check=False,
        env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", **told},
    )  # fmt: skip


def test_one_file_to_carry_runs_by_itself(carried, files, tmp_path):
    home = tmp_path / "home"
    cache = home / ".cache" / "tongban-verify"
    older, other = cache / ("0" * 64), cache / ("1" * 64)
    (older / "tongban").mkdir(parents=True)
    (older / "tongban" / "verifier.py").write_text("")
    other.mkdir()  # none of ours
    first, second = carry(carried, files, HOME=home), carry(carried, files, HOME=home)
    for said in (first, second):  # laid out by the first run, used by the second
        assert (said.returncode, said.stdout[:6]) == (0, "PASSED"), said.stderr
    (folder,) = [one for one in cache.iterdir() if one != other]
    assert f"unpacked once into {folder} (" in first.stderr
    assert "and removed 1 older" in first.stderr
    assert (second.stderr, other.is_dir()) == ("", True)


def test_the_one_file_unpacks_where_it_is_told(carried, files, tmp_path):
    home = tmp_path / "home"
    said = carry(carried, files, HOME=home, TONGBAN_VERIFY_CACHE=tmp_path / "here")
    assert (said.returncode, len(list((tmp_path / "here").iterdir()))) == (0, 1), said.stderr
    said = carry(carried, files, HOME=home, XDG_CACHE_HOME=tmp_path / "cache")
    assert (said.returncode, (tmp_path / "cache" / "tongban-verify").is_dir()) == (0, True)
    assert not home.exists()


def test_the_one_file_says_what_to_do_where_it_cannot_unpack(carried, files):
    for environment in ({"HOME": "/dev/null/home"}, {"TONGBAN_VERIFY_CACHE": "/dev/null"}):
        said = carry(carried, files, **environment)
        assert (said.returncode, said.stdout) == (5, "")
        assert "TONGBAN_VERIFY_CACHE=/some/folder" in said.stderr
        assert "Traceback" not in said.stderr
