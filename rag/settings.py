"""The settings: read from the environment and `.env`, checked once at the start, then passed in."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from limits import RateLimitItem, parse, parse_many
from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import SettingsError
from .types import Redacted

log = logging.getLogger(__name__)

PROJECT = Path(__file__).resolve().parent.parent
PREFIX = "HEADWATER_"
_SECRET = re.compile("KEY|AUTH|STORAGE")
# A hash, of at most ten seconds; its salt and its digest end in bits that are not used.
BCRYPT = re.compile(
    r"\$2[aby]\$(?:0[4-9]|1[0-7])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]"
)
# As a browser writes it: what is not ASCII as xn--…
_HOST = r"(?:[\w-]+(?:\.[\w-]+)*|\[[0-9a-f:]*:[0-9a-f:.]*\])(?::\d{1,5})?"
_HASH = re.compile(r"\$\w+\$|\{\w+\}")


def _default_store() -> Path:
    """A Space's persistent storage, else the project's folder; a temporary folder where that may
    not be written, as in a read-only container."""
    space_volume, beside = Path("/data"), PROJECT / ".headwater"
    if os.environ.get("SPACE_ID") and os.access(space_volume, os.W_OK):
        return space_volume / "headwater"
    if os.access(beside if beside.exists() else PROJECT, os.W_OK):
        return beside
    return _temporary_store()


def _temporary_store() -> Path:
    """The same for every process of this project and user, so that what one read another finds; a
    new one if somebody else has made a folder of that name."""
    user = os.getuid() if hasattr(os, "getuid") else ""
    project = hashlib.sha256(bytes(PROJECT)).hexdigest()[:8]
    folder = Path(tempfile.gettempdir(), f"headwater-{user}-{project}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if user != "" and folder.lstat().st_uid != user:
        return Path(tempfile.mkdtemp(prefix="headwater-"))
    return folder


def _default_proxies() -> tuple[str, ...]:
    """A Space is reached through proxies in its own private network."""
    return ("10.0.0.0/8",) if os.environ.get("SPACE_ID") else ()


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _rate(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "off":
        return None
    try:
        (limit,) = parse_many(value)
        # limits itself takes "5 per 0 seconds" for "5 per 1 second".
        if all(int(number) for number in re.findall("[0-9]+", value)):
            return limit
    except ValueError:
        pass
    raise ValueError("must be one limit such as 20/minute, 100/hour, 1 per 2 seconds, or off")


def _as_sent(origin: str) -> str:
    """An origin as browsers send it: in lower case, and without the scheme's own port."""
    lower = origin.lower()
    return lower.removesuffix(":443" if lower.startswith("https:") else ":80")


def _logins(value: object) -> object:
    if not isinstance(value, str):
        return value
    logins = {}
    for pair in filter(None, map(str.strip, value.split(","))):
        name, _, password = map(str.strip, pair.partition(":"))
        if not name or not password:
            raise ValueError("must be name:password, with commas between several")
        if name in logins:
            raise ValueError(f"has {name} twice")
        if _HASH.match(password) and not BCRYPT.fullmatch(password):
            raise ValueError(f"the hash of {name} is none of bcrypt; make it with htpasswd -nB")
        logins[name] = SecretStr(password)
    if not logins:  # meant to close something, and would not
        raise ValueError("must be name:password, with commas between several")
    return logins


def _keys(value: object) -> object:
    if not isinstance(value, str):
        return value
    keys = [key for key in map(str.strip, value.split(",")) if key]
    if not keys:
        raise ValueError("has no key in it")
    # What is no ASCII does not come through a header unchanged, and would never be right.
    if not all(key.isascii() and key.isprintable() for key in keys):
        raise ValueError("has characters that no header can carry; take ASCII letters and digits")
    return tuple(map(SecretStr, keys))


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Logins = Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(_logins)]
Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_keys)]
Rate = Annotated[RateLimitItem | None, NoDecode, BeforeValidator(_rate)]


