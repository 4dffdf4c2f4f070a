"""What opens the key files of a folder: a passphrase, or one that a PKCS#11 device has wrapped.

1. With a device the passphrase stands in the folder only encrypted by an AES key that cannot leave
   the device (`passphrase.wrapped`). A new folder's is random and known to nobody.
2. A folder whose keys were made before the device was set keeps its passphrase: it is wrapped once
   it has opened a key. Its file may then be deleted.
3. A file of the folder appears whole or not at all: it is written under another name and renamed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runtime.errors import FailedPrecondition
from seal.keys.private_files import read_private, sync_folder, unwritable, wiped, write_once
from seal.keys.signers import Passphrase, Signer, create_key, open_key

if TYPE_CHECKING:
    from seal.keys.pkcs11_uri import Address

WRAPPED: Final = "passphrase.wrapped"
_WRAPPING_KEY: Final = "tongban-seal-keys"
_SCRATCH: Final = ".making-"
_DEVICE: Final = b"pkcs11:"


class FolderSecret:
    """The passphrase of a folder, read for each use and kept nowhere."""

    def __init__(
        self, folder: Path, passphrase: Callable[[], Passphrase], device: str = ""
    ) -> None:
        self._path = folder / WRAPPED
        self._passphrase = passphrase
        self.device = device or None

    def prepare(self) -> None:
        """See that the device is set that the folder asks for; give a new folder its passphrase.

        Raises FailedPrecondition (HSM_NOT_SET), and what a device is refused for.
        """
        if self._path.exists():
            if self.device is None:
                raise _not_set(self._path.name)
        elif self.device is not None and not any(self._path.parent.rglob("*.key")):
            with wiped(bytearray(secrets.token_urlsafe(32), "ascii")) as made:
                self._wrap(made)

    def keep(self) -> None:
        """Wrap the passphrase of a folder that is older than its device; it has opened a key."""
        if self.device is not None and not self._path.exists():
            with wiped(self.read()) as passphrase:
                self._wrap(passphrase)

    def read(self) -> bytearray:
        """The passphrase, for the caller to wipe."""
        if self.device is None or not self._path.exists():
            given = self._passphrase()
            return given if isinstance(given, bytearray) else bytearray(given)
        from seal.keys import pkcs11

        return pkcs11.unwrap(self._wrapping_key(), bytes(read_private(self._path)))

    def address_in(self, path: Path) -> str:
        """The address of a key in the device, where that is what the file holds; "" otherwise.

        Raises FailedPrecondition (HSM_NOT_SET).
        """
        content = read_private(path)
        if not content.startswith(_DEVICE):
            return ""
        if self.device is None:
            raise _not_set(path.name)
        from seal.keys import pkcs11_uri

        key = pkcs11_uri.parse(content.decode("ascii", "replace").strip())
        return key.with_device(pkcs11_uri.parse(self.device)).uri()

    def wrong(self, path: Path) -> FailedPrecondition:
        """The passphrase does not open a key file: where to look."""
        if self._path.exists():
            return FailedPrecondition(
                f"the wrapped passphrase does not open {path.name} in {path.parent}: restore "
                f"{WRAPPED} and the key files from the same backup",
                reason="WRONG_PASSPHRASE",
                message_zh=f"已封装的口令打不开 {path.parent} 中的 {path.name}："
                f"请从同一备份恢复 {WRAPPED} 与密钥文件",
            )
        if self.device is not None:
            return FailedPrecondition(
                f"{WRAPPED} is missing in the folder of seal keys, and the passphrase of the "
                f"settings does not open {path.name} in {path.parent}: restore {WRAPPED} from a "
                "backup of that folder; or, if the keys are older than the device, set "
                "`passphrase_file` to the file that held their passphrase",
                reason="WRONG_PASSPHRASE",
                message_zh=f"印章密钥目录中缺少 {WRAPPED}，而配置中的口令打不开 {path.parent} "
                f"中的 {path.name}：请从该目录的备份恢复 {WRAPPED}；如密钥早于设备生成，"
                "请将 passphrase_file 指向当时的口令文件",
            )
        return FailedPrecondition(
            f"the passphrase does not open {path.name} in {path.parent}: set `passphrase_file` "
            "to the file that held it when the keys were made, or restore that file",
            reason="WRONG_PASSPHRASE",
            message_zh=f"口令打不开 {path.parent} 中的 {path.name}：请将 passphrase_file "
            "指向生成密钥时的口令文件，或恢复该文件",
        )

    def _wrap(self, passphrase: bytearray) -> None:
        from seal.keys import pkcs11

        wrapped = pkcs11.wrap(self._wrapping_key(), passphrase)
        write_whole(self._path, lambda scratch: write_once(scratch, wrapped))

    def _wrapping_key(self) -> Address:
        from seal.keys import pkcs11_uri

        return pkcs11_uri.parse(self.device or "").key(_WRAPPING_KEY)


def make_key_file(path: Path, suite: str, passphrase: Passphrase) -> Signer:
    """The key in a file, made if absent. Raises as `create_key` and `open_key`."""
    if path.exists():
        return open_key(path.absolute().as_uri(), passphrase=passphrase)
    made: list[Signer] = []
    write_whole(
        path, lambda scratch: made.append(create_key(scratch, suite=suite, passphrase=passphrase))
    )
    return made[0]


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """A file that `write` makes under another name (rule 3); what a crash left is cleared away.

    Only one at a time writes in a folder. Raises FailedPrecondition (KEY_FILE_UNWRITABLE).
    """
    scratch = path.parent / f"{_SCRATCH}{secrets.token_hex(8)}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left_over in path.parent.glob(f"{_SCRATCH}*"):
            left_over.unlink()
        write(scratch)
        scratch.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def _not_set(name: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"the seal keys belong to a PKCS#11 device ({name} says so), but none is set: set `hsm` in "
        "the [seal] part of the settings to the address it had",
        reason="HSM_NOT_SET",
        message_zh=f"印章密钥依赖 PKCS#11 设备（见 {name}），但未配置：请在 [seal] 中将 hsm "
        "设为原设备地址",
    )
