"""Settings of a node: defaults, then a TOML file, then `TONGBAN_*` variables.

The defaults are the embedded node: SQLite files, a file-system store and key files in one folder.
"""

from __future__ import annotations

import errno
import os
import secrets
from datetime import time
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from runtime.errors import DomainError, FailedPrecondition, InvalidArgument, Unavailable
from runtime.files import write_private
from runtime.objects import ObjectStore, open_store
from runtime.portal_settings import PortalSettings, SignInSettings, checked_address

FILE_VARIABLE = "TONGBAN_CONFIG"
_LONGEST_PASSPHRASE = 65_536
_NO_FOLDER = {errno.EEXIST, errno.ENOTDIR}


class SealSettings(BaseModel):
    """What is set for sealing, under `[seal]`: where its keys are, and who stamps its time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timestamp_url: str = Field("", description="Time-stamp authority (RFC 3161); empty is none.")
    timestamp_anchors: Path | None = Field(
        None, description="PEM file with the roots that its tokens must lead to."
    )
    timestamp_lists: Path | None = Field(
        None, description="PEM file with the authority's revocation lists, for long-term proof."
    )
    timestamp_digest: str = Field("sha256", description="What it stamps: sm3, sha256 or sha512.")
    revocation_fetch: bool = Field(
        False,
        description="Fetch the revocation lists of recognised authorities hourly, from the "
        "addresses in their terms.",
    )
    revocation_hosts: list[str] = Field(
        [],
        description="Hosts (host or host:port) that are asked, while verifying, whether a "
        "certificate is revoked, where the certificate names them.",
    )
    keys: Path | None = Field(
        None, description="Folder of the key files; keys/seal in the data folder if not set."
    )
    hsm: str = Field(
        "",
        description="pkcs11: address of a token (with module-path and pin-source). P-256 keys are "
        "made in it, and it wraps the passphrase of the key files.",
    )
    maker_key: str = Field(
        "",
        description="file: or pkcs11: address of the seal maker's key, where it is kept apart; "
        "empty is with the others.",
    )
    maker_halves: list[Path] = Field(
        [], description="Two files, each with one person's half of the maker's passphrase."
    )
    maker_passphrase_file: Path | None = Field(
        None, description="File with the maker's passphrase, where it is not in halves."
    )

    @model_validator(mode="after")
    def _agree(self) -> SealSettings:
        """What is said about the maker's key goes together."""
        if self.hsm and not self.hsm.startswith("pkcs11:"):
            raise ValueError("hsm is a pkcs11: address / hsm 应为 pkcs11: 地址")
        given = bool(self.maker_halves) + bool(self.maker_passphrase_file)
        if not self.maker_key.startswith("file:"):
            if self.maker_key and not self.maker_key.startswith("pkcs11:"):
                raise ValueError(
                    "maker_key is a file:/… or pkcs11: address / "
                    "maker_key 应为 file:/… 或 pkcs11: 地址"
                )
            if given:
                raise ValueError(
                    "maker_halves and maker_passphrase_file go with a maker_key that is a file:/… "
                    "address / maker_halves、maker_passphrase_file 须与 file:/… 的 maker_key 同用"
                )
        elif given != 1:
            raise ValueError(
                "a maker_key in a file needs maker_halves or maker_passphrase_file, one of them / "
                "文件中的 maker_key 须配置 maker_halves 或 maker_passphrase_file 之一"
            )
        if self.maker_halves and len(set(self.maker_halves)) != 2:
            raise ValueError("maker_halves are two files / maker_halves 应为两个不同的文件")
        return self


