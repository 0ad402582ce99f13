"""Settings, from the environment (a `.env` beside the working directory is read too). Nothing else configures a
process; what a person at Diskominfo-SP changes lives in `config/`."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from dotenv import dotenv_values

from gateway.sdk import Secrets
from gateway.sdk.address import base_fault

DEVELOPMENT, PRODUCTION = "development", "production"


class SettingsError(Exception):
    """A setting is missing or contradicts another; the message names it and the way out."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a process needs to know to start.

    `database_url` is `sqlite:///file` or `postgresql://…`; `redis_url` None means in-process; `config` and
    `connectors` are folders; `data` holds blobs, keys and log; `environ` is handed on to the connectors' own
    settings (`GATEWAY_<APP>_…`). `sms_url` takes text messages, signed with `GATEWAY_SMS_SECRET`; `track_url`
    is the page on which people follow a report by code and secret, named in text messages.
    """

    database_url: str
    redis_url: str | None
    host: str
    port: int
    config: Path
    data: Path
    connectors: tuple[Path, ...]
    env: str
    oidc_issuer: str | None
    oidc_audience: str
    environ: Mapping[str, str]
    sms_url: str | None = None
    track_url: str | None = None

    @property
    def texts(self) -> bool:
        """Tell whether text messages are made: with a provider, or in development, where they are only shown."""
        return self.sms_url is not None or not self.production

    @property
    def production(self) -> bool:
        """Tell whether development conveniences are refused."""
        return self.env == PRODUCTION

    @property
    def sqlite(self) -> bool:
        """Tell whether the embedded database is used (one process only)."""
        return self.database_url.startswith("sqlite")

    def since(self, app: str) -> datetime | None:
        """Return from when on records born in an app open reports here (`GATEWAY_<APP>_SINCE`); None: always.

        What a service did before it was connected stays its own. RFC 3339; a day alone begins at midnight in Barru.
        Raises SettingsError.
        """
        name = f"GATEWAY_{app.upper()}_SINCE"
        text = self.environ.get(name)
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise SettingsError(f"{name} is {text!r}; write a day or a time, for example 2026-01-27") from None
        return at.replace(tzinfo=ZoneInfo("Asia/Makassar")) if at.tzinfo is None else at

    def megabytes(self, name: str) -> int | None:
        """Return a setting that is a number of megabytes; None if it is not set. Raises SettingsError."""
        text = self.environ.get(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit()):
            raise SettingsError(f"{name} is {text!r}; write a whole number of megabytes, for example 2048")
        return int(text)

    @property
    def clock_file(self) -> Path | None:
        """Where the travelling clock keeps its offset; none in production."""
        return None if self.production else self.data / "clock"


def read_settings(environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Settings:
    """Read settings from the environment, which wins over `.env`."""
    kept = {name: value for name, value in dotenv_values(dotenv).items() if value is not None} if dotenv else {}
    env = kept | dict(os.environ if environ is None else environ)
    name = env.get("GATEWAY_ENV", DEVELOPMENT)
    if name not in {DEVELOPMENT, PRODUCTION}:
        raise SettingsError(f"GATEWAY_ENV is {name!r}; it may be {DEVELOPMENT!r} or {PRODUCTION!r}")
    data = Path(env.get("GATEWAY_DATA") or "var")
    try:
        port = int(env.get("GATEWAY_PORT") or 8112)
    except ValueError:
        raise SettingsError(f"GATEWAY_PORT is {env['GATEWAY_PORT']!r}; it must be a number") from None
    if name == PRODUCTION and not env.get("GATEWAY_OIDC_ISSUER"):
        raise SettingsError(
            "GATEWAY_ENV=production needs GATEWAY_OIDC_ISSUER: the embedded development issuer is refused there"
        )
    sms_url = env.get("GATEWAY_SMS_URL") or None
    if sms_url and (fault := base_fault(sms_url)):
        raise SettingsError(f"GATEWAY_SMS_URL cannot be used: {fault}")
    if sms_url and (missing := sms_secrets(env).missing()):
        raise SettingsError(f"GATEWAY_SMS_URL is set, and text messages are signed: {missing[0]}")
    return Settings(
        database_url=env.get("GATEWAY_DATABASE_URL") or f"sqlite:///{data / 'gateway.db'}",
        redis_url=env.get("GATEWAY_REDIS_URL") or None,
        host=env.get("GATEWAY_HOST") or "127.0.0.1",
        port=port,
        config=Path(env.get("GATEWAY_CONFIG") or "config"),
        data=data,
        connectors=tuple(Path(part) for part in (env.get("GATEWAY_CONNECTORS") or "connectors").split(os.pathsep)),
        env=name,
        oidc_issuer=env.get("GATEWAY_OIDC_ISSUER") or None,
        oidc_audience=env.get("GATEWAY_OIDC_AUDIENCE") or "barru-gateway",
        sms_url=sms_url,
        track_url=env.get("GATEWAY_TRACK_URL") or None,
        environ={key: value for key, value in env.items() if key.startswith("GATEWAY_")},
    )


def sms_secrets(environ: Mapping[str, str]) -> Secrets:
    """Return the secret that text messages are signed with: `GATEWAY_SMS_SECRET`, or the file `…_FILE` names."""
    return Secrets("sms", ("SECRET",), environ)
