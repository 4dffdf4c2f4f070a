"""The account service put together: its database, the node's authority, its methods.

`migrate`, then `register` on a server; `stop` when that server has stopped.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from accounts.administering import Administering
from accounts.enrolling import Enrolling
from accounts.holding import Holding
from accounts.openid import OpenId
from accounts.rpc import (
    POLICY,
    SIGN_IN_POLICY,
    SIGN_IN_SIZES,
    SIZES,
    AccountRpc,
    SignInRpc,
)
from accounts.secrecy import Secrecy
from accounts.sessions import Sessions
from accounts.signing_in import SigningIn
from accounts.v1 import accounts_pb2_grpc
from runtime.authority import Authority
from runtime.clock import SYSTEM, Clock
from runtime.config import Settings
from runtime.database import Database
from runtime.rpc import Server

MIGRATIONS = Path(__file__).parent / "migrations"


class AccountServer:
    """One node's account service. Its audit records wait in `database` for the node's relay.

    `authority` certifies the sessions: it is the node's own, with its key.
    """

    def __init__(
        self,
        settings: Settings,
        authority: Authority,
        clock: Clock = SYSTEM,
        *,
        secrecy: Secrecy | None = None,
    ) -> None:
        self.database = Database(settings.database_url("accounts"), schema="accounts")
        origin = settings.portal.where
        holding = Holding(secrecy or Secrecy(settings.passphrase()))
        self.sessions = Sessions(self.database, holding, authority, clock)
        self.administering = Administering(self.database, holding, self.sessions, clock)
        self.enrolling = Enrolling(self.database, holding, clock, origin)
        self.signing_in = SigningIn(
            self.database,
            holding,
            self.sessions,
            clock,
            origin,
            portal=f"departments/{settings.department}/systems/portal",
        )
        self.openid = OpenId(
            settings.sign_in,
            self.database,
            holding,
            self.sessions,
            self.signing_in,
            clock,
            origin,
        )
        self._origin = origin

    def migrate(self) -> None:
        """Bring the database to this version."""
        self.database.migrate(MIGRATIONS)

    def register(self, server: Server) -> None:
        """Add the methods to a server."""
        server.add(
            accounts_pb2_grpc.add_AccountServiceServicer_to_server,
            AccountRpc(self.database, self.administering, self.sessions),
            POLICY,
            SIZES,
        )
        server.add(
            accounts_pb2_grpc.add_SignInServiceServicer_to_server,
            SignInRpc(self.enrolling, self.signing_in, self.openid, self._origin),
            SIGN_IN_POLICY,
            SIGN_IN_SIZES,
        )

    async def stop(self) -> None:
        """Give the connections back."""
        await asyncio.to_thread(self.database.close)