class MonitoringSettings(BaseModel):
    """What is set for monitoring, under `[monitoring]`: what raises alerts, and who is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retention_days: int = Field(30, ge=1, le=3660, description="Days that records are kept.")
    hours: str = Field(
        "07:00-21:00",
        description="Hours of work in China on working days; answers outside raise an alert; "
        "empty is none.",
    )
    volume_factor: int = Field(
        5, ge=1, description="Alert at so many times the usual hour of a grant."
    )
    volume_floor: int = Field(200, ge=1, description="Least rows that count as a usual hour.")
    sequence: int = Field(
        20, ge=2, le=64, description="Alert at so many neighbouring keys among 64 of a grant."
    )
    refused: int = Field(10, ge=1, description="Alert at so many refusals in ten minutes.")
    claims: int = Field(
        20, ge=1, description="Alert beyond so many verifications of one record in an hour."
    )
    webhooks: list[str] = Field([], description="https addresses that alerts are posted to.")
    webhook_hosts: list[str] = Field([], description="Hosts that they may be at.")
    webhook_secret_file: Path | None = Field(
        None, description="File with the secret that signs what is posted."
    )
    syslog: list[str] = Field(
        [], description="udp://, tcp:// or tls://host:port that alerts are sent to (RFC 5424)."
    )
    feed_authority: Path | None = Field(
        None, description="PEM file that those hosts lead to; the system's if not set."
    )
    traces: str = Field(
        "", description="http(s) address of an OpenTelemetry collector (OTLP); empty is none."
    )

    @model_validator(mode="after")
    def _agree(self) -> MonitoringSettings:
        self.work_hours()
        for url in map(urlsplit, self.webhooks):
            if url.scheme != "https" or url.hostname not in self.webhook_hosts:
                raise ValueError(
                    "webhooks are https:// addresses at hosts of webhook_hosts / "
                    "webhooks 应为 webhook_hosts 中主机的 https:// 地址"
                )
        if self.webhooks and self.webhook_secret_file is None:
            raise ValueError(
                "webhooks need a webhook_secret_file / webhooks 须配置 webhook_secret_file"
            )
        for url in map(urlsplit, self.syslog):
            if url.scheme not in ("udp", "tcp", "tls") or not url.hostname or not url.port:
                raise ValueError(
                    "syslog is udp://, tcp:// or tls://host:port / "
                    "syslog 应为 udp://、tcp:// 或 tls://主机:端口"
                )
        if self.traces and urlsplit(self.traces).scheme not in ("http", "https"):
            raise ValueError("traces is an http(s) address / traces 应为 http(s) 地址")
        return self

    def work_hours(self) -> tuple[time, time] | None:
        """Begin and end of a day's work; None where there is none."""
        if not self.hours:
            return None
        try:
            begin, _, end = self.hours.partition("-")
            found = time.fromisoformat(begin), time.fromisoformat(end)
        except ValueError:
            found = time(0), time(0)
        if found[0] >= found[1]:
            raise ValueError("hours is like 07:00-21:00 / hours 形如 07:00-21:00")
        return found


