"""The lock of PDFium, which keeps global state and may not be entered by two threads."""

from __future__ import annotations

from threading import Lock
from typing import Final

PDFIUM: Final = Lock()
"""Held around everything done with pypdfium2, wherever in the process."""
