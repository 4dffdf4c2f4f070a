"""`tongban seal` as people use it: what is written, what is told, what goes on from the old."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.builders import commands, county
from tests.builders.ofd import plain_ofd

DEPARTMENT = "departments/human-resources"
SEAL = f"{DEPARTMENT}/seals/official"
NAME, CODE = "示范县人力资源和社会保障局", "11990101000000035K"


def run(*arguments: object, lang: str = "en") -> subprocess.CompletedProcess[str]:
    return commands.run(*arguments, language=lang, columns=240)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Options that connect as one of the systems, to a node with one seal."""
    with county.county(tmp_path_factory.mktemp("seals") / "data") as scene:

        def options(key: str) -> tuple[object, ...]:
            return ("--node", scene.address, "--identity", scene.identity(key))

        made(options, "official")
        yield options


def made(at: Any, seal_id: str, *options: object) -> str:
    """Asks for a seal, and has it approved."""
    asked = run(
        "seal", "request", DEPARTMENT, seal_id, "--name", NAME, "--credit-code", CODE, *options,
        *at("centre"),
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    name = f"{DEPARTMENT}/seals/{seal_id}"
    approved = run("seal", "approve", name, *at("seals"))
    assert approved.returncode == 0, approved.stderr
    return name


def shown(at: Any, name: str) -> dict[str, Any]:
    told = run("seal", "show", name, "--json", *at("seals"))
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def uses(at: Any) -> int:
    return len(json.loads(run("seal", "uses", SEAL, "--json", *at("seals")).stdout))


# --- files -------------------------------------------------------------------------------------


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.ofd"
    path.write_bytes(plain_ofd())
    return path


def test_nothing_is_sealed_for_a_place_that_takes_no_file(
    at: Any, letter: Path, tmp_path: Path
) -> None:
    before = uses(at)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "1.ofd").write_bytes(plain_ofd())
    for command in (
        ("seal", "sign", SEAL, letter, "--out", tmp_path),
        ("seal", "sign", SEAL, letter, "--out", letter / "below"),
        ("seal", "sign", SEAL, "--digest", "ab" * 32, "--out", tmp_path),
        ("seal", "batch", SEAL, tmp_path / "letters", "--out", letter),
    ):
        said = run(*command, "--reason", "公告", *at("employment"))
        assert (said.returncode, said.stderr.split()[0]) == (4, "FILE_UNWRITABLE"), said.stderr
    assert uses(at) == before


def test_what_was_sealed_and_not_written_is_fetched_by_its_id(
    at: Any, letter: Path, tmp_path: Path
) -> None:
    before = uses(at)
    out = tmp_path / "out" / "sealed.ofd"
    command = ("seal", "sign", SEAL, letter, "--out", out, "--reason", "公告", *at("employment"))

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    failed = subprocess.run(
        [sys.executable, "-m", "tongban", *map(str, command), "--json"],
        capture_output=True, text=True, timeout=120, check=False, preexec_fn=small_files,
    )  # fmt: skip
    assert failed.stdout, failed.stderr
    error = json.loads(failed.stdout)["error"]
    ident = error["metadata"]["request_id"]
    assert f"--request-id {ident}" in error["message"]
    assert f"--request-id {ident}" in error["message_zh"]
    assert list(out.parent.iterdir()) == []
    assert uses(at) == before + 1
    again = run(*command, "--request-id", ident)
    assert again.returncode == 0, again.stderr
    assert out.is_file()
    assert uses(at) == before + 1


def test_a_batch_names_a_link_that_leads_nowhere(at: Any, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "1.ofd").write_bytes(plain_ofd())
    (folder / "2.ofd").symlink_to(tmp_path / "gone.ofd")
    said = run(
        "seal", "batch", SEAL, folder, "--out", tmp_path / "out", "--reason", "批量", "--json",
        *at("employment"),
    )  # fmt: skip
    good, bad = json.loads(said.stdout)
    assert (said.returncode, good["stamp_count"], bad["error"]["reason"]) == (
        3, 1, "FILE_UNREADABLE",
    )  # fmt: skip
    assert "a link" in bad["error"]["message"]
    assert "链接" in bad["error"]["message_zh"]


# --- proving ----------------------------------------------------------------------------------


