"""Sessions with PKCS#11 devices: found, logged in, shared by threads, opened anew when lost.

The invariants are those of `seal.keys.pkcs11`; nothing else uses this module.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

import pkcs11
from pkcs11 import Attribute, TokenFlag

from runtime.errors import DomainError, FailedPrecondition, InvalidArgument
from seal.keys import pkcs11_errors as errors
from seal.keys.pkcs11_uri import Address
from seal.keys.private_files import read_line

_SESSIONS: Final = 4
_OS_LOCKING: Final = 2  # CKF_OS_LOCKING_OK
_LOST: Final = (
    pkcs11.SlotIDInvalid,
    pkcs11.SessionHandleInvalid,
    pkcs11.SessionClosed,
    pkcs11.DeviceRemoved,
    pkcs11.TokenNotPresent,
    pkcs11.ObjectHandleInvalid,
    pkcs11.KeyHandleInvalid,
    pkcs11.UserNotLoggedIn,
)
_T = TypeVar("_T")


class Session:
    """One logged-in session, with the handles of the keys it found. For one thread at a time."""

    def __init__(self, raw: Any, generation: int) -> None:
        self.raw = raw
        self.generation = generation
        self._keys: dict[tuple[Any, str, bytes], Any] = {}

    def key(self, kind: Any, address: Address) -> Any:
        """The one key there. Raises `HSM_KEY_MISSING`, `HSM_KEY_AMBIGUOUS`."""
        found = self._keys.get((kind, address.object, address.id))
        if found is None:
            listed = self._search(kind, address)
            if not listed:
                raise errors.key_missing(address)
            if len(listed) > 1:
                raise FailedPrecondition(
                    f"{len(listed)} keys of the device answer to {address}: add id=….",
                    reason="HSM_KEY_AMBIGUOUS",
                    message_zh=f"设备中有 {len(listed)} 个密钥符合 {address}：请加 id=…。",
                )
            found = self._keys[kind, address.object, address.id] = listed[0]
        return found

    def has(self, kind: Any, address: Address) -> bool:
        """Whether such a key is there."""
        return bool(self._search(kind, address))

    def _search(self, kind: Any, address: Address) -> list[Any]:
        wanted: dict[Any, Any] = {Attribute.CLASS: kind}
        if address.object:
            wanted[Attribute.LABEL] = address.object
        if address.id:
            wanted[Attribute.ID] = address.id
        return list(self.raw.get_objects(wanted))


class Device:
    """A token and the sessions with it."""

    def __init__(self, module: Module, address: Address) -> None:
        self._module = module
        self._address = address
        self._lock = threading.Lock()
        self._free: list[Session] = []
        self._generation = 0
        self._logged_in = False
        self._refused_pin = b""
        self._turn = threading.Semaphore(_SESSIONS) if module.takes_threads else module.turn
        self._raw_token: Any = None
        self._login: Any = None

    def mechanisms(self) -> set[int]:
        """The numbers of what the device can do."""
        return self.use(lambda session: {int(m) for m in session.raw.token.slot.get_mechanisms()})

    def use(self, work: Callable[[Session], _T]) -> _T:
        """Do something in a session; once more in a new one, where the session was lost (rule 3).

        Raises what `seal.keys.pkcs11.open_key` names.
        """
        with self._turn:
            for attempt in (1, 2):
                session = self._take()
                try:
                    done = work(session)
                except _LOST as error:
                    self._forget(session.generation)
                    if attempt == 2:
                        raise errors.lost(self._address) from error
                    continue
                except pkcs11.PKCS11Error as error:
                    self._give_back(session)
                    raise errors.failed(self._address, error) from error
                except BaseException:
                    self._give_back(session)
                    raise
                self._give_back(session)
                return done
        raise AssertionError("unreachable")

    def change(self, work: Callable[[Any], None]) -> None:
        """Do something that writes to the device."""

        def in_one_that_writes(session: Session) -> None:
            raw = session.raw.token.open(rw=True)
            try:
                work(raw)
            finally:
                raw.close()

        self.use(in_one_that_writes)

    def _take(self) -> Session:
        with self._lock:
            if self._free:
                return self._free.pop()
            try:
                return Session(self._open(), self._generation)
            except _LOST:  # the token we knew is gone: look for it again
                self._raw_token, self._logged_in = None, False
            except pkcs11.PKCS11Error as error:
                raise errors.failed(self._address, error) from error
            try:
                return Session(self._open(), self._generation)
            except _LOST as error:
                raise errors.lost(self._address) from error
            except pkcs11.PKCS11Error as error:
                raise errors.failed(self._address, error) from error

    def _give_back(self, session: Session) -> None:
        with self._lock:
            if session.generation == self._generation:
                self._free.append(session)

    def _forget(self, generation: int) -> None:
        """All sessions of that time are lost: a device loses its login with them."""
        with self._lock:
            if generation == self._generation:
                self._generation += 1
                self._free.clear()
                self._logged_in = False
                self._raw_token = None

    def _token(self) -> Any:
        if self._raw_token is None:
            self._raw_token = self._module.token(self._address)
        return self._raw_token

    def _open(self) -> Any:
        token = self._token()
        if not self._logged_in:
            self._log_in(token)
        return token.open()

    def _log_in(self, token: Any) -> None:
        """Log the process in (rule 2); a login holds for all its sessions."""
        flags = token.slot.get_token().flags
        if flags & TokenFlag.USER_PIN_LOCKED:
            raise errors.pin_locked(self._address)
        if flags & TokenFlag.USER_PIN_FINAL_TRY:
            raise errors.last_try(self._address)
        pin = _read_pin(self._address)
        trace = sha256(pin).digest()
        if trace == self._refused_pin:
            raise errors.wrong_pin(self._address)
        try:
            # The session is kept open: when the last one closes, the login ends.
            self._login = token.open(user_pin=pin.decode("utf-8"))
        except pkcs11.UserAlreadyLoggedIn:
            pass  # another address of the same device was first
        except pkcs11.PinLocked:
            raise errors.pin_locked(self._address) from None
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            self._refused_pin = trace
            raise errors.wrong_pin(self._address) from None
        except UnicodeDecodeError:
            raise errors.wrong_pin(self._address) from None
        finally:
            pin[:] = bytes(len(pin))
        self._logged_in = True
        self._refused_pin = b""


class Module:
    """A PKCS#11 library, loaded once a process."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._library = pkcs11.lib(path)
            self.takes_threads = _allow_threads(path)
            self.turn = threading.Semaphore(1)
        except (pkcs11.PKCS11Error, OSError, AttributeError) as error:
            raise errors.module_missing(path) from error

    def token(self, address: Address) -> Any:
        """The one token that answers to the address."""
        found = []
        for slot in self._library.get_slots(token_present=True):
            try:
                token: Any = slot.get_token()
            except (pkcs11.TokenNotPresent, pkcs11.TokenNotRecognised):
                continue
            said = (
                (address.token, token.label),
                (address.serial, token.serial.decode("ascii", "replace").strip("\0 ")),
                (address.manufacturer, token.manufacturer_id),
                (address.model, token.model),
            )
            ready = token.flags & TokenFlag.TOKEN_INITIALIZED
            if ready and all(not wanted or wanted == has for wanted, has in said):
                found.append(token)
        if not found:
            raise errors.token_missing(address)
        if len(found) > 1:
            raise FailedPrecondition(
                f"{len(found)} tokens answer to {address}: add token=… or serial=….",
                reason="HSM_TOKEN_AMBIGUOUS",
                message_zh=f"有 {len(found)} 个令牌符合 {address}：请加 token=… 或 serial=…。",
            )
        return found[0]

    def close(self) -> None:
        """End all its sessions; the next use begins anew."""
        self._library.finalize()


