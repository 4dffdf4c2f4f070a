"""What can be wrong with a PKCS#11 device, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pkcs11

from runtime.errors import DomainError, FailedPrecondition, Unavailable
from seal.keys.pkcs11_uri import Address


def module_missing(path: str) -> FailedPrecondition:
    """The library is not there, or is none."""
    name = Path(path).name
    return FailedPrecondition(
        f"The PKCS#11 module {name} cannot be loaded: install the device's library, and set "
        "module-path to it.",
        reason="HSM_MODULE_MISSING",
        message_zh=f"无法加载 PKCS#11 模块 {name}：请安装设备厂商的库，并将 module-path 指向它。",
    )


def token_missing(address: Address) -> FailedPrecondition:
    """No such token."""
    return FailedPrecondition(
        f"No token answers to {address}: see that the device is connected and initialized, and "
        "that its label and serial number are these.",
        reason="HSM_TOKEN_MISSING",
        message_zh=f"没有符合 {address} 的令牌：请检查设备已连接并初始化，且标签、序列号无误。",
    )


def key_missing(address: Address) -> FailedPrecondition:
    """No such key in the token."""
    return FailedPrecondition(
        f"The device has no key {address}: correct the address, or restore the key with the "
        "device's own tools. The public key must be there too.",
        reason="HSM_KEY_MISSING",
        message_zh=f"设备中没有密钥 {address}：请更正地址，或用设备自带工具恢复（公钥也须在内）。",
    )


def wrong_pin(address: Address) -> FailedPrecondition:
    """The PIN is refused, or was before."""
    return FailedPrecondition(
        f"The device refused the PIN of {address}. It is not sent again, as a device locks after "
        "a few: correct the file that pin-source names.",
        reason="HSM_WRONG_PIN",
        message_zh=f"设备拒绝了 {address} 的 PIN。为防锁定不再重试：请更正 pin-source 所指文件。",
    )


def last_try(address: Address) -> FailedPrecondition:
    """The device counts one try left."""
    return FailedPrecondition(
        f"One more wrong PIN locks the device of {address}, so none is sent: log in once by hand "
        "with the device's own tool, which resets the count, then start again.",
        reason="HSM_LAST_TRY",
        message_zh=f"{address} 的设备只剩一次 PIN 尝试，故不再发送：请用设备自带工具手工登录一次"
        "以清零计数，然后重试。",
    )


def pin_locked(address: Address) -> FailedPrecondition:
    """The device takes no PIN any more."""
    return FailedPrecondition(
        f"The device of {address} is locked after wrong PINs: its security officer must set a new "
        "user PIN with the device's own tool; then put it into the file that pin-source names.",
        reason="HSM_PIN_LOCKED",
        message_zh=f"{address} 的设备因 PIN 多次错误已锁定：须由设备安全员用自带工具重设用户 PIN，"
        "再写入 pin-source 所指文件。",
    )


def lost(address: Address) -> Unavailable:
    """A session is lost, and a new one does not open."""
    return Unavailable(
        f"The session with the device of {address} was lost and could not be opened again: see "
        "that the device is connected, then repeat.",
        reason="HSM_SESSION_LOST",
        message_zh=f"与 {address} 设备的会话中断且无法恢复：请检查设备连接后重试。",
        retry_after=1,
    )


def failed(address: Address, error: pkcs11.PKCS11Error) -> DomainError:
    """Anything else; of the device's own words only the kind of failure is shown."""
    if isinstance(error, pkcs11.PinLocked):
        return pin_locked(address)
    kind = type(error).__name__
    return Unavailable(
        f"The device of {address} failed ({kind}): see its own log, then repeat.",
        reason="HSM_FAILED",
        message_zh=f"{address} 的设备出错（{kind}）：请查看设备日志后重试。",
    )
