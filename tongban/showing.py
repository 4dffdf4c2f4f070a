"""A verdict on a screen of 80 columns: the answer, what holds today, then every check in order.

A check that simply holds takes one line; one that doesn't, or that should be read, also says what
it was checked against and by which standard. `details` says that of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.table import Table
from rich.text import Text

from seal.judging.check_names import titled
from seal.judging.plainly import IN_HEAD, china_time, in_head
from seal.model import (
    CertificateFacts,
    Check,
    Indication,
    SignatureReport,
    Standing,
    Trust,
    Verdict,
)
from tongban.console import COLOURS, out, print_answer, print_hanging, say, word

_MARKS: Final = {
    Indication.PASSED: "✓",
    Indication.INDETERMINATE: "?",
    Indication.FAILED: "✗",
}
_NOTICE: Final = "!"
_ROLES: Final = {
    "seal_maker_certificate": ("seal maker", "制章者"),
    "signer_certificate": ("signer", "签章者"),
    "time_stamp": ("time-stamp", "时间戳"),
    "seal_time_stamp": ("seal's time-stamp", "印章时间戳"),
    "evidence_time": ("bundle's time-stamp", "证据包时间戳"),
}


def print_verdict(verdict: Verdict, *, details: bool = False) -> None:
    """A verdict as a sentence for the time of signing, one for today, and its checks."""
    print_answer(verdict.indication.value, say(verdict.summary, verdict.summary_zh))
    if verdict.indication is Indication.PASSED:
        _print_now(verdict.now)
    else:
        out.print(Text(f"  {verdict.reason} · {verdict.sub_indication}", "dim"))
    if verdict.checks:
        out.print()
        out.print(Text(say("Document", "文件"), "bold"))
        out.print(_checks(verdict.checks, details=details))
    for report in verdict.signatures:
        out.print()
        _print_report(report, details=details)


def _print_now(now: Standing) -> None:
    colour = COLOURS[now.indication.value]
    head = Text.assemble(("  " + say("now ", "现在 "), "dim"), (word(now.indication.value), colour))
    told = Text(say(now.summary, now.summary_zh))
    if now.sub_indication:
        told.append(f" ({now.sub_indication})", "dim")
    print_hanging(head, told)


def _print_report(report: SignatureReport, *, details: bool) -> None:
    named = dict.fromkeys(name for name in (report.seal_name, report.signer) if name)
    names = (*((report.id,) if report.id else ()), *named, report.format or "-")
    title = " · ".join(map(in_head, names))
    colour = COLOURS[report.indication.value]
    head = Text.assemble((title, "bold"), "  ", (word(report.indication.value), f"bold {colour}"))
    out.print(head)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, text in facts_of(report):
        facts.add_row(f"  {label}", Text(text))
    out.print(facts)
    out.print(_checks(report.checks, details=details))


def facts_of(report: SignatureReport) -> Iterable[tuple[str, str]]:
    """Who signed, when and on whose word, and what the trust rests on, in the reader's language."""
    if len(report.id) > IN_HEAD:
        yield say("signature", "签章"), report.id
    if len(report.seal_name) > IN_HEAD:
        yield say("seal", "印章"), report.seal_name
    if report.certificate:
        yield say("certificate", "证书"), _certificate(report.certificate)
    if report.maker:
        unknown = "" if report.is_maker_known else say(" (by its own word)", "（自述，未证实）")
        yield say("seal made by", "制章者"), _certificate(report.maker) + unknown
    if report.es_id:
        yield say("seal code", "印章编码"), report.es_id
    if report.signed_at:
        whose = "（印章自述）" if report.is_seal else "（签章自述）"
        own = "" if report.proved_at else say(" (its own word)", whose)
        made = say("made", "制作时间") if report.is_seal else say("signed", "签章时间")
        yield made, china_time(report.signed_at) + own
    if report.proved_at:
        yield say("proved", "证明时间"), china_time(report.proved_at)
    yield from trust_of(report.trust)
    if report.indication is Indication.PASSED:
        now = report.now
        yield (
            say("now", "现在"),
            f"{word(now.indication.value)}: {say(now.summary, now.summary_zh)}",
        )


def _certificate(found: CertificateFacts) -> str:
    return f"{found.subject} ({say('serial', '序列号')} {found.serial})"


def trust_of(trust: Iterable[Trust]) -> Iterable[tuple[str, str]]:
    """Which list and root each role's trust rests on; roles that rest on the same are one line."""
    rests: dict[str, list[str]] = {}
    for one in trust:
        listed = one.source or say("your trust list", "您的信任列表")
        role = say(*_ROLES.get(one.role, (titled(one.role).title, titled(one.role).title_zh)))
        rests.setdefault(f"{listed} → {one.anchor}", []).append(role)
    for rest, roles in rests.items():
        yield say("trust", "信任依据"), f"{rest} ({', '.join(roles)})"


def _checks(checks: tuple[Check, ...], *, details: bool) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=26)
    table.add_column(overflow="fold", ratio=1)
    for check in checks:
        colour, entry = COLOURS[check.indication.value], titled(check.name)
        mark = _NOTICE if check.notice else _MARKS[check.indication]
        plain = check.indication is Indication.PASSED and not check.notice
        table.add_row(
            Text(f"  {mark}", "yellow" if check.notice else f"bold {colour}"),
            Text(say(entry.title, entry.title_zh), "" if plain else f"bold {colour}"),
            _found(check, full=details or not plain),
        )
    return table


def _found(check: Check, *, full: bool) -> Text:
    told = Text(say(check.detail, check.detail_zh))
    if full:
        if check.against:
            against = say(f"against: {check.against}", f"依据：{check.against_zh}")
            told.append(f"\n{against}", "dim")
        words = (check.name, check.why, titled(check.name).clause)
        told.append("\n" + " · ".join(one for one in words if one), "dim")
    return told