_lock = threading.Lock()
_modules: dict[str, Module] = {}
_devices: dict[tuple[str, ...], Device] = {}


def find(address: Address) -> Device:
    """The device of an address; the same one for all its keys."""
    if not address.module:
        raise InvalidArgument(
            "The PKCS#11 key address names no module: add ?module-path=/path/to/library.so.",
            reason="MALFORMED_KEY_ADDRESS",
            message_zh="PKCS#11 密钥地址未指明模块：请加 ?module-path=/模块路径.so。",
        )
    which = (
        address.module,
        address.token,
        address.serial,
        address.manufacturer,
        address.model,
        address.pin_file,
    )
    with _lock:
        if address.module not in _modules:
            _modules[address.module] = Module(address.module)
        if which not in _devices:
            _devices[which] = Device(_modules[address.module], address)
        return _devices[which]


def close_all() -> None:
    """Log out of every device and forget it. Signers that are still held open them anew or fail."""
    with _lock:
        for one in _modules.values():
            one.close()
        _modules.clear()
        _devices.clear()


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    _fields_ = (
        ("mutexes", ctypes.c_void_p * 4),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


def _allow_threads(path: str) -> bool:
    """Initialise the module again, for use by several threads; False where it cannot do that.

    The Python library initialises it without arguments, which promises that only one thread will
    call (PKCS#11 §5.4): SoftHSM then drops its own locks.
    """
    listed = ctypes.c_void_p()
    library = ctypes.CDLL(path)
    if library.C_GetFunctionList(ctypes.byref(listed)) != 0:
        return False
    # CK_FUNCTION_LIST: a version, padded to a pointer's size, then C_Initialize and C_Finalize.
    functions = ctypes.cast(listed, ctypes.POINTER(ctypes.c_void_p))
    kind = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)
    initialize, finalize = kind(functions[1] or 0), kind(functions[2] or 0)
    finalize(None)
    arguments = _InitializeArguments(flags=_OS_LOCKING)
    if initialize(ctypes.addressof(arguments)) == 0:
        return True
    initialize(None)
    return False


def _read_pin(address: Address) -> bytearray:
    if not address.pin_file:
        raise InvalidArgument(
            f"The address {address} does not say where the PIN is: add &pin-source=file:/path.",
            reason="HSM_PIN_MISSING",
            message_zh=f"地址 {address} 未指明 PIN 的位置：请加 &pin-source=file:/路径。",
        )
    try:
        return read_line(Path(address.pin_file), what="PIN file", what_zh="PIN 文件")
    except DomainError as error:
        raise FailedPrecondition(
            f"{error.message} It is the pin-source of {address}.",
            reason="HSM_PIN_MISSING",
            message_zh=f"{error.message_zh}它是 {address} 的 pin-source。",
        ) from error
