"""The picture of who shares with whom: what is used more is wider, and nothing lies on another."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from portal.office import flow

NAMES = [f"departments/{letter}" for letter in "abcdef"]
USES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 10**7)), max_size=60
)


def test_grants_between_two_departments_are_one_band():
    told = flow.between([("a", "b", 3), ("a", "b", 4), ("a", "c", 9)])
    assert [(one.source, one.receiver, one.grants, one.uses) for one in told] == [
        ("a", "c", 1, 9),
        ("a", "b", 2, 7),
    ]


@given(USES, st.booleans())
def test_bars_stand_apart_and_hold_their_bands(uses, narrow):
    shared = flow.between(uses)
    picture = flow.drawn(shared, narrow=narrow)
    assert len(picture.bands) == len(shared)
    first = min((node.x for node in picture.nodes), default=0)
    assert all(0 <= node.x < picture.width for node in picture.nodes)
    for side in {node.x for node in picture.nodes}:
        bars = sorted((n.y, n.y + n.height) for n in picture.nodes if n.x == side)
        assert all(low[1] < high[0] for low, high in pairwise(bars))
        assert all(end <= picture.height for _, end in bars)
    for node in picture.nodes:
        end = "source" if node.x == first else "receiver"
        inside = [b.width for b in picture.bands if getattr(b.shared, end) == node.name]
        assert sum(inside) <= node.height + 1e-6
    widths = [band.width for band in picture.bands]
    assert widths == sorted(widths, reverse=True)
    assert all(flow.LEAST <= width <= flow.WIDEST + 1e-6 for width in widths)


def test_nothing_shared_is_an_empty_picture():
    assert flow.drawn([]) == flow.Picture(nodes=(), bands=(), height=flow.GAP, width=flow.WIDTH)