class Settings(BaseSettings):
    """Everything that may be set; each name is also a variable, `TONGBAN_LISTEN` for `listen`."""

    model_config = SettingsConfigDict(
        env_prefix="TONGBAN_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data: Path = Field(Path("tongban-data"), description="The data folder.")
    listen: str = Field("127.0.0.1:7443", description="host:port of the gRPC port.")
    hosts: list[str] = Field(
        ["localhost", "127.0.0.1"], description="Names and addresses in the node's certificate."
    )
    department: str = Field(
        "service-centre",
        description="Id of the department that runs the node and owns its license library.",
    )
    database: str = Field(
        "",
        description="SQLAlchemy URL of a PostgreSQL database (postgresql+psycopg://…); "
        "empty is SQLite files in the data folder.",
    )
    objects: str = Field("", description="URL of the object store; empty is a folder of the data.")
    s3_access_key: str = ""
    s3_secret_key: SecretStr = SecretStr("")
    passphrase_file: Path | None = Field(
        None, description="File that opens the key files; made in the data folder if not set."
    )
    seal: SealSettings = Field(
        default_factory=SealSettings,
        description="Sealing; also TONGBAN_SEAL__TIMESTAMP_URL and so on.",
    )
    monitoring: MonitoringSettings = Field(
        default_factory=MonitoringSettings,
        description="Monitoring; also TONGBAN_MONITORING__HOURS and so on.",
    )
    portal: PortalSettings = Field(
        default_factory=PortalSettings,
        description="The web pages; also TONGBAN_PORTAL__LISTEN and so on.",
    )
    sign_in: SignInSettings = Field(
        default_factory=SignInSettings,
        description="Who signs in there; also TONGBAN_SIGN_IN__ISSUER and so on.",
    )
    fonts: Path | None = Field(
        None, description="Folder of more fonts (.ttf, .otf, .ttc, .woff) for names on licenses."
    )
    wallet_hosts: list[str] = Field(
        [],
        description="Hosts of other departments' own systems that wallets may be told to post "
        "their answers to (https); the node's pages always may.",
    )
    status_address: str = Field(
        "",
        max_length=200,
        description="What status lists of licenses are called by, without their number, such as "
        "https://host/status; empty is where the pages serve them (portal.origin and /status), or "
        "without an origin a urn of the department. Never changed once used.",
    )
    archive_by_persons: bool = Field(
        False,
        description="Only people who signed in ask to destroy archives, and decide on it: no "
        "program's certificate does.",
    )
    origin: str = Field("tongban.local/log", description="The audit log's name in checkpoints.")
    metrics: str = Field("", description="host:port of Prometheus metrics; empty is none.")
    log_level: str = "INFO"
    log_json: bool = True

    @field_validator("listen", "metrics")
    @classmethod
    def _an_address(cls, text: str) -> str:
        return checked_address(text)

    @property
    def authority_folder(self) -> Path:
        """The certificate authority's folder; the data folder is a node's when it is there."""
        return self.data / "identity"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then variables, then the file that `TONGBAN_CONFIG` names."""
        file = os.environ.get(FILE_VARIABLE)
        toml = TomlConfigSettingsSource(settings_cls, file) if file else None
        return tuple(s for s in (init_settings, env_settings, toml) if s is not None)

    def database_url(self, service: str) -> str:
        """URL of a service's database."""
        return self.database or f"sqlite:///{self.data.resolve() / f'{service}.db'}"

    def objects_url(self) -> str:
        """URL of the object store."""
        return self.objects or f"file://{self.data.resolve() / 'objects'}"

    def open_objects(self, *, reading: bool = False) -> ObjectStore:
        """The object store; `reading` makes and changes nothing.

        Raises Unavailable where it does not answer or cannot be written.
        """
        return open_store(
            self.objects_url(),
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key.get_secret_value(),
            reading=reading,
        )

    def seal_keys(self) -> Path:
        """Folder of the seal service's keys."""
        return self.seal.keys or self.data / "keys" / "seal"

    def passphrase(self, *, make: bool = True) -> bytes:
        """What opens the key files. Raises FailedPrecondition, PASSPHRASE_MISSING.

        On the embedded default it is made once, in a file of the data folder that only its owner
        reads, unless `make` is False; an operator moves it elsewhere and sets `passphrase_file`.
        """
        return bytes(self.passphrase_to_wipe(make=make))

    def passphrase_to_wipe(self, *, make: bool = True) -> bytearray:
        """As `passphrase`, for a caller that overwrites it after use."""
        path = self.passphrase_file or self.data / "secrets" / "passphrase"
        if make and self.passphrase_file is None and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, secrets.token_urlsafe(32).encode())
        try:
            content = bytearray(_LONGEST_PASSPHRASE)
            with path.open("rb", buffering=0) as file:
                del content[file.readinto(content) or 0 :]
        except OSError as error:
            raise FailedPrecondition(
                f"cannot read the passphrase file {path}: check `passphrase_file`",
                reason="PASSPHRASE_MISSING",
                message_zh=f"无法读取口令文件 {path}：请检查 passphrase_file",
            ) from error
        while content and content[-1:].isspace():
            content.pop()
        while content and content[:1].isspace():
            del content[0]
        return content


def load(**overrides: object) -> Settings:
    """The settings in force. Raises InvalidArgument (BAD_SETTING) that names each wrong one."""
    given = {k: v for k, v in overrides.items() if v is not None}
    file = os.environ.get(FILE_VARIABLE)
    if file and not Path(file).is_file():
        raise InvalidArgument(
            f"{FILE_VARIABLE} names {file}, which is no file",
            reason="BAD_SETTING",
            message_zh=f"{FILE_VARIABLE} 指向的 {file} 不是文件",
        )
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)
        )
        raise InvalidArgument(
            f"a setting is wrong: {wrong}",
            reason="BAD_SETTING",
            message_zh=f"配置有误：{wrong}",
        ) from None
    except ValueError as error:
        raise InvalidArgument(
            f"{file} is not TOML: {error}",
            reason="BAD_SETTING",
            message_zh=f"{file} 不是有效的 TOML",
        ) from None


def prepare_data_folder(data: Path) -> None:
    """Make the data folder, and see that it can be written.

    Raises InvalidArgument (NO_FOLDER) where a file stands in its place, and Unavailable
    (DATA_FOLDER_UNWRITABLE) otherwise.
    """
    probe = data / ".writable"
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        if error.errno in _NO_FOLDER:
            raise not_a_folder(data) from error
        raise Unavailable(
            f"the data folder {data} cannot be written ({os.strerror(error.errno or 0)}): free "
            "space, correct its permissions, or name another with --data",
            reason="DATA_FOLDER_UNWRITABLE",
            message_zh=f"数据目录 {data} 不可写（{os.strerror(error.errno or 0)}）："
            "请清理空间、更正权限，或用 --data 另选目录",
        ) from error


def not_a_folder(path: Path) -> DomainError:
    """What is said where a file stands in the place of a folder."""
    return InvalidArgument(
        f"{path} is, or is below, a file: name a folder",
        reason="NO_FOLDER",
        message_zh=f"{path} 是文件或位于文件之下：请指定目录",
    )
