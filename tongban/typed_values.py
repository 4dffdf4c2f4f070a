"""Personal values for a command: from a file, or typed in; never from the command line.

What stands on a command line is read by whoever lists processes, and kept by shells.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import typer

from runtime.errors import InvalidArgument
from tongban.files import read_file

_MOST: Final = 256 * 1024


def values_of(file: Path | None, asked: list[str] | None, *, option: str) -> dict[str, str]:
    """Values by key: lines of KEY=value in a file, and each asked key's as it is typed in.

    `option` is what takes a file. Raises InvalidArgument: BAD_VALUES, VALUE_AS_ARGUMENT.
    """
    found: dict[str, str] = {}
    if file is not None:
        text = read_file(file, greatest=_MOST).decode("utf-8-sig", "replace")
        for line in filter(str.strip, text.splitlines()):
            key, equals, value = line.partition("=")
            if not equals:
                raise InvalidArgument(
                    f"{file} has a line that is not KEY=value",
                    reason="BAD_VALUES",
                    message_zh=f"{file} 中有一行不是 代码=值",
                )
            found[key.strip()] = value
    for key in asked or []:
        if "=" in key:
            raise InvalidArgument(
                f"values are personal: put KEY=value into a file ({option}), or name the KEY alone "
                "and type the value in",
                reason="VALUE_AS_ARGUMENT",
                message_zh=f"这些值可能含个人信息：请写入文件（{option}），或只写代码并按提示输入",
            )
        found[key] = typer.prompt(key, hide_input=True)
    return found
