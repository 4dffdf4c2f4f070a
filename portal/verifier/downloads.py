"""What people drop that is no sealed file itself: the download of who looked, or any other file.

1. A download of who looked (ZIP) is judged by the proofs in it, each as if it had been dropped
   alone; nothing is unpacked to a folder, and no more is read than a few of the greatest records.
2. A ZIP that is no OFD and no bundle of evidence, and what is of no format that is sealed, is told
   to be nothing that can be judged here: of its truth that says nothing.
3. A bundle of evidence proves what was so when it was made: the document in it is taken out, so
   that what it is worth now is asked as for the document alone.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO, Final

from portal.verifier.model import Answer, Light, Told
from runtime.errors import InvalidArgument

ZIP: Final = b"PK\x03\x04"
#: A ZIP that is larger is none of ours; its directory is not read here.
GREATEST_DOWNLOAD: Final = 32 << 20
MOST_NAMES: Final = 1000
MOST_RECORDS: Final = 80
_RECORDS: Final = re.compile(r"(?:records|licenses)-\d{1,4}\.json")
_OFD: Final = "OFD.XML"
_ENCLOSED: Final = ("document.ofd", "document.pdf")
_BUNDLE: Final = "META-INF/"
_REST: Final = Told(
    en="Judged were the proofs in this download. What else is in it explains, and proves nothing.",
    zh="已核验其中的证明文件；包内其他文件仅供说明，不作为证明。",
)


def records_of(file: BinaryIO, greatest: int) -> list[tuple[str, bytes]]:
    """Names and bytes of the proofs in a download; none where it is an OFD, a bundle or broken.

    Raises InvalidArgument: NOT_VERIFIABLE where the ZIP is nothing that can be judged,
    TOO_MANY_RECORDS.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            listed = packed.infolist()[: MOST_NAMES + 1]
            names = {one.filename.lstrip("/").upper() for one in listed}
            if len(listed) > MOST_NAMES or _OFD in names:
                return []
            if any(name.startswith(_BUNDLE) for name in names):
                return []
            found = [one for one in listed if _RECORDS.fullmatch(one.filename)]
            if not found:
                raise not_verifiable()
            if len(found) > MOST_RECORDS:
                raise _too_many()
            return [(one.filename, _read(packed, one, greatest)) for one in found]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError):
        return []  # the node says what is broken


def _read(packed: zipfile.ZipFile, one: zipfile.ZipInfo, greatest: int) -> bytes:
    with packed.open(one) as opened:
        return opened.read(greatest + 1)


def enclosed_in(file: BinaryIO, greatest: int) -> bytes:
    """The document in a bundle of evidence; empty where it is none, or the document is larger."""
    try:
        with zipfile.ZipFile(file) as packed:
            found = [one for one in packed.infolist() if one.filename in _ENCLOSED]
            data = _read(packed, found[0], greatest) if len(found) == 1 else b""
            return data if len(data) <= greatest else b""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError):
        return b""  # the node says what is broken


def together(answers: Sequence[tuple[str, Answer]]) -> Answer:
    """The answer to all files of a download: the worst of them, with the checks of each."""
    order = (Light.RED, Light.AMBER, Light.GREEN)
    worst = min((answer for _, answer in answers), key=lambda one: order.index(one.light))
    return replace(
        worst,
        advice=(*worst.advice, _REST),
        facts=tuple(row for _, answer in answers for row in answer.facts),
        checks=tuple(
            replace(
                check, title=Told(en=f"{name}: {check.title.en}", zh=f"{name}：{check.title.zh}")
            )
            for name, answer in answers
            for check in answer.checks
        ),
    )


def _of(name: str, title: Told) -> Told:
    return Told(en=f"{name}: {title.en}", zh=f"{name}：{title.zh}")


def _too_many() -> InvalidArgument:
    return InvalidArgument(
        f"a download with more than {MOST_RECORDS} files of records is not judged at once: unpack "
        "it, and choose them one by one",
        reason="TOO_MANY_RECORDS",
        message_zh=f"压缩包内的证明文件超过 {MOST_RECORDS} 个：请解压后逐个核验",
    )


def not_verifiable() -> InvalidArgument:
    """What is of no format that is judged here."""
    return InvalidArgument(
        "this file carries no seal and no proof that could be verified: choose a sealed OFD or "
        "PDF, a receipt, a proof, a seal (.esl) or a bundle of evidence. Whether what it says is "
        "true, nobody can tell by it",
        reason="NOT_VERIFIABLE",
        message_zh="此类文件不带可核验的签章或证明：请选择签章的 OFD、PDF，或回执、证明、"
        "印章文件（.esl）、证据包。该文件内容是否真实，无法据此判断",
    )
