"""What an OFD does when it is opened or clicked, and what it takes from elsewhere: told only.

A signature covers an action and a location, and not what becomes of them on the reader's screen.
Well-meaning makers use them; whoever relies on what is seen has to know. As of a PDF
(`seal.pdf.active`).

Source: GB/T 33190-2016 §14 (actions), §7.9 and §15 (multimedia), §19 (versions).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from seal.judging.telling import paths_shown
from seal.model import Check, passed
from seal.ofd.linked import Linked
from seal.ofd.markup import XmlScan, scan_xml
from seal.ofd.package import OfdPackage, PackageError
from seal.ofd.page_form import ACTING
from seal.ofd.seen import Seen
from seal.ofd.structure import ROOT

if TYPE_CHECKING:
    from seal.ofd.opened import OpenedDocument

_NAME: Final = "active_content"
_MOST_OCTETS: Final = 16 * 1024 * 1024
_MEDIA: Final = ("sound or film", "音频或视频")
_ACTIONS: Final = {
    "URI": ("opening of an address (URI)", "打开网址（URI）"),
    "GotoA": ("opening of an attachment (GotoA)", "打开附件（GotoA）"),
    "Sound": _MEDIA,
    "Movie": _MEDIA,
}
_BY_ITSELF: Final = (
    "actions on opening the document or a page",
    "打开文件或页面时触发的动作",
)
_VERSIONS: Final = ("other versions of the document (Versions)", "文件的其他版本（Versions）")
PART: Final = ("more than was looked through", "过多内容，未能全部检查")
#: Against what: English and Chinese.
_AGAINST: Final = (
    "actions, multimedia and locations (GB/T 33190-2016 §14, §7.9)",
    "动作、多媒体与文件位置（GB/T 33190-2016 第14章、7.9）",
)

Words = tuple[str, str]


def check_outside(document: OpenedDocument) -> Check | None:
    """A notice of what leads out of the document; None where nothing does."""
    readings = document.linked.readings
    found = acts_of(document.package, document.linked, document.seen)
    if readings.absent:
        paths = paths_shown(readings.absent)
        found[f"what is not in the document ({paths})", f"不在文件中的内容（{paths}）"] = None
    if not found:
        return None  # nearly all
    return passed(
        _NAME,
        f"the document holds {', '.join(one for one, _ in found)}: it is signed, and still may "
        "show something else at another time or in another reader",
        f"文件含有{'、'.join(one for _, one in found)}：虽已签名，"
        "但在不同时间或不同阅读器中的显示可能不同",
        notice=True,
        against=_AGAINST,
    )


def acts_of(
    package: OfdPackage, linked: Linked, seen: Seen, *, most: int = _MOST_OCTETS
) -> dict[Words, None]:
    """What a package does besides showing pages, in English and Chinese; empty for nearly all.

    No more than `most` octets are looked through for actions: it is told (`PART`).
    """
    readings = linked.readings
    acting = [
        name
        for name in linked.parts
        if name in seen.acting or (package.keeps(name) and ACTING in package.read(name))
    ]
    found = _actions(package, sorted(acting), most) if acting else {}
    if readings.media:
        found[_MEDIA] = None
    if readings.unseen:
        found[PART] = None
    if b"Versions" in package.read(ROOT):
        found[_VERSIONS] = None
    return found


def _actions(package: OfdPackage, names: list[str], most: int) -> dict[Words, None]:
    found: dict[Words, None] = {}
    octets = 0
    for name in names:
        octets += package.size(name)
        if octets > most:
            found[PART] = None
            break
        scan = _Actions()
        try:
            scan_xml(package, name, scan)
        except PackageError:
            continue  # its form is looked at with that of all XML
        found |= scan.found
    return found


class _Actions(XmlScan):
    """Gathers what a file does."""

    __slots__ = ("_event", "found")

    def __init__(self) -> None:
        super().__init__()
        self._event: str | None = None
        self.found: dict[Words, None] = {}

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        local = name.rpartition("}")[2]
        if local == "Action":
            self._event = attributes.get("Event", "")
        elif self._event is not None and local in _ACTIONS:
            self.found[_ACTIONS[local]] = None
            if self._event in ("DO", "PO"):
                self.found[_BY_ITSELF] = None

    def end(self, name: str) -> None:
        if name.endswith("Action"):
            self._event = None
