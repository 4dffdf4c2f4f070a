"""The README and the guides, run as they stand: every `console` block, against a real node.

A line that begins with `$ ` is a command, `> ` continues it. It must end with exit code 0. The
lines below it must appear in what it prints, in their order; `…` stands for anything, a space for
any number of them. A command that ends in `&` goes to the background and is waited for until its
lines have appeared. A block without a command goes on with the output of the one before. The
commands of a document share one shell.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runtime.config import MonitoringSettings, SealSettings, Settings, load
from runtime.portal_settings import PortalSettings, SignInSettings
from tests.builders import commands, warm
from tests.builders.flow_server import flow_server

ROOT = Path(__file__).resolve().parents[2]
GUIDES = (
    "README.md",
    "README.zh.md",
    "docs/operator.md",
    "docs/integrator.md",
    "docs/auditor.md",
    "docs/auditor.zh.md",
)
BACKGROUND_SECONDS = 60
END = "the end of this command:"


@dataclass
class Step:
    """A command and what it is said to print."""

    where: str
    command: str
    shown: list[str] = field(default_factory=list)


def steps(document: str) -> list[Step]:
    """The commands of a document in their order."""
    found: list[Step] = []
    text = (ROOT / document).read_text(encoding="utf-8")
    for block in re.finditer(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        first = text.count("\n", 0, block.start(1)) + 1
        for number, line in enumerate(block[1].splitlines(), first):
            if line.startswith("$ "):
                found.append(Step(f"{document}:{number}", line[2:]))
            elif line.startswith("> "):
                found[-1].command += "\n" + line[2:]
            elif line.strip(" …"):
                found[-1].shown.append(line.strip())
    return found


def missing(shown: list[str], printed: str) -> str | None:
    """The first shown line that was not printed in its place."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for line in shown:
        parts = " ".join(line.split()).split("…")
        pattern = re.compile(".*".join(map(re.escape, parts)))
        if not any(pattern.search(one) for one in lines):
            return line
    return None


class Shell:
    """One bash in a scratch folder, with this project's `tongban`, on ports of its own."""

    def __init__(self, folder: Path, language: str, **settings: str) -> None:
        self.folder = folder
        self.ports = {number: str(free_port()) for number in ("7443", "7444", "9464")}
        for name in ("examples", "proto"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("node_mod*"))
        shutil.copytree(ROOT / "tests/conformance/forgeries", folder / "practice")
        for example in (*folder.glob("examples/*/*.py"), *folder.glob("examples/*/*.js")):
            example.write_text(self.here(example.read_text(encoding="utf-8")), encoding="utf-8")
        programs = folder / "programs"
        programs.mkdir()
        # The command's own defaults, and nobody else's, are moved to the ports of this shell.
        address = f"127.0.0.1:{self.ports['7443']}"
        ours = [f': "${{{v}={address}}}"; export {v}\n' for v in ("TONGBAN_LISTEN", "TONGBAN_NODE")]
        names = "|".join(warm.LASTING)
        lasting = f'case "$1" in {names}) exec "{sys.executable}" -m tongban "$@"; esac\n'
        started = f"-I -S {warm.__file__} {commands.programs()}"
        for name, first, run in (
            ("python", "", ""),
            ("tongban", "".join([*ours, lasting]), started),
            ("tongban-verify", "", f"{started} {warm.VERIFIER}"),
        ):
            line = f'exec "{sys.executable}" {run} "$@"\n'
            (programs / name).write_text(f"#!/bin/sh\n{first}{line}")
            (programs / name).chmod(0o755)
        path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("TONGBAN_", "PREFECT_"))}
        settings |= {"PATH": os.pathsep.join(path), "PYTHONPATH": str(ROOT), "COLUMNS": "150"}
        settings |= {"TONGBAN_LANG": language, "npm_config_prefer_offline": "true"}
        settings |= {"TONGBAN_PORTAL__LISTEN": ""}  # several nodes run at once here
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=clean | settings,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def here(self, text: str) -> str:
        """A text of a guide with the ports of this shell."""
        for written, ours in self.ports.items():
            text = text.replace(written, ours)
        return text

    def play(self, step: Step) -> None:
        """Run a command and compare what it prints."""
        command, shown = self.here(step.command), [self.here(line) for line in step.shown]
        if command.endswith("&"):
            log = self.folder / "background.log"
            log.write_text("")  # what an earlier one printed is not this one's
            self.run(f"{command[:-1]} >'{log}' 2>&1 &")
            deadline = time.monotonic() + BACKGROUND_SECONDS
            while (absent := missing(shown, log.read_text())) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert not absent, f"{step.where}: not printed: {absent}\n{log.read_text()}"
            return
        code, printed = self.run(command)
        assert not re.search("Traceback|Deprecat|WARNING", printed), f"{step.where}:\n{printed}"
        assert code == 0, f"{step.where}: exit code {code} of: {command}\n{printed}"
        absent = missing(shown, printed)
        assert not absent, f"{step.where}: not printed: {absent}\n{printed}"

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and output of a command."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{{\n{command}\n}} </dev/null\necho; echo '{END}' $?\n")
        self.process.stdin.flush()
        printed: list[str] = []
        for line in self.process.stdout:
            if line.startswith(END):
                return int(line.removeprefix(END)), "".join(printed)
            printed.append(line)
        raise AssertionError(f"the shell ended in: {command}\n{''.join(printed)}")

    def close(self) -> None:
        """End the shell and all that it started."""
        group = self.process.pid
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + 1
            try:
                os.killpg(group, number)
                while time.monotonic() < end:
                    self.process.poll()
                    os.killpg(group, 0)
                    time.sleep(0.02)
            except ProcessLookupError:
                break
        self.process.communicate()


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("document", GUIDES)
def test_every_command_of_a_guide_does_what_it_says(document: str, tmp_path: Path) -> None:
    played = steps(document)
    flows = any(re.search("tongban (flow|demo)", step.command) for step in played)
    engine = {"PREFECT_API_URL": flow_server()} if flows else {}
    shell = Shell(tmp_path, "zh" if document.endswith(".zh.md") else "en", **engine)
    try:
        for step in played:
            shell.play(step)
    finally:
        shell.close()


