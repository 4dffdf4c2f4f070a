"""How licenses are shown, and what several `tongban license` commands take."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from licenses.offline.model import PREFIX
from licenses.v1 import licenses_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.client import plain
from tongban.console import print_json, print_table, say, when
from tongban.files import read_file

HolderCode = Annotated[
    str,
    typer.Option(
        "--holder-code",
        envvar="TONGBAN_HOLDER_CODE",
        prompt=True,
        hide_input=True,
        help="The holder's code; best by prompt or variable, so that no shell keeps it.",
    ),
]
Name = Annotated[str, typer.Argument(help="Name of the license.")]
AsOf = Annotated[
    str, typer.Option(help="Whether it was in force then: 2026-11-21T12:00:00+08:00; now if empty.")
]
Reason = Annotated[str, typer.Option(help="Why; nothing personal.")]
Field = Annotated[list[str] | None, typer.Option(help="KZ_FIELD=value; several times.")]
Picture = Annotated[
    list[str] | None, typer.Option(help="KZ_FIELD=FILE, a PNG or JPEG; several times.")
]
Holders = Annotated[
    list[str] | None,
    typer.Option(
        "--holder", help="NAME=CODE of one of several holders; several times, best from a file."
    ),
]
RequestId = Annotated[str, typer.Option(help="The same id repeats safely.")]
_PICTURE_LIMIT = 512 * 1024
#: What is longer names no file.
_NAME = 255


def text_of_code(given: str) -> str:
    """A code as it was given, or what stands in the file of that name."""
    if len(given) > _NAME or given.startswith(PREFIX) or not Path(given).is_file():
        return given
    return read_file(Path(given), greatest=65_536).decode("utf-8", "replace").strip()


def time_asked(text: str) -> datetime | None:
    """What --as-of says. Raises InvalidArgument, BAD_TIME."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidArgument(
            "--as-of is a time with its zone, such as 2026-11-21T12:00:00+08:00",
            reason="BAD_TIME",
            message_zh="--as-of 应为带时区的时间，如 2026-11-21T12:00:00+08:00",
        )
    return found


def state_word(state: pb.LicenseState.ValueType) -> str:
    """A state without its prefix."""
    return pb.LicenseState.Name(state).removeprefix("LICENSE_STATE_")


def print_license(made: pb.License, as_json: bool) -> None:
    """A license as JSON or as a table."""
    if as_json:
        print_json(plain(made))
        return
    print_table(
        made.name,
        (say("field", "字段"), say("value", "值")),
        [
            (say("identifier", "证照标识"), made.license_identifier),
            (say("state", "状态"), f"{state_word(made.state)} {when(made.state_time)}"),
            *sorted(made.metadata.items()),
        ],
    )


def print_licenses(title: str, found: list[pb.License], as_json: bool) -> None:
    """Licenses as JSON or as a table."""
    if as_json:
        print_json([plain(x) for x in found])
        return
    print_table(
        title,
        (say("name", "资源名"), say("identifier", "证照标识"), say("state", "状态")),
        [(x.name, x.license_identifier, state_word(x.state)) for x in found],
    )


_FIELD_CODE = re.compile(r"KZ_[A-Z][A-Z0-9]{0,29}")


def pair(text: str) -> tuple[str, str]:
    """KZ_FIELD=value in its two parts. Raises InvalidArgument."""
    code, equals, value = text.partition("=")
    if not equals:
        raise InvalidArgument("a field is KZ_FIELD=value", message_zh="字段应为 KZ_字段=值")
    if not _FIELD_CODE.fullmatch(code):
        # Told here: the node does not repeat a text that may be anything.
        raise InvalidArgument(
            f"{code} is no code of a field, such as KZ_DJLX: see `tongban license types`",
            reason="BAD_LICENSE_FIELDS",
            message_zh=f"{code} 不是字段代码（如 KZ_DJLX）：请用 `tongban license types` 查看",
        )
    return code, value


def fields_of(given: list[str] | None) -> dict[str, str]:
    """Fields by code, as `--field` gives them."""
    return dict(pair(one) for one in given or ())


def pictures_of(given: list[str] | None) -> dict[str, bytes]:
    """Pictures by code, as `--picture` gives them."""
    named = [pair(one) for one in given or ()]
    return {code: read_file(Path(path), greatest=_PICTURE_LIMIT) for code, path in named}


def holders_of(given: list[str] | None) -> list[pb.Holder]:
    """Several holders, as `--holder` gives them."""
    found = []
    for one in given or ():
        name, equals, code = one.rpartition("=")
        if not equals:
            raise InvalidArgument(
                "a holder is NAME=CODE",
                reason="BAD_HOLDER",
                message_zh="持证主体应为 姓名=代码",
            )
        found.append(pb.Holder(name=name, code=code))
    return found
