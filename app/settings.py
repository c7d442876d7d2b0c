"""Settings: one frozen, validated object from ``TOWPATH_*`` variables and a ``.env`` file."""

from __future__ import annotations

import base64
import binascii
import difflib
import os
import secrets
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

from domain.envelope import explain
from domain.errors import ConfigurationError

PREFIX = "TOWPATH_"
MARGIN_SECONDS = 5.0
FOREIGN = frozenset({"TOWPATH_CRASH_AT", "TOWPATH_CRASH_ONCE_FILE"})


class Settings(BaseSettings):
    """Everything that can be set from outside.

    ``allowed_hosts`` are ``host:port`` pairs that connectors may call although they are not public (the sandbox,
    tests). ``lease_seconds`` is how long a worker that fell silent keeps its lanes; it must exceed the longest call.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    broker_url: SecretStr = SecretStr("journal:")
    broker_ca_file: str | None = None
    database_url: SecretStr | None = None
    data_dir: Path = Path(".towpath")
    secret_keys: SecretStr | None = None
    allowed_hosts: str = ""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8380, ge=0, le=65535)
    metrics_port: int = Field(default=0, ge=0, le=65535)
    capacity: int = Field(default=400, ge=1, le=1000)
    lease_seconds: float = Field(default=60.0, ge=5.0, le=3600.0)
    call_seconds: float = Field(default=30.0, ge=1.0, le=300.0)
    log: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"

    @field_validator("allowed_hosts")
    @classmethod
    def _pairs(cls, value: str) -> str:
        parse_hosts(value)
        return value

    @model_validator(mode="after")
    def _calls_end_before_the_lease(self) -> Settings:
        if self.call_margin > self.lease_seconds * 0.6:
            raise ValueError(
                f"a call of {self.call_seconds:g} s needs TOWPATH_LEASE_SECONDS of at least "
                f"{self.call_margin / 0.6:.0f}"
            )
        return self

    @property
    def call_margin(self) -> float:
        """Seconds that must be left of a lease to begin a call: more than a call can take."""
        return self.call_seconds + MARGIN_SECONDS

    @property
    def database(self) -> str:
        """The database URL; a SQLite file in the data folder unless set."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.resolve() / 'towpath.db'}"

    @property
    def embedded(self) -> bool:
        """Whether the ledger itself is the queue."""
        return self.broker_url.get_secret_value().startswith("journal:")

    def hosts(self) -> list[tuple[str, int]]:
        """``allowed_hosts`` as pairs."""
        return parse_hosts(self.allowed_hosts)

    def keys(self) -> list[bytes]:
        """The key ring for secrets at rest, newest first; a key file is made in the data folder where none is set.

        Raises:
            ConfigurationError: a key is not 32 bytes of base64, or the key file is open to others.
        """
        if self.secret_keys is not None:
            return [_key(text.strip()) for text in self.secret_keys.get_secret_value().split(",") if text.strip()]
        path = self.data_dir / "secret.key"
        if not path.exists():
            self.data_dir.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(base64.b64encode(secrets.token_bytes(32)).decode())
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"{path} can be read by others: chmod 600 it, and rotate the keys.")
        return [_key(path.read_text().strip())]


def parse_hosts(value: str) -> list[tuple[str, int]]:
    """``host:port,host:port`` as pairs; ValueError when it is not that."""
    pairs = []
    for part in filter(None, (piece.strip() for piece in value.split(","))):
        host, colon, port = part.rpartition(":")
        if not colon or not port.isdigit():
            raise ValueError(f"{part!r} is not host:port")
        pairs.append((host, int(port)))
    return pairs


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise ConfigurationError(
            "A key in TOWPATH_SECRET_KEYS is not 32 bytes of base64. Make one: openssl rand -base64 32"
        )
    return key


def load(**overrides: Any) -> Settings:
    """Settings from the environment; ``overrides`` win.

    Raises:
        ConfigurationError: a value is wrong, or a ``TOWPATH_*`` name, in the environment or the file, is unknown
        (with the
            nearest one).
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    in_file = DotEnvSettingsSource(Settings).env_vars
    for name in (*os.environ, *(name.upper() for name in in_file)):
        if name.startswith(PREFIX) and name not in known | FOREIGN and not name.startswith("TOWPATH_TEST_"):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" Known: {', '.join(sorted(known))}."
            raise ConfigurationError(f"There is no setting {name}.{hint}", code="unknown_setting")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise ConfigurationError(f"Settings are not valid: {explain(error)}") from None