def test_a_sealing_is_proved_and_put_into_a_bundle(at: Any, letter: Path, tmp_path: Path) -> None:
    sealed, proof, key = (tmp_path / name for name in ("sealed.ofd", "proof.json", "key.txt"))
    said = run("seal", "sign", SEAL, letter, "--out", sealed, "--reason", "公告", *at("employment"))
    assert said.returncode == 0, said.stderr
    prove = ("audit", "prove", sealed, "--out", proof)
    for _ in range(50):  # the log takes a record in within about a second
        said = run(*prove, "--json", *at("market"))
        if said.returncode == 0:
            break
        assert (said.returncode, proof.exists()) == (1, False), said.stderr
        assert json.loads(said.stdout)["found"] == 0
    told = json.loads(said.stdout)
    (record,) = told["records"]
    assert (told["found"], record["record"]["kind"]) == (1, "document_sealed")
    over = run(*prove, *at("market"))
    assert (over.returncode, "FILE_EXISTS" in over.stderr) == (4, True)
    none = run("audit", "prove", letter, "--out", tmp_path / "none.json", *at("market"))
    assert (none.returncode, "names this file" in none.stderr) == (1, True)
    zh = run("audit", "prove", letter, "--out", tmp_path / "none.json", *at("market"), lang="zh")
    assert "没有指明该文件的记录" in zh.stderr
    assert not (tmp_path / "none.json").exists()

    assert run("audit", "key", "--out", key, *at("market")).returncode == 0
    for command in (("audit", "verify", proof, "--key", key), ("seal", "verify", proof,
                    "--log-key", key)):  # fmt: skip
        said = run(*command, "--document", sealed)
        assert (said.returncode, said.stdout[:6]) == (0, "PASSED"), said.stdout + said.stderr
        said = run(*command, "--document", letter)
        assert (said.returncode, said.stdout[:6]) == (1, "FAILED"), said.stdout + said.stderr
    assert run("seal", "trust", "--out", tmp_path / "trust", *at("market")).returncode == 0
    make = ("seal", "evidence", "make", "--trust", tmp_path / "trust", "--receipt", proof,
            "--log-key", key, "--out")  # fmt: skip
    bundle = tmp_path / "evidence.zip"
    said = run(*make, bundle, sealed, "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    said = run("seal", "verify", bundle, "--trust", tmp_path / "trust", "--log-key", key, "--json")
    (check,) = [c for c in json.loads(said.stdout)["checks"] if c["name"] == "evidence_receipt"]
    assert "of this document: document_sealed" in check["detail"]
    assert said.returncode == 0


# --- replacing, images ---------------------------------------------------------------------------

OVAL = (
    "--shape", "oval", "--bottom-line", "发票专用章", "--code", "9901010000001", "--digests",
)  # fmt: skip
KIND = ("shape", "bottom_line", "seal_code", "width_mm", "height_mm", "signer_list_type", "version")


def test_a_replacement_is_the_same_kind_of_seal_and_says_what_differs(at: Any) -> None:
    name = made(at, "oval", *OVAL)
    old = shown(at, name)
    assert (old["width_mm"], old["height_mm"]) == (40, 30)

    assert run("seal", "replace", name, "oval2", *at("centre")).returncode == 0
    same = shown(at, f"{name}2")
    assert {field: same[field] for field in KIND} == {field: old[field] for field in KIND}
    told = run("seal", "show", f"{name}2", *at("seals")).stdout
    assert f"Like {name}, which it replaces, but for its keys and its times" in told
    assert run("seal", "reject", f"{name}2", "--reason", "样例", *at("seals")).returncode == 0

    other = ("--bottom-line", "财务专用章", "--certificates")
    assert run("seal", "replace", name, "oval3", *other, *at("centre")).returncode == 0
    for lang, title in (("en", f"Differs from {name}"), ("zh", f"与被替换的 {name} 不同之处")):
        told = run("seal", "show", f"{name}3", *at("seals"), lang=lang).stdout
        _, _, differing = told.partition(title)
        rows = [line.split("│")[1:4] for line in differing.splitlines() if line.startswith("│")]
        assert len(rows) == 2, told
        assert [cell.strip() for cell in rows[0][1:]] == ["发票专用章", "财务专用章"]
    approved = run("seal", "approve", f"{name}3", *at("seals"))
    assert f"Differs from {name}" in approved.stdout
    assert "Differs" not in run("seal", "show", f"{name}3", *at("seals")).stdout


def test_an_image_that_would_be_passed_over_is_refused(at: Any, tmp_path: Path) -> None:
    empty, picture = tmp_path / "empty.png", tmp_path / "seal.png"
    empty.touch()
    assert run("seal", "show", SEAL, "--image", picture, *at("seals")).returncode == 0
    ask = ("seal", "request", DEPARTMENT, "imaged", "--name", NAME, "--credit-code", CODE)
    size = ("--width", "42", "--height", "42", *at("centre"))
    for options, reason, named in (
        (("--image", empty), "SEAL_IMAGE_DAMAGED", "--image"),
        (("--image", picture, "--shape", "square"), "BAD_SEAL_REQUEST", "--shape"),
        (("--image", picture, "--bottom-line", "专用章"), "BAD_SEAL_REQUEST", "--image"),
    ):
        said = run(*ask, *options, *size)
        assert (said.returncode, said.stderr.split()[0]) == (4, reason), said.stderr
        assert named in said.stderr
    assert run("seal", "show", f"{DEPARTMENT}/seals/imaged", *at("seals")).returncode == 3


def test_a_drawn_image_is_had_as_a_vector(at: Any, tmp_path: Path) -> None:
    ask = ("seal", "request", DEPARTMENT)
    named = ("--name", NAME, "--credit-code", CODE, *at("centre"))
    assert run(*ask, "vector", *OVAL, *named).returncode == 0
    png, svg = tmp_path / "seal.png", tmp_path / "seal.svg"
    show = ("seal", "show", f"{DEPARTMENT}/seals/vector", *at("seals"))
    assert run(*show, "--image", png, "--svg", svg).returncode == 0
    root = ElementTree.fromstring(svg.read_text("utf-8"))  # noqa: S314  # our own output
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (root.get("width"), root.get("height")) == ("40mm", "30mm")
    assert root.get("viewBox") == "0 0 40 30"
    assert len(root.findall(".//{http://www.w3.org/2000/svg}path")) > 20

    picture = ("--image", png, "--width", "40", "--height", "30")
    assert run(*ask, "uploaded", *picture, *named).returncode == 0
    none = tmp_path / "none.svg"
    for lang, word in (("en", "--image"), ("zh", "上传")):
        said = run(
            "seal", "show", f"{DEPARTMENT}/seals/uploaded", "--svg", none, *at("seals"), lang=lang
        )
        assert (said.returncode, said.stderr.split()[0]) == (3, "NO_VECTOR_IMAGE"), said.stderr
        assert word in said.stderr
    assert not none.exists()
