"""What the command says to a person who errs: a reason and an exit code, and nothing is left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import typer

from tests.builders import commands
from tongban import __version__
from tongban.main import app

SYSTEM = "departments/a/systems/b"
FORGERIES = Path(__file__).resolve().parents[1] / "conformance" / "forgeries"


def environment(**extra: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TONGBAN_")}
    pages = {"TONGBAN_PORTAL__LISTEN": ""}  # several nodes run at once here
    return {**clean, **pages, "COLUMNS": "200", "TONGBAN_LANG": "en", **extra}


def run(*arguments, folder=None):
    return commands.run(*arguments, folder=folder)


def groups(group: click.Group, path: tuple[str, ...] = ()):
    yield path
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from groups(command, (*path, name))


COMMAND = typer.main.get_command(app)


@pytest.mark.parametrize("path", list(groups(COMMAND)), ids=" ".join)
def test_every_group_shows_an_example_of_its_own(path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        COMMAND([*path, "--help"], prog_name="tongban")
    assert ended.value.code == 0
    assert f"Example: {' '.join(('tongban', *path))} " in capsys.readouterr().out


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert __version__ == project["project"]["version"]
    assert run("--version").stdout == f"tongban {__version__}\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A node's folder that never ran, an identity, a file and an empty folder."""
    folder = tmp_path_factory.mktemp("place")
    assert run("identity", "init", "--data", "node", folder=folder).returncode == 0
    made = run("identity", "enrol", SYSTEM, "--data", "node", "--out", "identity", folder=folder)
    assert made.returncode == 0, made.stderr
    (folder / "file").write_text("部门标识\n", "utf-8")
    (folder / "file.pdf").write_bytes(b"%PDF-1.7\n")
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    return folder


@pytest.mark.parametrize(
    ("code", "reason", "command"),
    [
        (4, "NO_FOLDER", "demo --data file"),
        (4, "NO_FOLDER", "demo --data file/below"),
        (4, "NO_FOLDER", "serve --data file"),
        (4, "NO_FOLDER", "identity init --data file"),
        (4, "NO_NODE_FOLDER", f"identity enrol {SYSTEM} --data file --out new"),
        (4, "NO_NODE_FOLDER", f"identity enrol {SYSTEM} --data nosuch --out new"),
        (4, "FILE_UNWRITABLE", f"identity enrol {SYSTEM} --data node --out file"),
        (4, "FILE_UNWRITABLE", f"identity enrol {SYSTEM} --data node --out file/below"),
        (4, "NO_NODE_FOLDER", "identity revoke identity --data nosuch"),
        (4, "CERTIFICATE_UNREADABLE", "identity revoke folder --data node"),
        (4, "FOREIGN_CERTIFICATE", "identity revoke file --data node"),
        (4, "NO_NODE_FOLDER", "audit fsck --data nosuch"),
        (4, "NO_NODE_FOLDER", "audit fsck --data file"),
        (4, "NO_NODE_FOLDER", "audit fsck"),
        (3, "LOG_KEY_MISSING", "audit fsck --data node"),
        (4, "FILE_UNREADABLE", "audit log file --key file"),
        (4, "FILE_UNREADABLE", "audit log folder --key file"),
        (4, "FILE_UNREADABLE", "audit verify folder --key file"),
        (4, "BAD_RECEIPT", "audit verify file --key file"),
        (4, "NO_DOCUMENTS", "seal verify folder --trust folder"),
        (4, "NO_ANCHORS", "seal verify file.pdf --trust file"),
        (4, "DOCUMENT_FORMAT_UNKNOWN", "seal verify file --trust folder"),
        (4, "DOCUMENT_FORMAT_UNKNOWN", "seal verify empty"),
        (4, "SIGNATURE_FORMAT_UNKNOWN", f"seal verify file.pdf --digest {'ab' * 32}"),
        (4, "ABOUT_WITHOUT_DIGEST", "seal verify file.pdf --about x"),
        (4, "BAD_DIGEST", "seal verify file.pdf --digest xyz"),
        (3, "IDENTITY_MISSING", "catalog departments --identity file"),
        (4, "FILE_UNREADABLE", "publish departments/a/resources/r folder"),
        (4, "TABLE_UNREADABLE", "flow run directory-sync nosuch.csv --data flows"),
        (4, "COLUMNS_MISSING", "flow run directory-sync identity/ca.pem --data flows"),
        (4, "FILE_UNWRITABLE", "flow run directory-sync file --data file"),
        (4, "BAD_SETTING", "serve --data new --listen 127.0.0.1:99999"),
        (4, "BAD_SETTING", "serve --data new --listen foo"),
        (4, "BAD_SETTING", "serve --data new --metrics foo"),
        (4, "MALFORMED_NAME", "query foo --key k --purpose p --case c"),
        (4, "MALFORMED_NAME", "query departments/../grants/x --key k --purpose p --case c"),
        (4, "MALFORMED_NAME", "verify foo --key k --claim a=b --purpose p --case c"),
        (4, "MALFORMED_NAME", "subscribe foo"),
    ],
)
def test_a_mistake_is_told_and_leaves_nothing(place, code, reason, command):
    before = sorted(str(path) for path in place.rglob("*"))
    said = run(*command.split(), folder=place)
    assert "Traceback" not in said.stderr
    assert said.stderr.startswith(f"{reason} "), said.stderr
    assert said.returncode == code
    assert sorted(str(path) for path in place.rglob("*")) == before


