"""Alerts to a third party's supervisor: HTTPS webhooks and syslog (RFC 5424).

1. Where to is the operator's configuration, never a caller's word; a webhook's host is in
   `webhook_hosts`, no redirect is followed and no proxy of the environment is used.
2. A webhook's body is signed: `Tongban-Signature: t=SECONDS,v1=HEX`, HMAC-SHA-256 of `t.body`.
   A receiver may get an alert twice (its `Tongban-Alert` is the same) and checks `t`.
3. An alert holds names of systems and grants, counts and times; no key, no value.
4. Syslog over UDP (RFC 5426) is not acknowledged; over TCP and TLS messages are counted in octets
   (RFC 6587, RFC 5425).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import orjson

from exchange.monitoring.model import Alert
from runtime.config import MonitoringSettings
from runtime.errors import FailedPrecondition

SECONDS = 5.0
AT_ONCE = 20
GREATEST_TRIES = 100
LONGEST_PAUSE = 900.0
#: Facility 13 (log audit), severity 4 (warning): RFC 5424 6.2.1.
PRIORITY = 13 * 8 + 4
#: RFC 5612 keeps this enterprise number for examples; it names nobody.
STRUCTURE = "tongban@32473"


class Feeder(Protocol):
    """Sends alerts to one target."""

    @property
    def target(self) -> str:
        """Its address."""
        ...

    @property
    def label(self) -> str:
        """What is told of its address."""
        ...

    def send(self, alert: Alert) -> None:
        """Send one. Raises OSError where it did not arrive."""
        ...


def feeders(settings: MonitoringSettings) -> list[Feeder]:
    """Of every target in the settings. Raises FailedPrecondition (WEBHOOK_SECRET_MISSING)."""
    try:
        file = settings.webhook_secret_file
        secret = file.read_bytes().strip() if file else b""
    except OSError:
        raise FailedPrecondition(
            "the file of monitoring.webhook_secret_file cannot be read",
            reason="WEBHOOK_SECRET_MISSING",
            message_zh="无法读取 monitoring.webhook_secret_file 指定的文件",
        ) from None
    found: list[Feeder] = [
        Webhook(target=one, secret=secret, authority=settings.feed_authority)
        for one in settings.webhooks
    ]
    found += [Syslog(target=one, authority=settings.feed_authority) for one in settings.syslog]
    return found


def pause(tries: int) -> float:
    """Seconds until the next try."""
    return float(min(2.0**tries, LONGEST_PAUSE))


def body_of(alert: Alert) -> bytes:
    """An alert as JSON."""
    return orjson.dumps(
        {
            "alert": alert.number,
            "kind": alert.kind.value,
            "subject": alert.subject,
            "system": alert.system,
            "window_start": alert.window_start,
            "window_end": alert.window_end,
            "count": alert.count,
            "threshold": alert.threshold,
        },
        option=orjson.OPT_UTC_Z,
    )


def signature(secret: bytes, at: int, body: bytes) -> str:
    """The header's value."""
    digest = hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Posts to an https address."""

    target: str
    secret: bytes
    authority: Path | None = None

    @property
    def label(self) -> str:
        """The host: an address may hold a token."""
        return f"https://{urlsplit(self.target).hostname}"

    def send(self, alert: Alert) -> None:
        """Post it; any 2xx is an arrival."""
        url = urlsplit(self.target)
        body, at = body_of(alert), int(time.time())
        connection = http.client.HTTPSConnection(
            url.hostname or "", url.port, timeout=SECONDS, context=_tls(self.authority)
        )
        try:
            connection.request(
                "POST",
                (url.path or "/") + (f"?{url.query}" if url.query else ""),
                body,
                {
                    "Content-Type": "application/json",
                    "User-Agent": "tongban",
                    "Tongban-Alert": str(alert.number),
                    "Tongban-Signature": signature(self.secret, at, body),
                },
            )
            status = connection.getresponse().status
        except http.client.HTTPException:
            raise OSError("no HTTP answer") from None
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise OSError(f"answered {status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Syslog:
    """Sends to `udp://`, `tcp://` or `tls://host:port`."""

    target: str
    authority: Path | None = None

    @property
    def label(self) -> str:
        """The address."""
        return self.target

    def send(self, alert: Alert) -> None:
        """Send one message."""
        url = urlsplit(self.target)
        host, port, message = url.hostname or "", url.port or 0, syslog_message(alert)
        if url.scheme == "udp":
            family, kind, proto, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_DGRAM
            )[0]
            with socket.socket(family, kind, proto) as sender:
                sender.sendto(message, address)
            return
        framed = b"%d %s" % (len(message), message)
        with socket.create_connection((host, port), timeout=SECONDS) as plain:
            if url.scheme == "tcp":
                plain.sendall(framed)
            else:
                with _tls(self.authority).wrap_socket(plain, server_hostname=host) as secure:
                    secure.sendall(framed)


def syslog_message(alert: Alert) -> bytes:
    """An alert as RFC 5424 says."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    facts = {
        "alert": alert.number,
        "kind": alert.kind.value,
        "subject": alert.subject,
        "system": alert.system,
        "windowStart": alert.window_start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "count": alert.count,
        "threshold": alert.threshold,
    }
    told = " ".join(f'{name}="{_escaped(str(value))}"' for name, value in facts.items())
    host = socket.gethostname()[:255] or "-"
    text = f"{alert.kind.value}: {alert.subject}, {alert.count}"
    head = f"<{PRIORITY}>1 {at} {host} tongban - ALERT [{STRUCTURE} {told}] "
    return head.encode() + b"\xef\xbb\xbf" + text.encode()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _tls(authority: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
