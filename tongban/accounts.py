"""The account service on a data folder, for its operator: beside a running node, or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from accounts.administering import Invited
from accounts.model import Account
from accounts.server import AccountServer
from runtime import config
from tongban.commands.identity import open_authority

Facts = dict[str, object]


@contextmanager
def opened(settings: config.Settings) -> Iterator[AccountServer]:
    """The service of a node's data folder. Raises what `open_authority` does."""
    server = AccountServer(settings, open_authority(settings))
    try:
        server.migrate()
        yield server
    finally:
        server.database.close()


def operator(settings: config.Settings) -> str:
    """Whose acts these are in the log: the node's own."""
    return f"departments/{settings.department}/systems/node"


def facts_of(held: Account) -> Facts:
    """An account for programs; of an applicant without the number."""
    return {
        "account": held.name,
        "system": held.system,
        "display_name": held.display_name,
        "login": "" if held.is_applicant else held.login,
        "roles": sorted(held.roles),
        "state": held.state.value,
        "create_time": held.create_time.isoformat(),
        "sign_in_time": held.sign_in_time.isoformat() if held.sign_in_time else None,
    }


def invited_facts(made: Invited, settings: config.Settings) -> Facts:
    """A new or a reset account, with the link that is told once."""
    return {
        **facts_of(made.account),
        "link": f"{settings.portal.where}/enrol#{made.token}",
        "expire_time": made.expire_time.isoformat(),
    }
