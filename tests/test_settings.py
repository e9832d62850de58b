"""Settings: their names, where they come from, and how a bad one is refused."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest

from rag.errors import SettingsError
from rag.settings import PROJECT, Settings, load_settings

Configured = Callable[..., Settings]


def refuses(configured: Configured, name: str, value: str, allowed: str = "") -> None:
    """A value is refused with its name, itself and what is allowed."""
    with pytest.raises(SettingsError) as refused:
        configured(**{name: value})
    for language in ("en", "vi"):
        sentence = refused.value.sentence(language)
        assert f"{name}={value!r}" in sentence and allowed in sentence


def test_without_any_setting_the_app_quotes_the_projects_own_documents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HEADWATER_EMBEDDING_MODEL")
    settings = load_settings(env_file=None)
    assert not settings.has_model
    assert settings.data_dir == PROJECT / "data"
    assert settings.store_dir == PROJECT / ".headwater"
    assert settings.embedding_model is None
    assert (settings.openai_model, settings.top_k, settings.chroma_url) == ("gpt-4o-mini", 5, None)


def test_a_key_or_a_servers_address_makes_a_model(configured: Configured) -> None:
    assert configured(OPENAI_API_KEY="sk-1").has_model
    assert configured(OPENAI_API_KEY="", OPENAI_BASE_URL="http://localhost:11434/v1").has_model


def test_a_blank_key_is_no_key(configured: Configured) -> None:
    assert not configured(OPENAI_API_KEY="   ").has_model


def test_an_empty_variable_is_as_good_as_none(configured: Configured) -> None:
    settings = configured(HEADWATER_TOP_K="", OPENAI_MODEL="", HEADWATER_CHROMA_URL="")
    assert (settings.top_k, settings.openai_model, settings.chroma_url) == (5, "gpt-4o-mini", None)


def test_the_environment_goes_before_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("HEADWATER_TOP_K=7\nOPENAI_MODEL=from-file\nSOMEBODY_ELSES=1\n")
    monkeypatch.setenv("HEADWATER_TOP_K", "9")
    settings = load_settings(env_file)
    assert (settings.top_k, settings.openai_model) == (9, "from-file")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADWATER_TOP_K", "0"),
        ("HEADWATER_TOP_K", "many"),
        ("HEADWATER_IDLE_TIMEOUT", "-1"),
        ("HEADWATER_CHROMA_URL", "localhost:8000"),
        ("HEADWATER_EMBEDDING_MODEL", "  "),
        ("OPENAI_BASE_URL", "not a url"),
        ("GRADIO_SERVER_PORT", "70000"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_itself(
    configured: Configured, name: str, value: str
) -> None:
    refuses(configured, name, value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("20/minute", "20 per 1 minute"),
        (" 100/hour ", "100 per 1 hour"),
        ("1 per 2 seconds", "1 per 2 second"),
        ("off", "None"),
        (" OFF", "None"),
        ("", "20 per 1 minute"),
    ],
)
def test_a_limit_is_read(configured: Configured, text: str, meant: str) -> None:
    assert str(configured(HEADWATER_RATE_LIMIT=text).rate_limit) == meant


@pytest.mark.parametrize(
    "text",
    " |20|often|0/minute|5 per 0 seconds|-1/minute|5/fortnight|1/second;20/minute|"
    "1/second, 20/minute|2.5/second".split("|"),
)
def test_what_is_no_limit_is_refused_with_what_is_allowed(
    configured: Configured, text: str
) -> None:
    refuses(configured, "HEADWATER_RATE_LIMIT", text, "one limit such as 20/minute")


@pytest.mark.parametrize(
    ("text", "trusted"),
    [
        ("127.0.0.1", ("127.0.0.1",)),
        (" 10.0.0.0/8 , ::1,fd00::/8,", ("10.0.0.0/8", "::1", "fd00::/8")),
    ],
)
def test_proxies_are_trusted_by_address_or_network(
    configured: Configured, text: str, trusted: tuple[str, ...]
) -> None:
    assert configured(HEADWATER_TRUSTED_PROXIES=text).trusted_proxies == trusted


@pytest.mark.parametrize("bad", ["proxy.example.com", "10.0.0.0/33", "10.0.0.256", "10.0.0.1/8"])
def test_a_proxy_that_is_no_address_is_refused_with_what_is_allowed(
    configured: Configured, bad: str
) -> None:
    allowed = f"{bad} is no address or network; write 127.0.0.1 or 10.0.0.0/8"
    refuses(configured, "HEADWATER_TRUSTED_PROXIES", f"127.0.0.1, {bad}", allowed)


def test_only_a_space_trusts_proxies_unasked_those_in_its_own_network(
    configured: Configured,
) -> None:
    assert configured().trusted_proxies == ()
    assert configured(SPACE_ID="lan/headwater").trusted_proxies == ("10.0.0.0/8",)
    assert configured(HEADWATER_TRUSTED_PROXIES="::1").trusted_proxies == ("::1",)


def test_a_store_that_may_not_be_written_is_a_temporary_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("HEADWATER_STORE_DIR", raising=False)
    (project := tmp_path / "project").mkdir()
    monkeypatch.setattr("rag.settings.PROJECT", project)
    assert load_settings(None).store_dir == project / ".headwater"
    assert not load_settings(None).store_is_temporary
    monkeypatch.setattr("rag.settings.PROJECT", tmp_path / "gone")  # as if read-only, also for root
    settings = load_settings(None)
    assert settings.store_is_temporary and settings.store_dir.parent == tmp_path
    assert settings.store_dir.stat().st_mode & 0o777 == 0o700
    assert str(settings.store_dir) in caplog.text
    assert load_settings(None).store_dir == settings.store_dir  # what one process read is found
    monkeypatch.setattr(os, "getuid", lambda: 12345)  # what stands there is somebody else's
    other = load_settings(None)
    assert other.store_is_temporary and other.store_dir != settings.store_dir
    monkeypatch.setenv("HEADWATER_STORE_DIR", str(tmp_path / "chosen"))
    assert not load_settings(None).store_is_temporary


def test_logins_are_pairs_and_shown_nowhere(configured: Configured) -> None:
    settings = configured(HEADWATER_AUTH="lan: mật:khẩu , minh:s3cret,", HEADWATER_API_KEYS="a, b,")
    told = {name: word.get_secret_value() for name, word in settings.auth.items()}
    assert told == {"lan": "mật:khẩu", "minh": "s3cret"}
    assert [key.get_secret_value() for key in settings.api_keys] == ["a", "b"]
    assert "khẩu" not in repr(settings) and "s3cret" not in repr(settings)


def test_the_hash_of_a_password_is_taken_as_it_is(configured: Configured) -> None:
    known = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    assert configured(HEADWATER_AUTH=f"lan:{known}").auth["lan"].get_secret_value() == known


@pytest.mark.parametrize(
    "bad",
    [
        *["*", "site.example", "https://site.example/", "https://*.example"],
        *["https://tài-liệu.vn", "https://site.example:", "https://site.example:abc"],
        *["https://[::1", "https://.example"],
    ],
)
def test_an_origin_that_is_none_is_refused_with_what_is_allowed(
    configured: Configured, bad: str
) -> None:
    refuses(configured, "HEADWATER_ALLOWED_ORIGINS", bad, "write https://site.example")


def test_an_origin_is_compared_in_lower_case(configured: Configured) -> None:
    origins = configured(HEADWATER_ALLOWED_ORIGINS="https://Site.Example:8443").allowed_origins
    assert origins == ("https://site.example:8443",)


def test_an_origin_is_compared_without_its_own_port(configured: Configured) -> None:
    given = "https://a.example:443,http://b.example:80,http://c.example:443"
    origins = configured(HEADWATER_ALLOWED_ORIGINS=given).allowed_origins
    assert origins == ("https://a.example", "http://b.example", "http://c.example:443")


@pytest.mark.parametrize(
    "bad",
    ["https://docs.example", "docs.example/chat", "a b", "tài-liệu.vn", "[1]", "docs.example:"],
)
def test_a_host_that_is_none_is_refused_with_what_is_allowed(
    configured: Configured, bad: str
) -> None:
    refuses(configured, "HEADWATER_PUBLIC_HOST", bad, "docs.example, without a scheme")


def test_a_host_is_compared_in_lower_case(configured: Configured) -> None:
    assert configured(HEADWATER_PUBLIC_HOST="Docs.Example:8443").public_host == "docs.example:8443"
    assert configured(HEADWATER_PUBLIC_HOST="docs.example:443").public_host == "docs.example"
    assert configured(HEADWATER_PUBLIC_HOST="[2001:DB8::1]").public_host == "[2001:db8::1]"


@pytest.mark.parametrize(("text", "path"), [("/a/b-c/", "/a/b-c"), ("/", ""), (" /x ", "/x")])
def test_a_path_of_a_site_ends_without_a_slash(
    configured: Configured, text: str, path: str
) -> None:
    assert configured(HEADWATER_ROOT_PATH=text).root_path == path


@pytest.mark.parametrize("bad", ["headwater", "/a b", "https://x.example/a", "//x"])
def test_what_is_no_path_is_refused(configured: Configured, bad: str) -> None:
    refuses(configured, "HEADWATER_ROOT_PATH", bad, "a path such as /headwater")


def test_kinds_to_redact_are_listed_with_commas(configured: Configured) -> None:
    assert configured().redact == ()
    assert configured(HEADWATER_REDACT="key").redact == ("key",)
    chosen = configured(HEADWATER_REDACT=" phone, email,card,").redact
    assert chosen == ("phone", "email", "card")


def test_a_kind_that_cannot_be_redacted_is_refused_with_those_that_can(
    configured: Configured,
) -> None:
    with pytest.raises(SettingsError, match=r"REDACT='name': .*'email', 'phone', 'card' or 'key'"):
        configured(HEADWATER_REDACT="email, name")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("HEADWATER_MAX_STREAMS", "0", "greater than or equal to 1"),
        ("HEADWATER_MAX_STREAMS", "1001", "less than or equal to 1000"),
        ("HEADWATER_MAX_STREAMS", "all", "integer"),
        ("HEADWATER_UPSTREAM_RPM", "0", "greater than or equal to 1"),
        ("HEADWATER_UPSTREAM_RPM", "-60", "greater than or equal to 1"),
        ("HEADWATER_UPSTREAM_RPM", "60/minute", "integer"),
    ],
)
def test_a_number_out_of_bounds_is_refused_with_them(
    configured: Configured, name: str, value: str, allowed: str
) -> None:
    refuses(configured, name, value, allowed)


def test_numbers_at_their_bounds_are_taken(configured: Configured) -> None:
    assert (configured().max_streams, configured().upstream_rpm) == (64, None)
    for streams, rpm in ((1, 1), (1000, 1_000_000)):
        settings = configured(HEADWATER_MAX_STREAMS=streams, HEADWATER_UPSTREAM_RPM=rpm)
        assert (settings.max_streams, settings.upstream_rpm) == (streams, rpm)


def test_every_bad_value_is_named_at_once(configured: Configured) -> None:
    with pytest.raises(SettingsError, match=r"HEADWATER_TOP_K.*HEADWATER_IDLE_TIMEOUT"):
        configured(HEADWATER_TOP_K="0", HEADWATER_IDLE_TIMEOUT="0")


def test_a_name_that_is_no_setting_is_refused_with_those_that_are(configured: Configured) -> None:
    with pytest.raises(SettingsError, match=r"no setting HEADWATER_TOPK\b.*HEADWATER_TOP_K"):
        configured(HEADWATER_TOPK="3")


def test_a_name_that_is_no_setting_is_refused_in_the_env_file_too(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("HEADWATER_DATADIR=documents\n")
    with pytest.raises(SettingsError, match="HEADWATER_DATADIR"):
        load_settings(env_file)


def test_a_key_is_shown_neither_by_the_settings_nor_by_a_refusal(configured: Configured) -> None:
    assert "sk-very-secret" not in repr(configured(OPENAI_API_KEY="sk-very-secret"))
    with pytest.raises(SettingsError) as refused:
        configured(OPENAI_API_KEY="sk-very-secret", HEADWATER_TOP_K="0")
    assert "sk-very-secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("OPENAI_API_KEY", "“sk-secret”", "copied with quotes"),
        ("OPENAI_BASE_URL", "http://user:sekret@host/v1", "name or password"),
        ("HEADWATER_CHROMA_URL", "http://user:sekret@host:8000", "name or password"),
        ("HEADWATER_AUTH", "sekret", "name:password"),
        ("HEADWATER_AUTH", "lan:", "name:password"),
        ("HEADWATER_AUTH", "lan:sekret,:sekret", "name:password"),
        ("HEADWATER_AUTH", " , ", "name:password"),
        ("HEADWATER_API_KEYS", ",", "no key"),
        ("HEADWATER_API_KEYS", "khóa-secret", "no header can carry"),
        ("HEADWATER_AUTH", "lan:sekret,lan:other", "lan twice"),
        ("HEADWATER_AUTH", "lan:$apr1$sekret$sekret", "htpasswd -nB"),
        ("HEADWATER_AUTH", "lan:{SHA}sekret", "htpasswd -nB"),
        ("HEADWATER_AUTH", "lan:$2y$12$sekret", "htpasswd -nB"),
        ("HEADWATER_AUTH", f"lan:$2y$99${'sekret'.ljust(53, 'a')}", "htpasswd -nB"),
        ("HEADWATER_AUTH", f"lan:$2y$12${'sekret'.ljust(53, 'a')}", "htpasswd -nB"),
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(
    configured: Callable[..., Settings], name: str, value: str, shown: str
) -> None:
    with pytest.raises(SettingsError, match=shown) as refused:
        configured(**{name: value})
    assert "secret" not in str(refused.value) and "sekret" not in str(refused.value)


def test_paths_start_at_the_project_and_know_the_home_folder(
    configured: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert configured(HEADWATER_DATA_DIR="data").data_dir == PROJECT / "data"
    assert configured(HEADWATER_STORE_DIR="~/st").store_dir == Path("~/st").expanduser()
