"""The printable report of a verification: A4, Chinese and English side by side, black on white.

1. It says all that the verdict says: both answers (for signing and for today), every check with
   what was asked, what it was checked against, what came of it and why, and what trust rests on.
2. It names what was judged by SHA-256 and says when and by which program; it is no proof by itself.
3. Names and paths were written by whoever made the document: a character the font lacks is shown
   as □, and nothing in them can leave its cell.
4. Equal verdicts give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from licenses.pages.fonts import face
from licenses.pages.layout import wrap
from licenses.pages.model import BLACK, Color, Document, Item, Line, Page, Rect, Text
from licenses.pages.pdf import write_pdf
from runtime.errors import InvalidArgument
from seal.judging.check_names import titled
from seal.judging.plainly import IN_HEAD, china_time, in_head, plain, plain_path
from seal.model import Check, Indication, SignatureReport, Verdict

MOST: Final = 1000
"""Documents in one report: more would be a file nobody prints."""

_WIDTH, _HEIGHT, _MARGIN = 210.0, 297.0, 18.0
_INNER: Final = _WIDTH - 2 * _MARGIN
_BOTTOM: Final = _HEIGHT - 20.0
_GREY: Final[Color] = (105, 105, 105)
_RULE: Final[Color] = (190, 190, 190)
_INKS: Final[dict[Indication, Color]] = {
    Indication.PASSED: (20, 110, 50),
    Indication.INDETERMINATE: (150, 95, 0),
    Indication.FAILED: (170, 20, 20),
}
_WORDS: Final = {
    Indication.PASSED: "通过",
    Indication.INDETERMINATE: "无法确定",
    Indication.FAILED: "未通过",
}
_ROLES: Final = {
    "seal_maker_certificate": "制章者 seal maker",
    "signer_certificate": "签章者 signer",
    "time_stamp": "时间戳 time-stamp",
    "seal_time_stamp": "印章时间戳 seal's time-stamp",
    "evidence_time": "证据包时间戳 bundle's time-stamp",
}
_MEANINGS: Final = (
    ("通过 PASSED：每项检查均成立。", "Every check holds."),
    (
        "未通过 FAILED：至少一项检查不成立，不应信任该文件。",
        "At least one check does not hold: do not rely on the document.",
    ),
    (
        "无法确定 INDETERMINATE：未发现错误，但有事项无法证实（例如不认识颁发机构）。",
        "Nothing is wrong, but something could not be established, such as an authority that is "
        "not on the trust list.",
    ),
    (
        "签章时 When signed：以可信时间戳证明的时间为准，没有时间戳则以签章自述的时间为准。",
        "As of the time a trusted time-stamp proves, else of the time the signature itself tells.",
    ),
    (
        "现在 Today：此后吊销或过期的，若无时间戳证明签章更早，则无法确定。",
        "What was revoked or ran out since leaves it open, unless a time-stamp proves the "
        "signature older.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A verdict and what it is of: `name` for people, size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str
    verdict: Verdict


def write_report(
    documents: Sequence[Reported], *, trust: str, at: datetime, program: str = "Tongban"
) -> bytes:
    """A PDF: a page or more for each document, and a table of all before them where there are many.

    `trust` says in words whose roots were trusted. Raises InvalidArgument (REPORT_TOO_LARGE).
    """
    if len(documents) > MOST:
        raise too_many()
    told, trust = china_time(at), plain(trust, 600)
    flow = _Flow(note=f"{told} · {program}")
    if len(documents) > 1:
        _overview(flow, documents, trust, told)
    for one in documents:
        flow.begin(one.sha256[:16])
        _document(flow, one, trust, told)
    return write_pdf(
        Document(
            pages=flow.pages(),
            title="电子签章验证报告 Seal verification report",
            author="",
            created=at,
        )
    )


def too_many() -> InvalidArgument:
    """Refuses a report nobody would print."""
    return InvalidArgument(
        f"a report holds at most {MOST} documents: verify fewer, or take --json",
        reason="REPORT_TOO_LARGE",
        message_zh=f"一份报告最多包含 {MOST} 个文件：请减少文件，或使用 --json",
    )


# --- what it says ----------------------------------------------------------------------------


def _overview(flow: _Flow, documents: Sequence[Reported], trust: str, told: str) -> None:
    flow.begin("")
    flow.text("电子签章验证报告", size=7.0, bold=True)
    flow.text("Seal verification report", size=4.0, ink=_GREY)
    flow.gap(3)
    for meaning in Indication:
        count = sum(one.verdict.indication is meaning for one in documents)
        flow.text(f"{_WORDS[meaning]} {meaning}: {count}", size=3.6, ink=_INKS[meaning])
    flow.gap(2)
    _fact(flow, "验证时间 Verified", told)
    _fact(flow, "信任依据 Trust", trust)
    flow.gap(3)
    for one in documents:
        verdict = one.verdict
        found = _Cell(_word(verdict.indication), ink=_INKS[verdict.indication], bold=True)
        now = verdict.now.indication
        today = [] if now is verdict.indication else [_Cell(f"现在 {_word(now)}", ink=_INKS[now])]
        why = [_Cell(verdict.summary_zh), _Cell(verdict.summary, ink=_GREY)]
        flow.row((26.0, [found, *today]), (62.0, [_Cell(plain_path(one.name))]), (0.0, why))


def _document(flow: _Flow, one: Reported, trust: str, told: str) -> None:
    verdict = one.verdict
    flow.text("电子签章验证报告", size=7.0, bold=True)
    flow.text("Seal verification report", size=4.0, ink=_GREY)
    flow.gap(3)
    _fact(flow, "文件 Document", plain_path(one.name))
    _fact(flow, "格式与大小 Kind, size", f"{verdict.document_format or '-'}, {one.size:,} B")
    _fact(flow, "SHA-256", one.sha256)
    _fact(flow, "验证时间 Verified", told)
    _fact(flow, "信任依据 Trust", trust)
    flow.gap(2)
    now, words = verdict.now, f"{verdict.reason} · {verdict.sub_indication}"
    then = (verdict.summary_zh, verdict.summary, words if verdict.reason else "")
    _answer(flow, "签章时 When signed", verdict.indication, *then)
    today = (now.summary_zh, now.summary, now.sub_indication)
    _answer(flow, "现在 Today", now.indication, *today)
    if verdict.checks:
        _heading(flow, "文件整体 The document as a whole")
        _checks(flow, verdict.checks)
    for number, report in enumerate(verdict.signatures, start=1):
        _signature(flow, number, len(verdict.signatures), report)
    flow.gap(4)
    for number, meaning in enumerate(_MEANINGS):
        flow.text(" ".join(meaning), size=2.5, ink=_GREY, keep=0.0 if number else 26.0)


def _answer(
    flow: _Flow, title: str, indication: Indication, chinese: str, english: str, words: str
) -> None:
    ink = _INKS[indication]
    why = [_Cell(words, 2.5, ink)] if words else []
    flow.row(
        (34.0, [_Cell(title, ink=_GREY), _Cell(_word(indication), 4.0, ink, True)]),
        (0.0, [_Cell(chinese, 3.4), _Cell(english, 2.9, _GREY), *why]),
    )


def _signature(flow: _Flow, number: int, count: int, report: SignatureReport) -> None:
    names = dict.fromkeys((report.seal_name, report.signer, report.id))
    named = " · ".join(in_head(name) for name in names if name)
    _heading(flow, f"签章 Signature {number}/{count}: {named}")
    found, now = report.indication, report.now
    _fact(flow, "签章时 When signed", _word(found), ink=_INKS[found])
    _fact(flow, "现在 Today", f"{_word(now.indication)}: {now.summary_zh}", _INKS[now.indication])
    _fact(flow, "", now.summary)
    _fact(flow, "格式 Format", report.format or "-")
    if len(report.id) > IN_HEAD:
        _fact(flow, "签章 Signature", report.id)
    if len(report.seal_name) > IN_HEAD:
        _fact(flow, "印章 Seal", report.seal_name)
    if report.es_id:
        _fact(flow, "印章编码 Seal code", report.es_id)
    if report.certificate:
        holder = report.certificate
        _fact(flow, "证书 Certificate", holder.subject)
        _fact(flow, "颁发者 Issuer", holder.issuer)
        _fact(flow, "序列号 Serial", holder.serial)
        period = f"{china_time(holder.valid_from)} – {china_time(holder.valid_to)}"
        _fact(flow, "证书有效期 Valid", period)
    if report.maker:
        maker = f"{report.maker.subject} (SN {report.maker.serial})"
        unknown = "" if report.is_maker_known else "；自述，未证实 by its own word only"
        _fact(flow, "制章者 Seal made by", maker + unknown)
    if report.signed_at:
        label = "印章制作时间 Made" if report.is_seal else "签章自述时间 Claimed"
        _fact(flow, label, china_time(report.signed_at))
    proof = china_time(report.proved_at) if report.proved_at else "无时间戳 no time-stamp"
    _fact(flow, "证明时间 Proved", proof)
    for one in report.trust:
        listed = one.source or "本次使用的信任列表 the trust list in use"
        role = _ROLES.get(one.role, one.role)
        _fact(flow, "信任依据 Rests on", f"{role}: {listed} → {one.anchor}")
    flow.gap(1.5)
    _checks(flow, report.checks)


def _checks(flow: _Flow, checks: Sequence[Check]) -> None:
    for check in checks:
        entry, ink = titled(check.name), _INKS[check.indication]
        outcome = [_Cell(_word(check.indication), 2.8, ink, True)]
        if check.notice:
            outcome.append(_Cell("请注意 read this", 2.5, _INKS[Indication.INDETERMINATE]))
        asked = [_Cell(entry.title_zh, 3.0, bold=True), _Cell(entry.title, 2.6, _GREY)]
        asked += [_Cell(text, 2.4, _GREY) for text in (check.name, entry.clause) if text]
        told = [_Cell(check.detail_zh, 3.0), _Cell(check.detail, 2.6)]
        told += [
            _Cell(f"{label}{text}", 2.5, _GREY)
            for label, text in (("依据：", check.against_zh), ("against: ", check.against))
            if text
        ]
        if check.why:
            told.append(_Cell(f"{check.why} · {check.sub_indication}", 2.5, ink))
        flow.row((24.0, outcome), (46.0, asked), (0.0, told))


def _fact(flow: _Flow, label: str, text: str, ink: Color = BLACK) -> None:
    flow.row((38.0, [_Cell(label, 2.8, _GREY)]), (0.0, [_Cell(text, 2.9, ink)]), ruled=False)


def _heading(flow: _Flow, text: str) -> None:
    flow.gap(4)
    flow.text(text, size=4.0, bold=True, keep=24.0)
    flow.gap(1)


def _word(indication: Indication) -> str:
    return f"{_WORDS[indication]} {indication}"


# --- how it is set ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cell:
    """A paragraph of a cell; size in mm of the em square."""

    text: str
    size: float = 2.9
    ink: Color = BLACK
    bold: bool = False

    def lines(self, width: float) -> list[str]:
        font = face("bold" if self.bold else "regular")
        return wrap(_shown(self.text), width / self.size, font.advance)

    @property
    def leading(self) -> float:
        return self.size * 1.32


def _shown(text: str) -> str:
    """Text with what the font lacks as □."""
    return "".join(c if _has(c) else "□" for c in text)


def _has(character: str) -> bool:
    try:
        return character.isprintable() and face("regular").advance(character) > 0
    except InvalidArgument:
        return False


@dataclass(slots=True)
class _Flow:
    """Pages filled from the top; a row is on one page, unless it is taller than a page."""

    note: str
    _pages: list[tuple[str, list[Item]]] = field(default_factory=list)
    _y: float = 0.0

    def begin(self, about: str) -> None:
        """A new page; `about` stands in its foot."""
        self._pages.append((about, []))
        self._y = _MARGIN

    def gap(self, height: float) -> None:
        """Empty space."""
        self._y += height

    def text(
        self, text: str, *, size: float, ink: Color = BLACK, bold: bool = False, keep: float = 0.0
    ) -> None:
        """A paragraph over the whole width; `keep` mm have to be left on its page."""
        cell = _Cell(text, size, ink, bold)
        if self._y + keep > _BOTTOM:
            self.begin(self._pages[-1][0])
        for line in cell.lines(_INNER):
            self._room(cell.leading)
            self._put(_MARGIN, self._y, cell, line)
            self._y += cell.leading

    def row(self, *columns: tuple[float, list[_Cell]], ruled: bool = True) -> None:
        """Cells side by side; a width of 0 takes what is left."""
        taken = sum(width for width, _ in columns)
        laid: list[tuple[float, list[tuple[_Cell, str]]]] = []
        x = _MARGIN
        for width, cells in columns:
            wide = width or _INNER - taken
            laid.append((x, [(c, line) for c in cells for line in c.lines(wide - 2.0)]))
            x += wide
        tall = max(sum(cell.leading for cell, _ in lines) for _, lines in laid)
        if tall <= _BOTTOM - _MARGIN:
            self._room(tall + (2.0 if ruled else 0.6))
        if ruled:
            self._y += 1.0
        self._lay(laid)
        self._y += 1.0 if ruled else 0.6
        if ruled:
            rule = Line(
                x1=_MARGIN, y1=self._y, x2=_WIDTH - _MARGIN, y2=self._y,
                color=_RULE, line_width=0.12,
            )  # fmt: skip
            self._pages[-1][1].append(rule)

    def _lay(self, columns: list[tuple[float, list[tuple[_Cell, str]]]]) -> None:
        """Set a row; one taller than what is left goes on, line by line, on pages of its own."""
        rest = [(x, list(lines)) for x, lines in columns]
        while any(lines for _, lines in rest):
            top, lowest = self._y, self._y
            for x, lines in rest:
                y = top
                while lines and y + lines[0][0].leading <= _BOTTOM:
                    cell, line = lines.pop(0)
                    self._put(x, y, cell, line)
                    y += cell.leading
                lowest = max(lowest, y)
            self._y = lowest
            if any(lines for _, lines in rest):
                self.begin(self._pages[-1][0])

    def _room(self, height: float) -> None:
        if self._y + height > _BOTTOM:
            self.begin(self._pages[-1][0])

    def _put(self, x: float, y: float, cell: _Cell, line: str) -> None:
        if line:
            font, base = "bold" if cell.bold else "regular", y + cell.size * 0.96
            put = Text(x=x, y=base, text=line, size=cell.size, font=font, color=cell.ink)
            self._pages[-1][1].append(put)

    def pages(self) -> tuple[Page, ...]:
        """All pages, with their feet."""
        return tuple(
            Page(width=_WIDTH, height=_HEIGHT, items=(*items, *self._foot(number, about)))
            for number, (about, items) in enumerate(self._pages, start=1)
        )

    def _foot(self, number: int, about: str) -> Iterator[Item]:
        y = _HEIGHT - 12.0
        yield Rect(x=_MARGIN, y=y - 4.2, width=_INNER, height=0.1, stroke=None, fill=_RULE)
        parts = [part for part in (f"{number} / {len(self._pages)}", about, self.note) if part]
        yield Text(x=_MARGIN, y=y, text=_shown(" · ".join(parts)), size=2.5, color=_GREY)
