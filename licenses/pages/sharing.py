"""Which characters all documents of a template share, so that their font file is made once."""

from __future__ import annotations

from collections.abc import Mapping

from licenses.pages.fonts import units
from licenses.pages.model import Text
from licenses.pages.sheets import Template

# Embedded in every document of a template, so that dates and numbers need no second file.
_ALWAYS = "0123456789年月日至"


def shared_characters(template: Template) -> Mapping[str, frozenset[str]]:
    """By face: every fixed character, and the digits where a value is set in it."""
    found: dict[str, set[str]] = {}
    for sheet in template.sheets:
        texts = (item for item in sheet.items if isinstance(item, Text))
        fixed = [*texts, *(text for slot in sheet.slots for text in slot.label)]
        for item in fixed:
            if not item.shapes:
                found.setdefault(item.font, set()).update(item.text)
        for slot in sheet.slots:
            found.setdefault(slot.style.font, set()).update(_ALWAYS)
        for grid in sheet.grids:
            found.setdefault(grid.style.font, set()).update("0123456789.")
            for unit in units("".join(one.label for one in grid.columns), grid.header.font):
                found.setdefault(unit.face, set()).update(unit.shapes or unit.text)
    return {name: frozenset(own) for name, own in found.items()}
