"""Issuing, correcting, renewing and transferring, cut short anywhere, a thousand times over.

`TONGBAN_SEEDS=20000` lives more of them, `TONGBAN_FIRST_SEED=1000000` others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from licenses import store
from licenses.issuing import Issuing, Request
from licenses.model import Act, License, LicenseState
from licenses.succession import Wish
from runtime.errors import DomainError
from tests.builders.license_simulator import ISSUER_SYSTEM, Simulation, without_pages
from tests.builders.licenses import citizen_number

FIRST = int(os.environ.get("TONGBAN_FIRST_SEED", "0"))
SEEDS = FIRST + int(os.environ.get("TONGBAN_SEEDS", "200"))
CHUNK = 50


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    with pytest.MonkeyPatch.context() as patched:
        without_pages(patched)
        found = Simulation(tmp_path_factory.mktemp("simulation"))
        yield found
        found.database.close()


def a_request(id_: str) -> Request:
    return Request(actor=ISSUER_SYSTEM.system, id=id_, digest=b"d" * 32)


@pytest.mark.parametrize("start", range(FIRST, SEEDS, CHUNK))
def test_whatever_cuts_it_short_nothing_is_half_issued(simulation: Simulation, start: int) -> None:
    died = simulation.deaths
    for seed in range(start, min(start + CHUNK, SEEDS)):
        try:
            simulation.run(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert simulation.deaths > died


WISHES = {
    Act.CORRECT: Wish(fields={"KZ_BZ": "更正"}),
    Act.RENEW: Wish(),
    Act.TRANSFER: Wish(holders=[("钱示例", citizen_number(2))]),
}


@pytest.mark.parametrize("act", [None, *WISHES], ids=lambda act: act.name if act else "ISSUE")
def test_a_death_at_every_single_moment_of_an_act(simulation: Simulation, act: Act | None) -> None:
    die_at_every_moment(simulation, act)


@pytest.mark.parametrize("act", [None, Act.CORRECT], ids=["ISSUE", "CORRECT"])
def test_a_service_that_ignores_repeats_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Act | None
) -> None:
    """Planted: a repeat is taken for a new request, whoever repeats has two licenses."""
    add = store.add_license

    def add_whatever(session: Session, license_: License, **asked: Any) -> None:
        if store.request_of(session, license_.actor, asked["request_id"]) is not None:
            asked["request_id"] += f"-{license_.id}"
        add(session, license_, **asked)

    without_pages(monkeypatch)
    monkeypatch.setattr(Issuing, "begun", lambda *_: None)
    monkeypatch.setattr(store, "add_license", add_whatever)
    simulation = Simulation(tmp_path)
    with pytest.raises((AssertionError, DomainError)) as caught:
        die_at_every_moment(simulation, act)
    simulation.database.close()
    if act is None:
        assert "again.id == made[-1].id" in str(caught.traceback[-1].statement)
    else:  # the law of the acts tells it already: what is superseded is not corrected once more
        assert isinstance(caught.value, DomainError)
        assert caught.value.reason in ("TRANSITION_FORBIDDEN", "VERSION_BEING_ISSUED")


def test_a_death_at_every_single_moment_of_several_issued_together(
    simulation: Simulation,
) -> None:
    simulation.finish()
    simulation.fate.expect({})
    simulation.process.issue_all([a_request(f"together-{one}") for one in "ab"])
    for moment in range(simulation.fate.count):
        requests = [a_request(f"together-{moment}-{one}") for one in "ab"]
        simulation.attempt(lambda p, asked=requests: p.issue_all(asked), {moment: "die"})
        left = [simulation._versions(one) for one in requests]
        # All of them are reserved, or none: then each is made by its repeat.
        assert len({len(one) for one in left}) == 1
        simulation.finish()
        again = simulation.process.issue_all(requests)
        done = [simulation._versions(one) for one in requests]
        assert [[one.id for one in found] for found in done] == [[one.id] for one in again]
        assert all(found[0].state is LicenseState.ACTIVE for found in done)
        assert not left[0] or [one[0].identifier for one in left] == [
            one.identifier for one in again
        ]


def die_at_every_moment(simulation: Simulation, act: Act | None) -> None:
    simulation.finish()
    moment, moments = 0, 0
    while moment <= moments:
        key = f"{act.name if act else 'ISSUE'}-{moment}"
        first, request = a_request(f"{key}-first"), a_request(key)
        if act is None:
            request = first
            acts = lambda p, first=first: p.issue(first)  # noqa: E731
        else:
            before = simulation.process.issue(first)
            acts = lambda p, before=before, request=request: p.succeed(  # noqa: E731
                before.name, act, WISHES[act], request
            )
        simulation.fate.expect({})
        if moment == 0:  # live it once, to count
            probe = a_request(f"{key}-probe")
            if act is None:
                simulation.process.issue(probe)
            else:
                other = simulation.process.issue(a_request(f"{key}-other"))
                simulation.fate.expect({})
                simulation.process.succeed(other.name, act, WISHES[act], probe)
            moments = simulation.fate.count
        assert simulation.attempt(acts, {moment: "die"}) is None or moment == moments
        left = simulation._versions(first)
        simulation.finish()
        done = simulation._versions(first)
        # What was reserved came into force under the same name and identifier.
        assert [(one.id, one.identifier) for one in done] == [
            (one.id, one.identifier) for one in left
        ]
        assert not [one for one in done if one.state is LicenseState.ISSUING]
        again = acts(simulation.process)  # the caller repeats the request
        made = simulation._versions(first)
        assert again.id == made[-1].id
        assert len(made) == (1 if act is None else 2)
        assert [one.state for one in made[:-1]] == ([] if act is None else [_ended(act)])
        assert made[-1].state is LicenseState.ACTIVE
        moment += 1
    assert moments > 15


def _ended(act: Act) -> LicenseState:
    return LicenseState.TRANSFERRED if act is Act.TRANSFER else LicenseState.SUPERSEDED
