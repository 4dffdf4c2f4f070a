"""Accounts between the model and protobuf."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from accounts.administering import Invited
from accounts.model import Account
from accounts.v1 import accounts_pb2 as pb


def to_account(held: Account) -> pb.Account:
    """An account as it is told."""
    return pb.Account(
        name=held.name,
        display_name=held.display_name,
        system=held.system,
        roles=sorted(held.roles),
        state=pb.AccountState.Value(f"ACCOUNT_STATE_{held.state.name}"),
        create_time=stamp(held.create_time),
        sign_in_time=stamp(held.sign_in_time),
    )


def to_invitation(made: Invited) -> pb.Invitation:
    """A link as it is told, once."""
    return pb.Invitation(token=made.token, expire_time=stamp(made.expire_time))


def stamp(at: datetime | None) -> Timestamp | None:
    """A time on the wire; None where there is none."""
    if at is None:
        return None
    found = Timestamp()
    found.FromDatetime(at)
    return found
