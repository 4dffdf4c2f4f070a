"""Settings of the web pages and of who signs in there: `[portal]` and `[sign_in]`."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_ADDRESS = re.compile(r"(?:[^:\s]*|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def checked_address(text: str) -> str:
    """`host:port`, or nothing. Raises ValueError."""
    # gRPC would take a port modulo 65536.
    address = _ADDRESS.fullmatch(text)
    if text and (address is None or int(address[1]) > 65535):
        raise ValueError("an address is host:port, the port from 0 to 65535")
    return text


class PortalSettings(BaseModel):
    """What is set for the web pages, under `[portal]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: str = Field(
        "127.0.0.1:8443", description="host:port of the web pages (https); empty is none."
    )
    certificate: Path | None = Field(
        None,
        description="PEM file that browsers are shown; one of the node's own authority if not set.",
    )
    key: Path | None = Field(None, description="PEM file with its key.")
    origin: str = Field(
        "",
        description="Where people open the pages, such as https://tongban.example:8443; of this "
        "machine (https://localhost and the port) if not set. Passkeys are bound to it.",
    )

    proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        (),
        description="Networks of proxies before the pages: from these alone X-Forwarded-For is "
        "believed. Whoever connects from elsewhere is taken by their own address.",
    )

    @field_validator("listen")
    @classmethod
    def _an_address(cls, text: str) -> str:
        return checked_address(text)

    @field_validator("origin")
    @classmethod
    def _an_origin(cls, text: str) -> str:
        parts = urlsplit(text)
        if text and (parts.scheme != "https" or text != f"https://{parts.netloc}"):
            raise ValueError("an origin is https://host or https://host:port, and nothing more")
        return text

    @model_validator(mode="after")
    def _agree(self) -> PortalSettings:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together / certificate 与 key 须同时配置")
        return self

    @property
    def where(self) -> str:
        """The origin in force."""
        return self.origin or f"https://localhost:{self.listen.rpartition(':')[2] or 443}"


class SignInSettings(BaseModel):
    """What is set for signing in, under `[sign_in]`: the identity platform (OpenID Connect)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field("", description="The identity platform's issuer (https); empty is none.")
    client_id: str = Field("", description="The node's name at the platform.")
    client_secret: SecretStr = Field(SecretStr(""), description="The node's secret there.")
    title: str = Field("统一身份认证平台", description="What the platform is called on the pages.")
    roles_claim: str = Field(
        "roles",
        description="Claim with a person's roles: applicant, or some of department, "
        "administrator, auditor, counter (see roles).",
    )
    department_claim: str = Field(
        "department", description="Claim with the id of the department where somebody works."
    )
    holder_claim: str = Field(
        "holder_code", description="Claim with an applicant's citizen number or credit code."
    )

    roles: frozenset[str] = Field(
        frozenset({"applicant", "department"}),
        description="Roles that the platform may give; administrator, auditor and counter only "
        "where they are named here.",
    )
    departments: frozenset[str] = Field(
        frozenset(),
        description="Ids of the departments whose people sign in there; all but the node's own if "
        "not set.",
    )
    prompt: str = Field(
        "login",
        description="What the platform is told to ask (OpenID Connect prompt): login asks for the "
        "password each time; empty takes a session that the browser has there, which is wrong "
        "where several people use one browser.",
    )

    @field_validator("roles")
    @classmethod
    def _given(cls, roles: frozenset[str]) -> frozenset[str]:
        known = {"applicant", "department", "administrator", "auditor", "counter"}
        if not roles <= known:
            raise ValueError(f"roles are some of {', '.join(sorted(known))}")
        return roles

    @field_validator("prompt")
    @classmethod
    def _a_prompt(cls, text: str) -> str:
        if text not in ("", "login", "select_account", "consent"):
            raise ValueError("prompt is login, select_account, consent or nothing")
        return text

    @field_validator("issuer")
    @classmethod
    def _an_issuer(cls, text: str) -> str:
        parts = urlsplit(text)
        plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if text and not (parts.scheme == "https" or plain):
            raise ValueError("an issuer is an https address / issuer 应为 https 地址")
        return text

    @model_validator(mode="after")
    def _agree(self) -> SignInSettings:
        if bool(self.issuer) != bool(self.client_id):
            raise ValueError("issuer and client_id go together / issuer 与 client_id 须同时配置")
        return self
