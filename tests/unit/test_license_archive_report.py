"""What the sealed report of checks and the certificate of destruction say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pypdfium2

from licenses.archiving import report
from licenses.archiving.model import Archive, Finding, Property, Retention

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
ARCHIVE = Archive(
    id="0" * 24,
    department="departments/human-resources",
    subject=f"departments/human-resources/licenses/{'a1' * 12}",
    object_name="",
    sha256="0123456789abcdef" * 4,
    size=1,
    retention=Retention.YEARS_30,
    retain_until=datetime(2056, 12, 31, 16, tzinfo=UTC),
    locked_by="write_once",
    archive_time=NOW,
    actor="departments/human-resources/systems/main",
    findings=(
        Finding(
            property=Property.AUTHENTIC,
            name="package_digest",
            passed=False,
            detail="",
            detail_zh="与归档时的字节不一致",
        ),
    ),
)


def lines(pdf: bytes) -> list[str]:
    opened: Any = pypdfium2.PdfDocument(pdf)
    return [one for page in opened for one in page.get_textpage().get_text_range().splitlines()]


def test_a_report_says_words_and_breaks_no_name() -> None:
    said = lines(report.checked([ARCHIVE], "人力资源和社会保障局", NOW)[0])
    whole = "\n".join(said)
    assert "保管期限：定期30年" in whole
    assert "YEARS" not in whole
    assert "write_once" not in whole
    for name in (ARCHIVE.name, ARCHIVE.subject, ARCHIVE.sha256, "package_digest"):
        assert any(name in line for line in said), name


def test_a_certificate_of_destruction_says_words_and_breaks_no_name() -> None:
    gone = replace(
        ARCHIVE, asked_reason="保管期满", asked_by=f"{ARCHIVE.department}/systems/person-a",
        destroyed_by=f"{ARCHIVE.department}/systems/person-b", destroy_time=NOW,
    )  # fmt: skip
    said = lines(report.destroyed(gone, "人力资源和社会保障局")[0])
    assert "YEARS" not in "\n".join(said)
    assert "保管期限：定期30年，至 2057-01-01 00:00:00" in said
    for name in (gone.subject, gone.sha256, gone.asked_by, gone.destroyed_by):
        assert any(name in line for line in said), name
