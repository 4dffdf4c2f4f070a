"""Addresses of keys in a PKCS#11 device (RFC 7512).

`pkcs11:token=Seals;object=root-p256?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/tongban/pin`

1. A PIN never stands in an address: `pin-value` is refused, `pin-source` names a file.
2. An attribute that we do not know is refused, never ignored: it might have named another key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_from_bytes, unquote, unquote_to_bytes

from runtime.errors import InvalidArgument

_SCHEME: Final = "pkcs11:"
_PATH: Final = {"token", "serial", "manufacturer", "model", "object", "id", "type"}
_QUERY: Final = {"module-path", "pin-source", "x-sm2-mechanism"}
_LONGEST: Final = 2048
_SAFE: Final = "-._~:[]@!$'()*+,="  # RFC 7512 §2.3 pk11-res-avail, without what separates


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What an address says; empty is "not said".

    `sm2_mechanism` is the maker's own number of its SM2 mechanism (PKCS#11 3.1 has none): one that
    signs the 32 octets SM3(Z || M) and answers r || s.
    """

    token: str = ""
    serial: str = ""
    manufacturer: str = ""
    model: str = ""
    object: str = ""
    id: bytes = b""
    module: str = ""
    pin_file: str = ""
    sm2_mechanism: int = 0

    def with_device(self, device: Address) -> Address:
        """This key's address, with what it leaves out about the device taken from `device`."""
        return replace(
            self,
            token=self.token or device.token,
            serial=self.serial or device.serial,
            manufacturer=self.manufacturer or device.manufacturer,
            model=self.model or device.model,
            module=self.module or device.module,
            pin_file=self.pin_file or device.pin_file,
            sm2_mechanism=self.sm2_mechanism or device.sm2_mechanism,
        )

    def key(self, label: str) -> Address:
        """The key of that label in this device."""
        return replace(self, object=label, id=b"")

    def uri(self) -> str:
        """The whole address."""
        said = {
            "module-path": self.module,
            "pin-source": self.pin_file and f"file:{self.pin_file}",
            "x-sm2-mechanism": self.sm2_mechanism and hex(self.sm2_mechanism),
        }
        query = "&".join(
            f"{name}={quote(value, safe=_SAFE + '/')}" for name, value in said.items() if value
        )
        return f"{self.key_uri()}?{query}" if query else self.key_uri()

    def key_uri(self) -> str:
        """The address of the key within its device: neither the module nor the PIN's file."""
        said = {
            "token": self.token,
            "serial": self.serial,
            "manufacturer": self.manufacturer,
            "model": self.model,
            "object": self.object,
        }
        parts = [f"{name}={quote(value, safe=_SAFE)}" for name, value in said.items() if value]
        if self.id:
            parts.append(f"id={quote_from_bytes(self.id, safe='')}")
        return _SCHEME + ";".join(parts)

    def __str__(self) -> str:
        """How an error names it: nothing in it is secret."""
        return self.key_uri()


def parse(uri: str) -> Address:
    """Read an address. Raises `InvalidArgument` (`MALFORMED_KEY_ADDRESS`)."""
    if not uri.startswith(_SCHEME) or len(uri) > _LONGEST:
        raise _malformed("it does not begin with pkcs11:", "应以 pkcs11: 开头")
    path, _, query = uri.removeprefix(_SCHEME).partition("?")
    said = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
    if said.get("type", "private") not in ("private", "secret-key"):
        raise _malformed("its type is neither private nor secret-key", "type 应为 private")
    module = unquote(said.get("module-path", ""))
    if module and not Path(module).is_absolute():
        raise _malformed("module-path is not an absolute path", "module-path 应为绝对路径")
    return Address(
        token=unquote(said.get("token", "")),
        serial=unquote(said.get("serial", "")),
        manufacturer=unquote(said.get("manufacturer", "")),
        model=unquote(said.get("model", "")),
        object=unquote(said.get("object", "")),
        id=unquote_to_bytes(said.get("id", "")),
        module=module,
        pin_file=_pin_file(unquote(said.get("pin-source", ""))),
        sm2_mechanism=_number(said.get("x-sm2-mechanism", "0")),
    )


def _attributes(text: str, separator: str, known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if name == "pin-value":  # its value is not repeated
            raise _malformed(
                "a PIN does not belong in an address; write pin-source=file:/path",
                "地址中不得写 PIN，请用 pin-source=file:/路径",
            )
        if not equals or name not in known or name in found:
            shown = name[:32]
            raise _malformed(
                f"attribute {shown!r} is unknown, empty or repeated", f"属性 {shown!r} 未知或重复"
            )
        found[name] = value
    return found


def _pin_file(source: str) -> str:
    path = source.removeprefix("file:")
    if source and not Path(path).is_absolute():
        raise _malformed("pin-source is not file:/absolute/path", "pin-source 应为 file:/绝对路径")
    return path


def _number(text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 2**32:
        raise _malformed("x-sm2-mechanism is not a number", "x-sm2-mechanism 应为数字")
    return number


def _malformed(what: str, what_zh: str) -> InvalidArgument:
    return InvalidArgument(
        f"The PKCS#11 key address is not understood: {what}. Write pkcs11:token=…;object=…"
        "?module-path=/…&pin-source=file:/….",
        reason="MALFORMED_KEY_ADDRESS",
        message_zh=f"无法识别 PKCS#11 密钥地址：{what_zh}。格式：pkcs11:token=…;object=…"
        "?module-path=/…&pin-source=file:/…。",
    )
