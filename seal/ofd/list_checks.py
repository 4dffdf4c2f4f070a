"""What the signature lists of a package say, which no signer signed.

A list may be cut by anybody as long as the document is open to further signatures: a signature
whose files are gone with its line has left nothing but, perhaps, a MaxSignId beyond all numbers
there are. That is told, not refused: makers number differently.
"""

from __future__ import annotations

from collections.abc import Iterator

from seal.judging.telling import comparing, paths_shown
from seal.model import Check, failed, passed
from seal.ofd import against
from seal.ofd.list_form import ODDITIES, number_of
from seal.ofd.opened import OpenedDocument
from seal.ofd.structure import SignatureList


@comparing(against.listed)
def check_listed(document: OpenedDocument) -> Check | None:
    """No two lines of the lists share a file, and no signature lies about unlisted."""
    name = "unlisted_signature"
    paths = [one.path for one in document.listed]
    values = [one.xml.signed_value for one in document.signatures]
    if len(set(paths)) != len(paths) or len(set(values)) != len(values):
        return failed(
            name,
            "two signatures share their files",
            "两个签章使用同一文件",
            reason="SIGNATURE_LISTED_TWICE",
        )
    hidden = document.hidden_signatures()
    if hidden:
        return failed(
            name,
            f"not in the signature list: {paths_shown(hidden)}",
            f"未列入签名列表：{paths_shown(hidden)}",
        )
    return _told(document, passed(name, "every signature is listed", "所有签章均在签名列表中"))


def _told(document: OpenedDocument, check: Check) -> Check:
    """The check with what else the lists say."""
    odd = frozenset().union(*(one.form.oddities for one in document.of_bodies))
    told = [words for name, words in ODDITIES.items() if name in odd]
    parts = [f"a list holds {', '.join(en for en, _ in told)}, which nobody signed"] if told else []
    parts_zh = [f"列表中含有无人签署的{'、'.join(zh for _, zh in told)}"] if told else []
    if any(_is_beyond(document, body, one) for body, one in enumerate(document.of_bodies)):
        parts.append("MaxSignId is beyond every signature: a later one may have been taken out")
        parts_zh.append("MaxSignId 大于现有签章的编号：可能有后加的签章被移除")
    if not parts:
        return check
    return check._replace(
        detail="; ".join((check.detail, *parts)),
        detail_zh="；".join((check.detail_zh, *parts_zh)),
        notice=True,
    )


def _is_beyond(document: OpenedDocument, body: int, one: SignatureList) -> bool:
    """Makers give one number after another to signatures, some to their stamps too."""
    greatest = one.form.greatest
    return greatest is not None and greatest > max(_numbers(document, body), default=0)


def _numbers(document: OpenedDocument, body: int) -> Iterator[int]:
    for one in document.of_bodies[body].lines:
        yield number_of(one.id) or 0
    for signature in document.signatures:
        if signature.listed.body == body:
            yield from (number_of(stamp.id) or 0 for stamp in signature.xml.stamps)
