"""What the portal's process is told when it is started, by the environment that starts it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import FailedPrecondition

NODE = "TONGBAN_PORTAL_NODE"
IDENTITY = "TONGBAN_PORTAL_IDENTITY"
ORIGIN = "TONGBAN_PORTAL_ORIGIN"
PROXIES = "TONGBAN_PORTAL_PROXIES"
LOG_LEVEL = "TONGBAN_PORTAL_LOG_LEVEL"
LOG_JSON = "TONGBAN_PORTAL_LOG_JSON"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """Where the node answers, and the folder with the portal's own certificate and key."""

    node: str
    identity: Path
    #: Where people open the pages; empty where nothing is set.
    origin: str = ""
    #: Networks of the proxies before the portal, whose `X-Forwarded-For` is believed.
    proxies: tuple[str, ...] = ()
    #: As the node logs.
    log_level: str = "INFO"
    log_json: bool = True

    @classmethod
    def of_environment(cls) -> LinkSettings:
        """As `environment` wrote it. Raises FailedPrecondition, PORTAL_NOT_TOLD."""
        try:
            return cls(
                node=os.environ[NODE],
                identity=Path(os.environ[IDENTITY]),
                origin=os.environ.get(ORIGIN, ""),
                proxies=tuple(os.environ.get(PROXIES, "").split()),
                log_level=os.environ.get(LOG_LEVEL, "INFO"),
                log_json=os.environ.get(LOG_JSON, "1") == "1",
            )
        except KeyError as error:
            raise FailedPrecondition(
                f"the portal is started by `tongban serve`, which sets {error.args[0]}",
                reason="PORTAL_NOT_TOLD",
                message_zh=f"门户由 tongban serve 启动，并由其设置 {error.args[0]}",
            ) from error

    def environment(self) -> dict[str, str]:
        """Variables that tell a process of the portal all this."""
        return {
            NODE: self.node,
            IDENTITY: str(self.identity),
            ORIGIN: self.origin,
            PROXIES: " ".join(self.proxies),
            LOG_LEVEL: self.log_level,
            LOG_JSON: "1" if self.log_json else "0",
        }
