"""A type put in two versions, and licenses corrected, renewed and transferred, by commands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.builders import commands, county
from tests.builders.commands import at
from tests.builders.licenses import citizen_number
from tongban.demonstration.stage import Stage
from tongban.main import application

scene = commands.scene
DEPARTMENT = "departments/human-resources"
SHIPPED = "licenseTypes/employment-registration"
TYPE = "licenseTypes/skills-certificate"
CODE = "11990101000000035K901"
#: The first day of three years that end in a month or so.
NEARLY_OVER = f"{datetime.now(UTC) - timedelta(days=3 * 365 - 30):%Y-%m-%d}"


@pytest.fixture(scope="module")
def here(scene: Stage) -> tuple[str, ...]:
    """The options of a department that has a seal."""
    county.seal(scene)
    return at(scene)


def run(*arguments: object, language: str = "en", holder: str = "") -> Result:
    """A command in this process, which is much quicker; with the holder's code as a variable."""
    env = {"COLUMNS": "200", "TONGBAN_LANG": language, "TONGBAN_HOLDER_CODE": holder or None}
    return CliRunner().invoke(application("license"), [str(one) for one in arguments], env=env)


def told(*arguments: object, holder: str = "") -> Any:
    """What a command that succeeds says with `--json`."""
    said = run(*arguments, "--json", holder=holder)
    assert said.exit_code == 0, said.output
    return json.loads(said.stdout)


def refused(reason: str, *arguments: object, language: str = "en") -> str:
    """What a command says that is refused for this reason."""
    said = run(*arguments, language=language)
    assert said.exit_code in (1, 3, 4), said.output
    assert reason in said.stderr
    assert isinstance(said.exception, SystemExit)
    return said.output


@pytest.fixture(scope="module")
def texts(here: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A type and its template as files, made of a shipped one."""
    folder = tmp_path_factory.mktemp("type")
    toml, template = folder / "type.toml", folder / "template.toml"
    shown = told("license", "type", "show", SHIPPED, "--toml", toml, "--template", template, *here)
    text = toml.read_text(encoding="utf-8")
    text = text.replace("employment-registration", "skills-certificate", 1)
    text = text.replace(shown["code"], CODE).replace(shown["display_name"], "示例技能证书")
    toml.write_text(f"transferable = true\n{text}", encoding="utf-8")
    return toml, template


def test_a_type_is_put_changed_and_refused_by_the_place_of_its_mistake(
    here: tuple[str, ...], scene: Stage, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    toml, template = texts
    put = ("license", "type", "put")
    refused("NOT_DEFINING_AUTHORITY", *put, toml, template, *at(scene, "police"))
    first = told(*put, toml, template, "--request-id", "put-1", *here)
    assert (first["name"], first["version"]) == (TYPE, 1)
    again = told(*put, toml, template, "--request-id", "put-1", *here)
    assert again["etag"] == first["etag"]

    wrong = tmp_path / "wrong.toml"
    wrong.write_text(toml.read_text(encoding="utf-8").replace("required", "requird", 1), "utf-8")
    said = refused("BAD_LICENSE_TYPE", *put, wrong, template, "--etag", first["etag"], *here)
    assert "is it required?" in said

    changed = tmp_path / "changed.toml"
    text = toml.read_text(encoding="utf-8").replace("示例技能证书", "示例职业技能证书")
    changed.write_text(text, encoding="utf-8")
    refused("ETAG_MISMATCH", *put, changed, template, *here)
    second = told(*put, changed, template, "--etag", first["etag"], *here)
    assert second["version"] == 2
    listed = told("license", "type", "versions", TYPE, *here)
    assert [one["display_name"] for one in listed] == ["示例技能证书", "示例职业技能证书"]
    shown = run("license", "type", "show", SHIPPED, *here).output
    assert f"issued by {DEPARTMENT}, the department of 11990101MB99010160" in shown
    assert "就业登记, 失业登记" in shown
    assert "transferable" not in shown
    shown = run("license", "type", "show", "licenseTypes/real-estate-certificate", *here).output
    assert "transferable to another holder" in shown
    assert "one in force for each: KZ_BDCDYH, KZ_ZSH" in shown
    assert told("license", "type", "show", TYPE, "--version", 1, *here)["etag"] == first["etag"]


def test_a_license_is_corrected_renewed_and_transferred(
    here: tuple[str, ...], texts: tuple[Path, Path]
) -> None:
    told("license", "type", "put", *texts, "--request-id", "put-1", *here)
    issued = told(
        "license", "issue", DEPARTMENT, TYPE, "--holder-name", "赵示例",
        "--field", "KZ_DJLX=就业登记", "--valid-from", NEARLY_OVER, *here, holder=citizen_number(1),
    )  # fmt: skip
    why = ("--reason", "依申请")
    refused("NOTHING_CHANGED", "license", "correct", issued["name"], *why, *here)
    ask = ("license", "correct", issued["name"], "--field", "KZ_BZ=已核", *why)
    corrected = told(*ask, "--request-id", "correct-1", *here)
    assert told(*ask, "--request-id", "correct-1", *here)["name"] == corrected["name"]
    renewed = told("license", "renew", corrected["name"], *why, *here)
    transfer = ("license", "transfer", renewed["name"], "--holder-name", "钱示例", *why)
    refused("RENEWAL_TOO_EARLY", "license", "renew", renewed["name"], *why, *here)
    moved = told(*transfer, *here, holder=citizen_number(2))
    versions = [issued, corrected, renewed, moved]
    assert [one["license_identifier"].split(".")[-2] for one in versions] == [
        "001", "002", "003", "004"
    ]  # fmt: skip
    assert moved["metadata"]["CZZT"] == "钱示例"
    assert moved["metadata"]["KZ_BZ"] == "已核"
    states = [told("license", "show", one["name"], *here)["state"] for one in versions]
    assert [one.removeprefix("LICENSE_STATE_") for one in states] == [
        "SUPERSEDED", "SUPERSEDED", "TRANSFERRED", "ACTIVE"
    ]  # fmt: skip
    # What has ended is not changed once more, and is told why; in the reader's language.
    again = ("license", "renew", issued["name"], *why, *here)
    said = refused("TRANSITION_FORBIDDEN", *again, language="zh")
    assert "失效（已换发）" in said
    assert citizen_number(1) not in said