class Settings(BaseSettings):
    """Every setting, under the name it has in the environment (rag/serving/README.md lists
    them)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        arbitrary_types_allowed=True,
    )

    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: HttpUrl | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    openai_model: str = Field(default="gpt-4o-mini", validation_alias="OPENAI_MODEL")
    server_name: str = Field(default="127.0.0.1", validation_alias="GRADIO_SERVER_NAME")
    server_port: int | None = Field(
        default=None, validation_alias="GRADIO_SERVER_PORT", ge=1, le=65535
    )

    data_dir: Path = PROJECT / "data"
    follow_links: bool = False
    watch: bool = False
    store_dir: Path = Field(default_factory=_default_store)
    embedding_model: str | None = None  # see rag.retrieval.models.choose
    check_model: str | None = None  # see rag.citations.entailment
    uploads: Literal["session", "library", "off"] | None = None  # None: see where_uploads_go
    model_context: int | None = Field(default=None, ge=512, le=100_000_000)
    top_k: int = Field(default=5, ge=1, le=20)
    chroma_url: HttpUrl | None = None
    first_word_timeout: float = Field(default=120.0, gt=0, le=3600)
    idle_timeout: float = Field(default=30.0, gt=0, le=600)
    max_answer_seconds: float = Field(default=300.0, gt=0, le=3600)
    public_host: str = ""
    root_path: str = ""
    models: Words = ()
    auth: Logins = Field(default_factory=dict)
    api_keys: Keys = ()
    allowed_origins: Words = ()
    frame_origins: Words = ()
    trusted_proxies: Words = Field(default_factory=_default_proxies)

    max_streams: int = Field(default=64, ge=1, le=1000)
    max_waiting: int = Field(default=200, ge=0, le=10_000)
    rate_limit: Rate = parse("20/minute")
    rate_storage: SecretStr = SecretStr("memory://")  # may hold a password
    upstream_rpm: int | None = Field(default=None, ge=1)
    upstream_tpm: int | None = Field(default=None, ge=1)
    cache_seconds: float = Field(default=3600.0, ge=0)
    redact: Annotated[tuple[Redacted, ...], NoDecode, BeforeValidator(_split)] = ()

    @field_validator("openai_api_key")
    @classmethod
    def _plain_key(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value else ""
        if not key.isascii() or not key.isprintable():
            raise ValueError("has characters that no key has; was it copied with quotes?")
        return SecretStr(key) if key else None

    @field_validator("openai_base_url", "chroma_url")
    @classmethod
    def _no_password(cls, value: HttpUrl | None) -> HttpUrl | None:
        if value and (value.username or value.password):
            raise ValueError("must not carry a name or password")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            try:
                ip_network(address)
            except ValueError:
                raise ValueError(
                    f"{address} is no address or network; write 127.0.0.1 or 10.0.0.0/8, with "
                    "commas between several"
                ) from None
        return value

    @field_validator("allowed_origins", "frame_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not re.fullmatch(rf"https?://{_HOST}", origin, re.ASCII | re.IGNORECASE):
                raise ValueError(
                    f"{origin} is no origin; write https://site.example, without a path, with "
                    "commas between several"
                )
        return tuple(map(_as_sent, value))

    @field_validator("public_host")
    @classmethod
    def _host(cls, value: str) -> str:
        host = value.strip().lower()
        if host and not re.fullmatch(_HOST, host, re.ASCII):
            raise ValueError("must be a host name such as docs.example, without a scheme")
        return re.sub(":(80|443)$", "", host)  # no browser writes them

    @field_validator("root_path")
    @classmethod
    def _prefix(cls, value: str) -> str:
        path = value.strip().rstrip("/")
        if path and not re.fullmatch(r"(/[\w.~-]+)+", path, re.ASCII):
            raise ValueError("must be a path such as /headwater")
        return path

    @field_validator("data_dir", "store_dir")
    @classmethod
    def _anchored(cls, value: Path) -> Path:
        """Relative paths start at the project, wherever it is started from."""
        return PROJECT / value.expanduser()

    @field_validator("openai_model", "embedding_model", "check_model")
    @classmethod
    def _not_blank(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("must not be blank")
        return value and value.strip()

    @property
    def where_uploads_go(self) -> Literal["session", "library", "off"]:
        """Into the library of all where only this machine asks; elsewhere into the visitor's."""
        alone = self.server_name in ("127.0.0.1", "localhost", "::1")
        return self.uploads or ("library" if alone else "session")

    @property
    def store_is_temporary(self) -> bool:
        """Whether the store is where nobody asked for it, in the machine's temporary folder."""
        chosen = "store_dir" in self.model_fields_set
        return not chosen and self.store_dir.parent == Path(tempfile.gettempdir())

    @property
    def has_model(self) -> bool:
        """Whether a language model is configured: a key, or the address of a server."""
        return bool(self.openai_base_url or self.openai_api_key)


def load_settings(env_file: Path | None = PROJECT / ".env") -> Settings:
    """The settings of this process.

    Raises SettingsError naming the variable, its value (never a key's) and what is allowed.
    """
    _refuse_unknown_names(env_file)
    try:
        settings = Settings(_env_file=env_file)  # type: ignore[call-arg]
    except ValidationError as exc:
        problems = []
        for error in exc.errors():
            name = str(error["loc"][0])
            variable = name if name.isupper() else PREFIX + name.upper()
            secret = _SECRET.search(variable) or "@" in str(error["input"])
            value = "" if secret else f"={error['input']!r}"
            problems.append(f"{variable}{value}: {error['msg'].removeprefix('Value error, ')}")
        raise SettingsError(
            "A setting has a value that is not allowed. " + "; ".join(problems) + ".",
            "Một thiết lập có giá trị không hợp lệ. " + "; ".join(problems) + ".",
        ) from exc
    if settings.store_is_temporary:
        log.warning(
            "%s may not be written: the library is in the temporary folder %s and may be gone "
            "after a restart. HEADWATER_STORE_DIR names another folder.",
            PROJECT,
            settings.store_dir,
        )
    return settings


def _refuse_unknown_names(env_file: Path | None) -> None:
    fields = Settings.model_fields.items()
    known = {PREFIX + name.upper() for name, field in fields if not field.validation_alias}
    given = set(os.environ) | (set(dotenv_values(env_file)) if env_file else set())
    unknown = sorted(n for n in given if n.startswith(PREFIX) and n not in known)
    if unknown:
        allowed = ", ".join(sorted(known))
        raise SettingsError(
            f"There is no setting {', '.join(unknown)}. The settings are: {allowed}.",
            f"Không có thiết lập {', '.join(unknown)}. Các thiết lập là: {allowed}.",
        )
