"""A bundle of evidence by commands alone: made, verified, tampered with."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange.audit.proved import LogProof, ProvenLeaf, proof_to_json
from seal.trust import issue_crl
from tests.builders import tsa
from tests.builders.commands import run
from tests.builders.ocsp import addresses, http_server
from tests.builders.ofd import plain_ofd, seal_ofd, unpack, world
from tests.builders.seal_pki import Holder, issue


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    (folder / "trust" / "anchors").mkdir(parents=True)
    (folder / "trust" / "anchors" / "root.cer").write_bytes(world().root_certificate)
    (folder / "letter.ofd").write_bytes(seal_ofd(plain_ofd()))
    return folder


def test_a_bundle_is_made_and_verified_by_commands(given, tmp_path):
    bundle, trust = tmp_path / "evidence.zip", ("--trust", given / "trust")
    make = ("seal", "evidence", "make", given / "letter.ofd", "--out", bundle, *trust)
    with tsa.authority() as authority:
        stamp = ("--timestamp-url", authority.url)
        refused = run(*make, *stamp)
        assert (refused.returncode, "TIMESTAMP_NOT_TRUSTED" in refused.stderr) == (4, True)
        assert not bundle.exists()
        roots = given / "trust" / "timestamp-anchors"
        roots.mkdir(exist_ok=True)
        (roots / "tsa.cer").write_bytes(authority.root)
        made = run(*make, *stamp, "--json")
    assert made.returncode == 0, made.stdout + made.stderr
    told = json.loads(made.stdout)
    assert told["evidence"] == str(bundle)
    assert told["verdict"]["indication"] == "PASSED"
    files = unpack(bundle.read_bytes())
    assert "META-INF/timestamp.tst" in files
    assert files["report.pdf"].startswith(b"%PDF-")
    assert files["document.ofd"] == (given / "letter.ofd").read_bytes()
    said = run("seal", "verify", bundle, *trust)
    assert (said.returncode, said.stdout[:6]) == (0, "PASSED"), said.stdout + said.stderr
    again = run("seal", "evidence", "make", bundle, "--out", tmp_path / "again.zip", *trust)
    assert (again.returncode, "EVIDENCE_KIND" in again.stderr) == (4, True)
    over = run(*make)
    assert (over.returncode, "FILE_EXISTS" in over.stderr) == (4, True)
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    assert run("seal", "verify", bundle, *trust).returncode == 1


def test_a_proof_of_another_document_is_not_put_into_a_bundle(given, tmp_path):
    proof = tmp_path / "proof.json"
    other = LogProof(
        document="ab" * 32, leaves=(ProvenLeaf(index=0, leaf=b"{}", proof="unverified"),)
    )
    proof.write_text(proof_to_json(other))
    made = run(
        "seal", "evidence", "make", given / "letter.ofd", "--out", tmp_path / "evidence.zip",
        "--trust", given / "trust", "--receipt", proof,
    )  # fmt: skip
    assert (made.returncode, made.stderr.partition(" ")[0]) == (4, "RECEIPT_OF_ANOTHER_DOCUMENT")
    assert not (tmp_path / "evidence.zip").exists()


def test_a_bundle_of_what_is_not_trusted_is_written_and_told(given, tmp_path):
    (tmp_path / "trust" / "anchors").mkdir(parents=True)
    other = world("ecdsa-p256-sha256").root_certificate
    (tmp_path / "trust" / "anchors" / "other.cer").write_bytes(other)
    bundle = tmp_path / "evidence.zip"
    made = run(
        "seal", "evidence", "make", given / "letter.ofd", "--out", bundle,
        "--trust", tmp_path / "trust",
    )  # fmt: skip
    assert made.returncode == 6, made.stdout + made.stderr
    assert bundle.exists()


def test_fresh_revocation_data_is_fetched_into_the_bundle(given, tmp_path):
    root = Holder(signer=world().root, certificate=world().root_certificate)
    now = datetime.now(UTC).replace(microsecond=0)
    with http_server() as server:
        url = server.url + "/list.crl"
        signer = issue("示范县", root, extensions=addresses(crl=[url]))
        listed = issue_crl(
            issuer=root.signer,
            issuer_certificate=root.certificate,
            this_update=now,
            next_update=now + timedelta(days=7),
            number=1,
            revoked=(),
        )
        server.put("/list.crl", listed)
        document = tmp_path / "letter.ofd"
        document.write_bytes(
            seal_ofd(
                plain_ofd(),
                seal=world().seal(listed=(signer.certificate,)),
                signer=signer.signer,
                certificate=signer.certificate,
            )
        )
        make = ("seal", "evidence", "make", document, "--trust", given / "trust", "--out")
        public = run(*make, tmp_path / "public.zip", "--fetch", "public")
        assert (public.returncode, "no revocation data" in public.stderr) == (0, True)
        assert server.asked == []  # loopback is no public network
        made = run(*make, tmp_path / "evidence.zip", "--fetch", "anywhere")
    assert made.returncode == 0, made.stdout + made.stderr
    assert server.asked == [("GET", "/list.crl")]
    files = unpack((tmp_path / "evidence.zip").read_bytes())
    assert files["revocation/001.crl"] == listed
    assert signer.certificate in files.values()
