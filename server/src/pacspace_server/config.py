"""Settings: flags, then PACSPACE_* environment variables, then pacspace.toml, then defaults."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TOML = "pacspace.toml"
MAX_RETENTION_DAYS = 36_500


class ConfigError(Exception):
    """A setting is invalid; the message names it, its source, and the accepted values."""


@dataclass(frozen=True)
class Setting:
    """One setting; its environment variable is PACSPACE_ and the name in upper case."""

    name: str
    default: str
    help: str
    secret: bool = False

    @property
    def variable(self) -> str:
        return f"PACSPACE_{self.name.upper()}"


SETTINGS = [
    Setting(
        "database", "sqlite:///./pacspace.db", "where the record is: sqlite:///PATH or postgresql://USER@HOST/NAME"
    ),
    Setting("host", "127.0.0.1", "address to listen on"),
    Setting("port", "8787", "port to listen on; 0 picks a free one"),
    Setting("public_url", "", "the URL that customers reach the server at; empty: the address it listens on"),
    Setting(
        "signer_dir",
        "",
        "folder of signing keys and last-signed records; empty: beside the database's file, or ./NAME.signer",
    ),
    Setting("retention_days", "", "days after which contexts are erased, by the ledger clock; empty: never"),
    Setting("registration", "off", "on: visitors can create a user and a workspace; off: they can't"),
    Setting(
        "trusted_proxies",
        "",
        "addresses of proxies in front of this server, comma-separated, whose X-Forwarded-For is trusted; empty: none",
    ),
    Setting(
        "webhook_targets",
        "public",
        "public: webhooks go only to public addresses, in production over https; any: anywhere, for development",
    ),
    Setting("log_level", "info", "debug, info, warning or error"),
    Setting("base_url", "http://127.0.0.1:8787", "the server that client commands talk to"),
    Setting("api_key", "", "the API key of client commands", secret=True),
]
_BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True)
class Value:
    """A setting's value and its source."""

    text: str
    source: str


def load(flags: Mapping[str, Any], folder: Path | None = None) -> dict[str, Value]:
    """Every setting. Raises ConfigError for an unreadable file or an unknown name in it."""
    path = (folder or Path.cwd()) / TOML
    try:
        stated = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    for name in stated.keys() - _BY_NAME.keys():
        raise ConfigError(f"{path}: {name} is not a setting; the settings are {', '.join(_BY_NAME)}")
    values = {}
    for setting in SETTINGS:
        if flags.get(setting.name) is not None:
            values[setting.name] = Value(str(flags[setting.name]), "flag")
        elif setting.variable in os.environ:
            values[setting.name] = Value(os.environ[setting.variable], setting.variable)
        elif setting.name in stated:
            values[setting.name] = Value(str(stated[setting.name]), str(path))
        else:
            values[setting.name] = Value(setting.default, "default")
    return values


@dataclass(frozen=True)
class Database:
    """The location of the record: the file of a sqlite:/// URL, or, if `path` is None, a PostgreSQL URL."""

    url: str
    path: Path | None

    def __str__(self) -> str:
        return str(self.path or without_password(self.url))


def database(value: Value) -> Database:
    """Raises ConfigError for any other kind of URL."""
    if value.text.startswith("sqlite:///") and value.text != "sqlite:///":
        return Database(value.text, Path(value.text.removeprefix("sqlite:///")))
    if value.text.startswith(("postgresql://", "postgres://")):
        return _postgres(value)
    shown = without_password(value.text)
    is_path = (
        value.text and not value.text.startswith("postgres") and not any(part in value.text for part in ("://", "@"))
    )
    hint = f"; write sqlite:///{value.text}" if is_path else ""
    raise ConfigError(
        f"database ({value.source}): {shown!r} is neither sqlite:///PATH nor postgresql://USER@HOST/NAME{hint}"
    )


def _postgres(value: Value) -> Database:
    """Refuses a password that is not encoded: libpq would take a part of it for a host, port or name, and show it."""
    credentials = value.text.partition("://")[2].rpartition("@")[0]
    if "@" in credentials or "/" in credentials:
        raise ConfigError(
            f"database ({value.source}): {without_password(value.text)!r} can't be read: "
            "write @ as %40 and / as %2F in a password"
        )
    return Database(value.text, None)


def without_password(url: str) -> str:
    """A URL with *** in place of any password, so that it can be shown.

    An unencoded password ends at the last @. Text without a scheme may be a mistyped URL.
    """
    url = re.sub(r"(://(?!/)[^:]*|^(?!.*://)[^:]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    return re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1***", url)


def signer_folder(values: Mapping[str, Value]) -> Path:
    """The signing folder: as set, else `<database>.signer` beside a file, or in the current folder."""
    if values["signer_dir"].text:
        return Path(values["signer_dir"].text)
    where = database(values["database"])
    if where.path is None:
        return Path((urlsplit(where.url).path.strip("/") or "pacspace") + ".signer")
    return where.path.with_name(where.path.name + ".signer")


def proxies(value: Value) -> list[str]:
    """Addresses or networks with a trusted X-Forwarded-For. Raises ConfigError for a name, which may be anyone's."""
    listed = [part.strip() for part in value.text.split(",") if part.strip()]
    for part in listed:
        try:
            ip_network(part)
        except ValueError as error:
            raise ConfigError(
                f"trusted_proxies ({value.source}): {part!r} is not an address, or a network such as 10.0.0.0/8"
            ) from error
    return listed


def is_on(name: str, value: Value) -> bool:
    if value.text not in ("on", "off"):
        raise ConfigError(f"{name} ({value.source}): {value.text!r} is neither on nor off")
    return value.text == "on"


def port_number(value: Value) -> int:
    if not value.text.isascii() or not value.text.isdigit() or int(value.text) > 65535:
        raise ConfigError(f"port ({value.source}): {value.text!r} is not a number from 0 to 65535")
    return int(value.text)


def retention_days(value: Value) -> int | None:
    """Days after which contexts are erased, or None for never."""
    if not value.text:
        return None
    if not value.text.isascii() or not value.text.isdigit() or not 1 <= int(value.text) <= MAX_RETENTION_DAYS:
        raise ConfigError(
            f"retention_days ({value.source}): {value.text!r} is not a number of days from 1 to {MAX_RETENTION_DAYS}"
        )
    return int(value.text)


def webhook_targets(value: Value) -> str:
    """`public` or `any`."""
    if value.text not in ("public", "any"):
        raise ConfigError(f"webhook_targets ({value.source}): {value.text!r} is neither public nor any")
    return value.text


def _scheme_of(address: str) -> str:
    return "http" if address.startswith(("127.", "localhost", "[::1]")) else "https"


def http_url(name: str, value: Value) -> str:
    """An absolute http(s) URL without credentials, without a trailing slash."""
    parts = urlsplit(value.text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        hint = f"; write {_scheme_of(value.text)}://{value.text}" if value.text and "://" not in value.text else ""
        raise ConfigError(f"{name} ({value.source}): {value.text!r} is not an http(s) URL without credentials{hint}")
    return value.text.rstrip("/")
