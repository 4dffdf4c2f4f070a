"""Answering a mutation once per request id, also where two of one id come at the same time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from runtime.database import Answer, Database, UnitOfWork, check_request_id
from runtime.errors import DomainError


class OnceRpc:
    """A servicer whose mutations are answered once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _is_answered(self, actor: str, method: str, request_id: str) -> bool:
        """Whether a repeat; asked before any slow work, so the id is checked here too."""
        check_request_id(request_id)
        return self._database.held.answered(actor, method, request_id)

    def _once(
        self,
        actor: str,
        method: str,
        request: Any,
        answer_type: type[Answer],
        act: Callable[[UnitOfWork], Answer],
    ) -> Answer:
        """`UnitOfWork.once`; where a twin committed first, its answer."""

        def write() -> Answer:
            with self._database.unit_of_work() as work:
                return work.once(
                    actor, method, request, request.request_id, answer_type, partial(act, work)
                )

        return self._unless_twin(actor, method, request.request_id, write)

    def _unless_twin(
        self, actor: str, method: str, request_id: str, write: Callable[[], Answer]
    ) -> Answer:
        """What `write` answers; it is asked again where a twin of the request committed first."""
        for last in (False, True):
            try:
                return write()
            except DomainError:
                if last or not self._is_answered(actor, method, request_id):
                    raise
        raise AssertionError("one of two attempts returns or raises")

    def _prepared_once(
        self,
        actor: str,
        method: str,
        request: Any,
        answer_type: type[Answer],
        prepare: Callable[[], Any],
        act: Callable[[UnitOfWork, Any], Answer],
    ) -> Answer:
        """An act whose slow part comes first, and not for a repeat."""
        ready = None
        if not self._is_answered(actor, method, request.request_id):
            try:
                ready = prepare()
            except DomainError:
                if not self._is_answered(actor, method, request.request_id):
                    raise  # else a twin of this request was answered meanwhile
        return self._once(actor, method, request, answer_type, lambda work: act(work, ready))