def test_the_chinese_readme_has_the_same_commands() -> None:
    chinese = [step.command for step in steps("README.zh.md")]
    assert chinese == [step.command for step in steps("README.md")]


def test_the_operators_guide_lists_every_setting() -> None:
    guide = (ROOT / "docs/operator.md").read_text(encoding="utf-8")
    settings = guide.partition("\n## Settings\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([\w.]+)` \|", settings, re.MULTILINE)
    parts = {
        "seal": SealSettings,
        "monitoring": MonitoringSettings,
        "portal": PortalSettings,
        "sign_in": SignInSettings,
    }
    assert listed == [
        name if inner is None else f"{name}.{inner}"
        for name in Settings.model_fields
        for inner in (parts[name].model_fields if name in parts else [None])
    ]


def test_the_sample_configuration_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGBAN_CONFIG", str(ROOT / "deploy/tongban.toml"))
    assert str(load().data) == "/var/lib/tongban"


def test_every_reason_in_the_integrators_guide_is_in_the_code() -> None:
    guide = (ROOT / "docs/integrator.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([A-Z][A-Z_0-9]+)` \|", guide, re.MULTILINE))
    floors = ("runtime", "seal", "exchange", "licenses", "flows", "tongban")
    code = "".join(p.read_text(encoding="utf-8") for f in floors for p in (ROOT / f).rglob("*.py"))
    assert listed
    assert not {reason for reason in listed if f'"{reason}"' not in code}


def test_every_path_in_the_documents_exists() -> None:
    ours = "runtime|seal|exchange|licenses|flows|tongban|tests|docs|deploy|proto|examples"
    named = re.compile(rf"`((?:{ours})/[\w./-]*(?:\.\w+|/))`")
    linked = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
    absent = []
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        text = document.read_text(encoding="utf-8")
        paths = [ROOT / path for path in named.findall(text)]
        paths += [document.parent / path for path in linked.findall(text)]
        absent += [f"{document.name}: {path}" for path in paths if not path.exists()]
    assert not absent
