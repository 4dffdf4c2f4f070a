"""Draws the golden pictures of `tests/golden/licenses` again; see the README there."""

from __future__ import annotations

from pathlib import Path

from licenses.pages.pdf import write_pdf
from licenses.pages.png import pdf_to_png
from tests.builders.license_pages import TYPES, coarse, sample

FOLDER = Path(__file__).parent.parent / "golden" / "licenses"
DPI = 32


def main() -> None:
    """Draw every page."""
    for name in TYPES:
        document = sample(name)
        pdf = write_pdf(document)
        for page in range(1, len(document.pages) + 1):
            (FOLDER / f"{name}-{page}.png").write_bytes(coarse(pdf_to_png(pdf, page, DPI)))


if __name__ == "__main__":
    main()
