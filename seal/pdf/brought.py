"""The evidence that a PDF brings along: its document security store (ISO 32000-2 §12.8.4.3).

It is material, not truth: a certificate from there may build a path and never ends one, a
revocation list or answer counts when its issuer signed it (`TrustStore.with_evidence`). What can't
be read is passed over, as if it were not there.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from seal.trust import TrustStore

_MOST: Final = 64  # of each kind
_LARGEST: Final = 32 * 1024 * 1024  # octets of all


def with_brought(store: TrustStore, reader: Any) -> TrustStore:
    """The store and what the PDF brings. Never raises on what the file holds."""
    try:
        held = reader.root["/DSS"]
    except Exception:  # noqa: BLE001  (there is none, or it does not read)
        return store
    room = [_LARGEST]
    return store.with_evidence(
        certificates=tuple(_streams(held, "/Certs", room)),
        crls=tuple(_streams(held, "/CRLs", room)),
        ocsp=tuple(_streams(held, "/OCSPs", room)),
    )


def _streams(held: Any, name: str, room: list[int]) -> Iterator[bytes]:
    """The streams of one array, while there is room."""
    try:
        listed = held[name]
        for index in range(min(len(listed), _MOST)):
            data = bytes(listed[index].data)
            room[0] -= len(data)
            if room[0] < 0:
                return
            yield data
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        return
