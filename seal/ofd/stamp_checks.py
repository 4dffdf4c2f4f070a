"""Where the stamps of a signature show: on pages that there are, and to be seen there."""

from __future__ import annotations

from seal.judging.telling import comparing, plain
from seal.model import Check, failed, passed
from seal.ofd import against
from seal.ofd.opened import OpenedDocument, OpenedSignature
from seal.ofd.package import PackageError
from seal.ofd.structure import Stamp


@comparing(against.stamps)
def check_stamp_pages(document: OpenedDocument, one: OpenedSignature) -> Check | None:
    """Every stamp is on a page of the document the signature belongs to."""
    name = "stamp_pages"
    if not one.xml.stamps:
        return None
    try:
        pages = document.pages_of(one.listed.body)
    except PackageError as error:
        return failed(name, error.message, error.message_zh)
    if any(stamp.page_ref not in pages for stamp in one.xml.stamps):
        return failed(name, "a stamp is on a page that does not exist", "印章所在页面不存在")
    unseen = [s for s in one.xml.stamps if not _is_seen(s, document.page_size(one.listed.body, s))]
    if unseen:
        return failed(
            name,
            f"a stamp lies off its page or has no size: {plain(unseen[0].page_ref)}",
            f"印章位于页面之外或没有大小：页面 {plain(unseen[0].page_ref)}",
            reason="STAMP_OFF_PAGE",
        )
    return passed(name, "the stamps are on pages of the document", "印章位于文件的页面上")


def _is_seen(stamp: Stamp, page: tuple[float, float] | None) -> bool:
    """Whether some of a stamp lies on its page; slices of an edge seal (骑缝章) hang over."""
    x, y, width, height = stamp.boundary
    if width <= 0 or height <= 0 or x + width <= 0 or y + height <= 0:
        return False
    return page is None or (x < page[0] and y < page[1])
