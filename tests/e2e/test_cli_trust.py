"""Recognising another authority by commands alone: its documents, before, while and after."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seal.v1 import seal_pb2 as pb
from tests.builders import county
from tests.builders.authorities import CREDIT_CODE
from tests.builders.ofd import plain_ofd
from tests.builders.seal_node import seal_request, start
from tests.builders.seal_pki import pki
from tongban.demonstration.stage import Stage
from tongban.main import application
from tongban.trust_folder import TrustFolder

NAME = "authorities/shifan-city"
TERMS = ("--name", "示范市", "--credit-code", CREDIT_CODE, "--legal-basis", "互认协议2026年第1号")


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object, language: str = "en") -> Said:
    """A command in this process: there are many."""
    words = list(map(str, arguments))
    told = CliRunner().invoke(application(words[0]), words, env={"TONGBAN_LANG": language})
    return Said(told.exit_code, told.stdout, told.stderr)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with county.county(tmp_path_factory.mktemp("stage") / "data") as found:
        yield found


@dataclass(frozen=True)
class Neighbour:
    """What another authority's node handed out, and a document that it sealed an hour ago."""

    folder: Path
    document: Path


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Neighbour:
    place = tmp_path_factory.mktemp("neighbour")
    other = start(place / "data", at=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
    other.make_seal()
    (place / "sealed.ofd").write_bytes(
        other.call("SealDocument", seal_request(plain_ofd())).document
    )
    TrustFolder(place / "trust").write(other.call("GetTrustMaterial", pb.GetTrustMaterialRequest()))
    other.server.database.close()
    return Neighbour(place / "trust", place / "sealed.ofd")


@pytest.fixture
def at(scene: Stage):
    return lambda key: ("--node", scene.address, "--identity", scene.identity(key))


def test_a_neighbour_is_recognised_changed_and_withdrawn(at, neighbour: Neighbour, tmp_path: Path):
    one, two, market = at("centre"), at("seals"), at("market")

    def verified(*how: object) -> int:
        return run("seal", "verify", neighbour.document, *how).returncode

    assert verified(*market) == 6
    asked = run("trust", "propose", "shifan-city", *TERMS, "--folder", neighbour.folder, *one)
    assert (asked.returncode, asked.stdout) == (0, f"Asked for {NAME}: PROPOSED\n"), asked.stderr
    own = run("trust", "approve", NAME, *one)
    assert (own.returncode, "SECOND_PERSON_NEEDED" in own.stderr) == (3, True)
    assert run("trust", "show", NAME, *market).returncode == 3
    shown = json.loads(run("trust", "show", NAME, "--json", *two).stdout)
    assert len(shown["terms"]["anchors"]) == len(shown["revocation_lists"]) == 2
    (maker,) = shown["terms"]["anchors"][0]["makers"]
    assert json.loads((neighbour.folder / "list.json").read_text())["anchors"][0]["makers"] == [
        maker
    ]
    assert verified(*market) == 6
    done = run("trust", "approve", NAME, "--etag", shown["etag"], *two)
    assert done.returncode == 0, done.stderr
    for what in (shown["terms"]["anchors"][0]["sha256"], maker, "互认协议2026年第1号", CREDIT_CODE):
        assert what in done.stdout, "who approves is shown what"
    assert verified(*market) == 0
    told = run("seal", "verify", neighbour.document, "--json", *market).stdout
    assert f"recognised: 示范市 ({NAME})" in told, "the report says on which list the trust rests"
    saved = run("seal", "trust", "--out", tmp_path / "trust", *market)
    assert saved.returncode == 0, saved.stderr
    assert verified("--trust", tmp_path / "trust") == 0, "offline too"

    extra = tmp_path / "root.pem"
    extra.write_text(ssl.DER_cert_to_PEM_cert(pki().root.certificate))
    more = run(
        "trust", "change", NAME, "--anchor", extra, "--purpose", "signer", "--suite", "sm2-sm3",
        "--from", "2026-02-01", "--until", "2026-12-31", "--grace", "3d", "--require-revocation",
        "--maker", extra, *two,
    )  # fmt: skip
    assert (more.returncode, more.stdout) == (0, f"Asked for a change of {NAME}: RECOGNISED\n")
    assert run("trust", "approve", NAME, *one).returncode == 0
    terms = json.loads(run("trust", "show", NAME, "--json", *market).stdout)["terms"]
    added = terms["anchors"][2]
    assert added["purposes"] == ["TRUST_PURPOSE_SIGNER"]
    assert added["suites"] == ["sm2-sm3"]
    assert added["makers"] == [sha256(pki().root.certificate).hexdigest()]
    assert terms["anchors"][0]["makers"] == [maker], "those of before stay as they were"
    assert (added["start_time"], added["end_time"]) == (
        "2026-01-31T16:00:00Z", "2026-12-31T16:00:00Z",
    )  # fmt: skip
    assert (terms["revocation_rule"], terms["display_name"]) == (
        {"required": True, "grace": "259200s"}, "示范市",
    )  # fmt: skip
    assert run("trust", "change", NAME, "--drop", added["sha256"][:10], *two).returncode == 0
    turned = run("trust", "reject", NAME, "--reason", "保留", *two)
    assert (turned.returncode, turned.stdout) == (0, f"Turned down {NAME}: RECOGNISED\n")

    day = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%d")
    ended = run("trust", "withdraw", NAME, "--as-of", day, "--reason", "协议终止", *one)
    assert (ended.returncode, ended.stdout) == (0, f"Withdrawn {NAME}: WITHDRAWN\n"), ended.stderr
    assert verified(*market) == 6, "it was sealed after that day"
    listed = run("trust", "list", *market).stdout
    assert NAME in listed
    assert day in listed
    history = run("trust", "history", NAME, *one).stdout
    kinds = ("withdrawn", "change_rejected", "change_approved", "list_added", "approved")
    assert all(kind in history for kind in kinds), history
    assert run("trust", "history", NAME, *market).returncode == 3


def test_what_is_withdrawn_from_its_beginning_on_leaves_the_rest_readable(
    at, neighbour: Neighbour, tmp_path: Path
):
    """It is told by nobody's list: a list says from when until when somebody is trusted."""
    one, two, market = at("centre"), at("seals"), at("market")
    asked = run("trust", "propose", "void", *TERMS, "--folder", neighbour.folder, *one)
    assert asked.returncode == 0, asked.stderr
    assert run("trust", "approve", "authorities/void", *two).returncode == 0
    ended = run(
        "trust", "withdraw", "authorities/void", "--as-of", "1990-01-01", "--reason", "误认", *one
    )
    assert ended.returncode == 0, ended.stderr
    assert run("seal", "trust", "--out", tmp_path / "trust", *market).returncode == 0
    offline = run("seal", "verify", neighbour.document, "--trust", tmp_path / "trust")
    assert offline.returncode == 6, offline.stderr
    bundle = tmp_path / "evidence.zip"
    made = run("seal", "evidence", "make", neighbour.document, "--out", bundle, *market)
    assert made.returncode == 6, made.stderr
    assert "EVIDENCE" not in run("seal", "verify", bundle, *market).stdout
    assert run("seal", "verify", bundle, *market).returncode == 6


def test_mistakes_are_told_with_what_to_do(at, neighbour: Neighbour, tmp_path: Path):
    admin = at("centre")
    text = tmp_path / "text.txt"
    text.write_text("no certificate\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    cases = [
        (("propose", "x", *TERMS, "--anchor", text), 4, "FILE_NOT_A_CERTIFICATE"),
        (("propose", "x", *TERMS, "--anchor", neighbour.document), 4, "FILE_NOT_A_CERTIFICATE"),
        (("propose", "x", *TERMS, "--anchor", tmp_path / "none"), 4, "FILE_UNREADABLE"),
        (("propose", "x", *TERMS, "--folder", empty), 4, "NO_ANCHORS"),
        (("propose", "x", *TERMS), 4, "BAD_AUTHORITY_TERMS"),
        (("propose", "X", *TERMS, "--folder", neighbour.folder), 4, "MALFORMED_ID"),
        (("propose", "x", *TERMS, "--folder", neighbour.folder, "--grace", "1w"), 4, "BAD_GRACE"),
        (("propose", "x", *TERMS, "--folder", neighbour.folder, "--from", "soon"), 4, "BAD_TIME"),
        (("propose", "x", *TERMS, "--folder", neighbour.folder, "--suite", "md5"), 4,
         "BAD_AUTHORITY_TERMS"),
        (("withdraw", "authorities/none", "--reason", "x"), 3, "AUTHORITY_NOT_FOUND"),
        (("withdraw", "authorities/none", "--reason", "x", "--as-of", "2026-06-01T12:00"), 4,
         "BAD_TIME"),
        (("show", "none"), 4, "MALFORMED_NAME"),
        (("add-revocation-list", "authorities/none", neighbour.folder / "anchors/01.cer"), 3,
         "AUTHORITY_NOT_FOUND"),
    ]  # fmt: skip
    for arguments, code, reason in cases:
        said = run("trust", *arguments, *admin)
        assert (said.returncode, said.stderr.partition(" ")[0]) == (code, reason), said.stderr
        assert "Traceback" not in said.stderr
        chinese = run("trust", *arguments, *admin, language="zh").stderr
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese), chinese
    refused = run("trust", "propose", "x", *TERMS, "--folder", neighbour.folder, *at("market"))
    assert (refused.returncode, "ROLE_NOT_ALLOWED" in refused.stderr) == (3, True)
