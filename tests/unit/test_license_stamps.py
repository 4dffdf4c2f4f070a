"""Where the node asks for a license's seal: its place, and across the edges of several sheets."""

from __future__ import annotations

import pytest

from licenses.neighbours import placements
from licenses.pages.template import load


@pytest.mark.parametrize("sheets", [1, 2, 5])
def test_of_several_sheets_the_seal_stands_across_their_edges_too(sheets: int) -> None:
    stamp = load("business-license").stamp
    first, *more = placements(stamp, sheets)
    assert (first.position.page, first.position.x_mm) == (stamp.page, stamp.box[0])
    assert [one.edges.y_mm for one in more] == ([stamp.across] if sheets > 1 else [])


def test_a_card_of_two_sides_is_stamped_once() -> None:
    assert len(placements(load("driving-licence").stamp, 2)) == 1
