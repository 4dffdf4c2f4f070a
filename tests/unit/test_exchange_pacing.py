"""The steps of time at which answers under a row filter are told."""

import pytest

from exchange.pacing import STEP, left_to_wait


@pytest.mark.parametrize(
    ("took", "told"),
    [(0, 1), (0.01, 1), (0.999, 1), (1, 1), (1.001, 2), (2, 2), (2.5, 4), (7.9, 8), (50, 64)],
)
def test_an_answer_comes_at_a_step_or_at_twice_as_long(took, told):
    assert took * STEP + left_to_wait(took * STEP) == pytest.approx(told * STEP)
    assert left_to_wait(took * STEP) >= 0
