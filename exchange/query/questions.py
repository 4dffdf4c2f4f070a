"""A question between its being authorized and its answer.

It is made on the loop, waits for its group commit, is given the record that it asks for, and keeps
what of it is shown; its audit record says both (see `exchange.query.service`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from exchange.grants.model import Grant, Operation
from exchange.query.model import DECOY, Match, check_answer_size, compare, counted, overall
from exchange.query.signing import Facts
from runtime.records import SealedRecord, Value, canonical, make_record
from runtime.signed import RequestSignature


@dataclass(slots=True, kw_only=True)
class Question:
    """An authorized question, until its record is read and its answer is known."""

    grant: Grant
    key: str
    actor: str
    at: datetime
    #: What was asked, canonical JSON.
    request: bytes
    purpose: str
    case_number: str
    #: What the record says of the signature, and the signature.
    signed: Facts
    signature: RequestSignature | None = None
    #: Whether the source's own system was asked, and the record that it sent.
    forwarded: bool = False
    fetched: str | None = None

    @property
    def operation(self) -> Operation:
        """What is asked."""
        raise NotImplementedError

    @property
    def method(self) -> str:
        """What it was asked by."""
        raise NotImplementedError

    @property
    def asked_items(self) -> tuple[str, ...]:
        """Items as they were asked for."""
        raise NotImplementedError

    def answer(self, payload: str | None) -> SealedRecord:
        """Keep the answer; the record that says it.

        Raises ResourceExhausted, ANSWER_TOO_LARGE.
        """
        raise NotImplementedError

    def _record(self, kind: str, facts: Mapping[str, Value], answer: bytes) -> SealedRecord:
        told: dict[str, Value] = {
            "grant": self.grant.name,
            "contract": self.grant.contract_hash,
            "resource": self.grant.resource,
            **facts,
            **counted(self.grant, 1),
            **self.signed,
        }
        if self.forwarded:
            told["source"] = "endpoint"
        return make_record(
            kind,
            at=self.at,
            actor=self.actor,
            facts=told,
            commitments={
                "key": self.key.encode(),
                "purpose": self.purpose.encode(),
                "case_number": self.case_number.encode(),
                "request": self.request,
                "answer": answer,
            },
        )


@dataclass(slots=True, kw_only=True)
class QueryQuestion(Question):
    """What is asked by `Query`, and what was shown."""

    items: Sequence[str]
    found: bool = False
    shown: Mapping[str, str] = field(default_factory=dict)

    @property
    def operation(self) -> Operation:
        """A query."""
        return Operation.QUERY

    @property
    def method(self) -> str:
        """As a signature names it."""
        return "Query"

    @property
    def asked_items(self) -> tuple[str, ...]:
        """Those named; none is all."""
        return tuple(self.items)

    def answer(self, payload: str | None) -> SealedRecord:
        """Project the record."""
        if payload is not None:
            items = self.grant.project(orjson.loads(payload))
            if self.items:
                items = {code: items[code] for code in self.items if code in items}
            self.found, self.shown = True, items
        answer = canonical({"found": self.found, "items": self.shown})
        check_answer_size(len(answer))
        return self._record(
            "query",
            {"items": list(self.items or self.grant.masks), "found": self.found},
            answer,
        )


@dataclass(slots=True, kw_only=True)
class VerifyQuestion(Question):
    """What is asked by `Verify`, and what was found true."""

    claims: Mapping[str, str]
    results: Mapping[str, Match] = field(default_factory=dict)

    @property
    def operation(self) -> Operation:
        """A verification."""
        return Operation.VERIFY

    @property
    def method(self) -> str:
        """As a signature names it."""
        return "Verify"

    @property
    def asked_items(self) -> tuple[str, ...]:
        """Those of the claims."""
        return tuple(self.claims)

    def answer(self, payload: str | None) -> SealedRecord:
        """Compare the record."""
        # An absent record is read and compared too: as one that holds none of the items.
        held = orjson.loads(DECOY if payload is None else payload)
        self.results = compare({} if payload is None else held, self.claims)
        return self._record(
            "verify",
            {"items": sorted(self.claims)},
            canonical({"claims": self.results, "result": overall(self.results)}),
        )
