"""Sound files, changed here and there: every target answers or says what is wrong.

`tests.fuzz.explore` looks for more, guided by what the code does; what it found stays in `corpus/`
and is tried here again.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
DEAR = frozenset({"pdf", "image", "evidence", "evidence-entry", "ofd", "ofd-entry"})


@lru_cache(maxsize=len(TARGETS))
def _seeds(name: str) -> tuple[bytes, ...]:
    return tuple(TARGETS[name].seeds())


@st.composite
def changed(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """One of the seeds with a few places changed, taken out, doubled or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.integers(0, 16))
        match draw(st.sampled_from(("set", "put", "cut", "double", "flip"))):
            case "set":
                data[at : at + length] = draw(st.binary(min_size=length, max_size=length))
            case "put":
                data[at:at] = draw(st.binary(max_size=16))
            case "cut":
                del data[at : at + length]
            case "double":
                data[at:at] = data[at : at + 4 * length]
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_what_the_target_is_for(name: str) -> None:
    seeds = _seeds(name)
    assert seeds
    for data in (b"", *seeds):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_bytes_are_answered(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=100 if name in DEAR else 400,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(changed(_seeds(name)))
    def answered(data: bytes) -> None:
        target(data)

    answered()


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_is_answered(name: str) -> None:
    for path in sorted((CORPUS / name).glob("*.bin")):
        TARGETS[name](path.read_bytes())


def test_the_corpus_is_small_and_of_targets_that_are() -> None:
    files = list(CORPUS.rglob("*.bin"))
    assert {path.parent.name for path in files} <= set(TARGETS)
    assert sum(path.stat().st_size for path in files) < 512 * 1024
