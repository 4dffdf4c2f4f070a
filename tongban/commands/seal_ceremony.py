"""`tongban seal ceremony`: make the seal maker's key before two persons."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from runtime import config
from runtime.clock import SYSTEM
from runtime.errors import FailedPrecondition, InvalidArgument
from seal.keys.private_files import read_line, wiped
from tongban.console import DataFolder, Json, out, outcomes, print_json, say
from tongban.files import write_file

app = typer.Typer()


@app.command()
def ceremony(
    first: Annotated[
        str, typer.Option(help="The first person's office or system; never a person's name.")
    ],
    second: Annotated[str, typer.Option(help="The second person's.")],
    transcript: Annotated[Path, typer.Option("--out", help="Where the protocol is written, JSON.")],
    first_half: Annotated[
        Path | None, typer.Option(help="File with the first half, for scripts; else asked for.")
    ] = None,
    second_half: Annotated[Path | None, typer.Option(help="File with the second half.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Appoint another maker than there is.")
    ] = False,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Make the seal maker's key under dual control: two persons each enter a half.

    Neither half alone opens the key. Set seal.maker_key and seal.maker_halves first.

    Example: tongban seal ceremony --first seal-officer --second security-officer
    --out ceremony.json
    """
    from seal.keys.ceremony import hold  # with the service, and so its database: slow to load
    from seal.server import custody_of

    with outcomes(as_json=as_json):
        settings = config.load(data=data)
        if transcript.exists():
            raise FailedPrecondition(
                f"{transcript} exists: name another file, a protocol is never overwritten",
                reason="TRANSCRIPT_EXISTS",
                message_zh=f"{transcript} 已存在：请另指定文件，记录不会被覆盖",
            )
        with (
            wiped(_half(first, first_half)) as one,
            wiped(_half(second, second_half)) as other,
        ):
            said = hold(
                custody_of(settings),
                key=settings.seal.maker_key,
                halves=(one, other),
                custodians=(first, second),
                clock=SYSTEM,
                replace=replace,
            )
        write_file(transcript, json.dumps(said, ensure_ascii=False, indent=2).encode() + b"\n")
        if as_json:
            print_json(said)
        else:
            for line in _told(said, transcript):
                out.print(line)


def _half(who: str, file: Path | None) -> bytearray:
    if file is not None:
        return read_line(file, what="file with a half", what_zh="半份口令文件")
    if not sys.stdin.isatty():
        raise InvalidArgument(
            "there is nobody to ask for a half: name the files with --first-half and --second-half",
            reason="NO_TERMINAL",
            message_zh="没有终端可供输入：请用 --first-half、--second-half 指定文件",
        )
    ask = say(f"{who}: your half (not shown): ", f"{who}：请输入您的半份口令（不显示）：")
    again = say(f"{who}: once more: ", f"{who}：请再次输入：")
    half = bytearray(getpass.getpass(ask).encode())
    with wiped(bytearray(getpass.getpass(again).encode())) as repeated:
        if half != repeated:
            raise InvalidArgument(
                "the two entries differ: begin again",
                reason="ENTRIES_DIFFER",
                message_zh="两次输入不一致：请重新开始",
            )
    return half


def _told(said: dict[str, str], transcript: Path) -> list[str]:
    if said["outcome"] == "appointed":
        outcome = say("The seal maker is appointed.", "制章者已设立。")
    else:
        outcome = say(
            "The seal maker is the one that was appointed before, with the same key: nothing "
            "changed. To appoint another, set another seal.maker_key.",
            "制章者仍为先前设立的制章者，密钥相同，未作任何更改。如需更换，请设置另一个 "
            "seal.maker_key。",
        )
    return [
        outcome,
        say("  time          ", "  时间      ") + said["time"],
        say("  custodians    ", "  保管人    ") + ", ".join(said["custodians"]),
        say("  public key    ", "  公钥摘要  ") + said["public_key_sha256"],
        say("  certificate   ", "  证书摘要  ") + said["certificate_sha256"],
        say("  issued by     ", "  签发根    ") + said["root_certificate_sha256"],
        say(f"The protocol is in {transcript}: print it, and both sign it.",
            f"记录已写入 {transcript}：请打印并由两人签字。"),
        say("Put the halves into the files of seal.maker_halves only while seals are made.",
            "仅在制章期间将两份口令放入 seal.maker_halves 所指文件。"),
    ]  # fmt: skip
