"""The account service put together: its database, the node's authority, its methods.

`migrate`, then `register` on a server; `stop` when that server has stopped.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from argon2 import PasswordHasher

from accounts import store
from accounts.acts.service import Acts
from accounts.administering import Administering
from accounts.departments import Departments
from accounts.enrolling import Enrolling
from accounts.holding import Holding
from accounts.keyfile import open_key
from accounts.openid import OpenId
from accounts.own.service import Own
from accounts.rpc import (
    POLICY,
    SIGN_IN_POLICY,
    SIGN_IN_SIZES,
    SIZES,
    AccountRpc,
    Lanes,
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
from runtime.departments import Parents
from runtime.errors import DomainError
from runtime.rpc import Server

SWEEP_SECONDS = 3600.0
_log = structlog.get_logger()
MIGRATIONS = Path(__file__).parent / "migrations"


class AccountServer:
    """One node's account service. Its audit records wait in `database` for the node's relay.

    `authority` certifies the sessions: it is the node's own, with its key. `parents` tells which
    departments there are and what each is below; without it nobody acts for another's but the
    office. `key` is used in place of the one in the folder (`keyfile`), where it is given.
    """

    def __init__(
        self,
        settings: Settings,
        authority: Authority,
        clock: Clock = SYSTEM,
        *,
        key: bytes = b"",
        hasher: PasswordHasher | None = None,
        parents: Parents | None = None,
    ) -> None:
        self.database = Database(settings.database_url("accounts"), schema="accounts")
        origin = settings.portal.where
        key = key or self._key(settings)
        holding = Holding(Secrecy(key, hasher))
        self.sessions = Sessions(self.database, holding, authority, clock)
        self.administering = Administering(self.database, holding, self.sessions, clock)
        self.departments = Departments(parents, office=f"departments/{settings.department}")
        self.acts = Acts(self.database, holding, self.administering, self.departments, clock)
        self.signing_in = SigningIn(
            self.database,
            holding,
            self.sessions,
            clock,
            origin,
            portal=f"departments/{settings.department}/systems/portal",
        )
        flows = self.signing_in.flows
        self.enrolling = Enrolling(self.database, holding, flows, clock, origin)
        self.own = Own(self.database, holding, self.sessions, flows, clock, origin)
        self.openid = OpenId(
            settings.sign_in,
            self.database,
            holding,
            self.sessions,
            self.signing_in,
            self.departments,
            clock,
            origin,
        )
        self._origin = origin
        self._lanes = Lanes.opened()
        self._sweep: asyncio.Task[None] | None = None

    def _key(self, settings: Settings) -> bytes:
        with self.database.reading() as session:
            in_use = store.any_account(session.connection())
        return open_key(settings.data / "keys", settings.passphrase(), in_use=in_use)

    def migrate(self) -> None:
        """Bring the database to this version; afterwards there is a list of ended sessions."""
        self.database.migrate(MIGRATIONS)
        self.sessions.begin_ended_list()

    def register(self, server: Server) -> None:
        """Add the methods to a server."""
        server.add(
            accounts_pb2_grpc.add_AccountServiceServicer_to_server,
            AccountRpc(
                self.database,
                self.administering,
                self.acts,
                self.departments,
                self.own,
                self.sessions,
                self._lanes,
            ),
            POLICY,
            SIZES,
        )
        server.add(
            accounts_pb2_grpc.add_SignInServiceServicer_to_server,
            SignInRpc(self.enrolling, self.signing_in, self.openid, self._origin, self._lanes),
            SIGN_IN_POLICY,
            SIGN_IN_SIZES,
        )

    def start(self) -> None:
        """Forget what is over, each hour; to be called on the loop that answers."""
        self._sweep = asyncio.create_task(self._keep_swept())

    async def _keep_swept(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.signing_in.sweep)
            except DomainError as error:  # a full disk, another process that writes for long
                _log.error("accounts_not_swept", reason=error.reason)
            await asyncio.sleep(SWEEP_SECONDS)

    async def stop(self) -> None:
        """Give the threads and connections back."""
        if self._sweep is not None:
            self._sweep.cancel()
        await asyncio.to_thread(self._lanes.close)
        await asyncio.to_thread(self.database.close)
