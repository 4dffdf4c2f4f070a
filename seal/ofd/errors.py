"""What speaks against a package: one error, by the name of the check that failed."""

from __future__ import annotations

from runtime.errors import InvalidArgument


class PackageError(InvalidArgument):
    """The package can't be read in one way only.

    `check` is the name of the check that failed: `package_zip`, `package_duplicate_names`,
    `package_paths`, `package_limits`, `xml_well_formed`, `xml_no_dtd`, `ofd_structure`.
    """

    def __init__(self, check: str, message: str, message_zh: str) -> None:
        super().__init__(message, reason="OFD_" + check.upper(), message_zh=message_zh)
        self.check = check


def structure_error(message: str, message_zh: str) -> PackageError:
    """The file is well-formed but isn't what GB/T 33190 says it is."""
    return PackageError("ofd_structure", message, message_zh)


def zip_error(message: str, message_zh: str) -> PackageError:
    """The container itself may be read in more than one way."""
    return PackageError(
        "package_zip",
        f"the zip container is not sound: {message}",
        f"压缩包结构不规范：{message_zh}",
    )


def limits_error(message: str, message_zh: str) -> PackageError:
    """The package costs more to read than it may."""
    return PackageError("package_limits", message, message_zh)


def paths_error(message: str, message_zh: str) -> PackageError:
    """A name or a location that is not a plain path inside the package."""
    return PackageError("package_paths", message, message_zh)


def duplicate_error() -> PackageError:
    """Two names that are one to some reader."""
    return PackageError(
        "package_duplicate_names",
        "two entries have the same name, or names that some readers take for the same",
        "文件包中存在重名文件",
    )
