"""`tongban license fonts`: which ideographs the fonts of this machine draw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from licenses.pages import fallback
from tongban.console import Json, outcomes, print_json, print_table, say

app = typer.Typer()


@app.command()
def fonts(
    folder: Annotated[
        Path | None,
        typer.Option("--fonts", envvar="TONGBAN_FONTS", help="Folder of more fonts, as of a node."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how many ideographs of each block of Unicode licenses can show here. Needs no node.

    Example: tongban license fonts
    """
    with outcomes(as_json=as_json):
        fallback.use_folder(folder)
        found = fallback.coverage()
        if as_json:
            print_json(
                [
                    {"block": block, "characters": there, "drawn": drawn}
                    for block, (there, drawn) in found.items()
                ]
            )
            return
        print_table(
            say(
                "Ideographs (extensions B to F need Debian's fonts-hanazono)",
                "汉字（扩展 B 至 F 区需安装 Debian 的 fonts-hanazono）",
            ),
            (say("block", "区"), say("characters", "字数"), say("drawn", "可显示")),
            [(block, f"{there:,}", f"{drawn:,}") for block, (there, drawn) in found.items()],
        )
