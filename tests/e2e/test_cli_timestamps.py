"""A node with a time-stamp authority in its settings, used and trusted by commands alone."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import county
from tests.builders.commands import run
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.tsa import Authority, authority
from tongban.demonstration.stage import Stage


@pytest.fixture(scope="module")
def tsa() -> Iterator[Authority]:
    with authority() as here:
        yield here


@pytest.fixture(scope="module")
def scene(tsa: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stamping")
    (folder / "tsa.pem").write_text(ssl.DER_cert_to_PEM_cert(tsa.root))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TONGBAN_SEAL__TIMESTAMP_URL", tsa.url)
        environment.setenv("TONGBAN_SEAL__TIMESTAMP_ANCHORS", str(folder / "tsa.pem"))
        environment.setenv("TONGBAN_SEAL__TIMESTAMP_LISTS", str(tsa.folder / "root.crl.pem"))
        with county.county(folder / "data") as found:
            county.seal(found)
            yield found


def test_what_a_node_stamps_passes_by_the_trust_that_it_hands_out(
    scene: Stage, tsa: Authority, tmp_path: Path
) -> None:
    def at(key: str) -> tuple[object, ...]:
        return "--node", scene.address, "--identity", scene.identity(key)

    seal, trust = "departments/human-resources/seals/official", tmp_path / "trust"
    saved = run("seal", "trust", "--out", trust, *at("market"))
    assert saved.returncode == 0, saved.stderr
    (root,) = (trust / "timestamp-anchors").iterdir()
    assert root.read_bytes() == tsa.root
    assert tsa.root not in [path.read_bytes() for path in (trust / "anchors").iterdir()]
    files = {"ofd": plain_ofd(), "pdf": plain_pdf()}
    for kind, level in (
        ("ofd", "timestamped"),
        ("pdf", "timestamped"),
        ("pdf", "long-term"),
        ("pdf", "archival"),
    ):
        plain, sealed = tmp_path / f"plain.{kind}", tmp_path / f"{level}.{kind}"
        plain.write_bytes(files[kind])
        done = run(
            "seal", "sign", seal, plain, "--out", sealed, "--reason", "加盖", "--level", level,
            *at("employment"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        for how in (("--trust", trust), at("market")):
            said = run("seal", "verify", sealed, *how)
            assert (said.returncode, said.stdout[:7]) == (0, "PASSED "), said.stdout + said.stderr
    digest = tmp_path / "digest.ses"
    done = run(
        "seal", "sign", seal, "--digest", "ab" * 32, "--about", "case 1", "--out", digest,
        "--reason", "外部系统", "--level", "timestamped", *at("employment"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check = ("seal", "verify", digest, "--digest", "ab" * 32, "--about", "case 1", "--trust", trust)
    assert run(*check).returncode == 0
    root.unlink()  # as folders were before
    (trust / "list.json").unlink()
    assert run(*check).returncode == 6