def test_a_node_says_that_it_serves_when_it_does(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for options in (("--listen", address), ("--listen", "127.0.0.1:0", "--metrics", address)):
            said = run("serve", "--data", tmp_path / "data", *options)
            assert said.returncode == 5
            assert "PORT_IN_USE" in said.stderr
            assert "serving" not in said.stderr
            assert "Traceback" not in said.stderr
    process = subprocess.Popen(
        [sys.executable, "-m", "tongban", "serve", "--data", str(tmp_path / "data"), "--json",
         "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment(),
    )  # fmt: skip
    try:
        assert process.stdout
        told = json.loads(process.stdout.readline())
        assert told["data"] == str(tmp_path / "data")
        host, _, port = told["serving"].partition(":")
        socket.create_connection((host, int(port)), timeout=5).close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()


def test_enrolling_leaves_the_identity_of_another_system_alone(place):
    def enrol(system, out):
        return run("identity", "enrol", system, "--data", "node", "--out", out, folder=place)

    assert enrol("departments/a/systems/first", "shared").returncode == 0
    kept = {p.name: p.read_bytes() for p in (place / "shared").iterdir()}
    said = enrol("departments/a/systems/second", "shared")
    assert (said.returncode, said.stderr.split()[0]) == (3, "FOLDER_OF_ANOTHER")
    assert {p.name: p.read_bytes() for p in (place / "shared").iterdir()} == kept
    revoke = ("identity", "revoke", "departments/a/systems/first", "--data", "node")
    assert run(*revoke, folder=place).returncode == 0
    revoke = ("identity", "revoke", "departments/a/systems/second", "--data", "node")
    said = run(*revoke, folder=place)
    assert (said.returncode, said.stderr.split()[0]) == (3, "SYSTEM_NOT_ENROLLED")


@pytest.mark.parametrize("arguments", [["--help"], ["seal", "verify", FORGERIES, "--json"]])
def test_a_reader_that_goes_away_ends_a_command_quietly(arguments, tmp_path):
    """`tongban … | head`: no answer (code 1), and no complaint; the report stands all the same."""
    report = tmp_path / "report.pdf"
    if "verify" in arguments:
        arguments = [*arguments, "--trust", FORGERIES / "trust", "--report", report]
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "tongban", *map(str, arguments)],
        stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        env=environment(PYTHONPATH=str(Path(__file__).resolve().parents[2])),
    )  # fmt: skip
    os.close(writing)
    assert ended.returncode == 141
    assert "Traceback" not in ended.stderr
    assert "Broken pipe" not in ended.stderr
    assert report.exists() == ("verify" in arguments)
