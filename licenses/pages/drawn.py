"""A license's two drafts from a template's text and values: pure, so that a worker may do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from licenses.pages import fallback, template
from licenses.pages.model import Attachment, Document
from licenses.pages.ofd import write_ofd
from licenses.pages.pdf import write_pdf
from licenses.pages.sheets import Template, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a document says beside the values of its template (`template.lay_out`)."""

    created: datetime
    author: str
    metadata: Mapping[str, str]
    qr: str | None
    mark: str
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The drafts, unsealed, and of how many pages."""

    ofd: bytes
    pdf: bytes
    sheets: int


@lru_cache(maxsize=200)
def read_once(text: str) -> Template:
    """A template from TOML. Raises as `template.parse`."""
    return template.parse(text)


def laid_out(page: Template, values: Mapping[str, Value], said: Said) -> Document:
    """The pages of a document. Raises as `template.lay_out`."""
    return template.lay_out(
        page,
        values,
        created=said.created,
        author=said.author,
        metadata=said.metadata,
        qr=said.qr,
        mark=said.mark,
        attachments=said.attachments,
    )


def draw(text: str, values: Mapping[str, Value], said: Said, fonts: fallback.Fonts) -> Drawn:
    """Lay out and write both; `fonts` are the process's of who asks.

    Raises as `template.lay_out`, `write_ofd` and `write_pdf`.
    """
    fallback.use(fonts)
    page = laid_out(read_once(text), values, said)
    return Drawn(ofd=write_ofd(page), pdf=write_pdf(page), sheets=len(page.pages))
