"""The environment: everything missing or malformed is named at once, and production fails closed."""

import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import Env, read_dotenv

ROOT = Path(__file__).resolve().parents[2]
KEY = b64encode(os.urandom(32)).decode()
PRODUCTION = {
    "HUB_MODE": "production",
    "SECRET_KEY": "a-secret-of-more-than-fifty-characters-that-is-nobodys-default-0123456789",
    "HUB_FIELD_KEYS": f"1:{KEY}",
    "HUB_INDEX_KEYS": f"1:{KEY}",
    "HUB_TOKEN_KEY": KEY,
    "DATABASE_URL": "postgresql://hub@db.internal/hub",
    "REDIS_URL": "redis://cache.internal:6379/0",
    "PUBLIC_URL": "https://hub.example.cn",
}


def settings_with(**variables) -> subprocess.CompletedProcess:
    environment = {"PATH": os.environ["PATH"]} | PRODUCTION | variables
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, "-c", "import config.settings as s; print(s.ALLOWED_HOSTS, s.SESSION_COOKIE_SECURE)"]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_production_starts_with_its_secrets():
    ran = settings_with()
    assert (ran.returncode, ran.stdout.strip()) == (0, "['hub.example.cn'] True"), ran.stderr


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        *[({name: None}, f"{name} is missing") for name in PRODUCTION if name != "HUB_MODE"],
        ({"DEBUG": "1"}, "DEBUG must be off in production"),
        ({"HUB_SANDBOX": "1"}, "HUB_SANDBOX must be off in production"),
        ({"HUB_TOKEN_KEY": "ZGV2ZWxvcG1lbnQtdG9rZW4ta2V5LTAwMDAwMDAwMDE="}, "HUB_TOKEN_KEY is the development default"),
        ({"HUB_FIELD_KEYS": "1:c2hvcnQ="}, "HUB_FIELD_KEYS must be 32 bytes in base64"),
        ({"PUBLIC_URL": "http://hub.example.cn"}, "PUBLIC_URL must be https in production"),
        ({"DATABASE_URL": "mysql://db"}, "DATABASE_URL must look like postgresql://"),
        ({"PORT": "80a"}, "PORT must be a whole number"),
        ({"HUB_MODE": "test"}, "HUB_MODE must be one of development, production"),
        *[({"SMS_SENDER": name}, "SMS_KEY_SECRET is missing") for name in ("alibaba", "tencent")],
        ({"SMS_SENDER": "tencent"}, "SMS_APP_ID is missing"),
        ({"SMS_SENDER": "carrier-pigeon"}, "SMS_SENDER must be one of alibaba, console, sandbox, tencent"),
        ({"SMS_SENDER": "alibaba", "SMS_API_URL": "http://gateway"}, "SMS_API_URL must be https"),
        ({"SMS_TEMPLATE_PARAMS": "name"}, "SMS_TEMPLATE_PARAMS knows code and minutes"),
    ],
)
def test_production_refuses_to_start_without(variables, said):
    ran = settings_with(**variables)
    assert ran.returncode != 0
    assert said in ran.stderr


@pytest.mark.parametrize("sender", ["alibaba", "tencent"])
def test_production_starts_with_what_its_sms_gateway_needs(sender):
    needed = dict.fromkeys(["SMS_KEY_ID", "SMS_KEY_SECRET", "SMS_SIGN_NAME", "SMS_TEMPLATE", "SMS_APP_ID"], "given")
    ran = settings_with(SMS_SENDER=sender, **needed)
    assert ran.returncode == 0, ran.stderr


def test_all_that_is_wrong_is_said_at_once():
    ran = settings_with(SECRET_KEY=None, PORT="x", HUB_SANDBOX="maybe")
    assert all(name in ran.stderr for name in ("SECRET_KEY is missing", "PORT must", "HUB_SANDBOX must be 1 or 0"))


def test_the_sandbox_stays_on_this_machine():
    ran = settings_with(HUB_MODE="development", HUB_SANDBOX="1", HOST="0.0.0.0", PUBLIC_URL="http://127.0.0.1:8000")
    assert "HUB_SANDBOX binds to 127.0.0.1 only" in ran.stderr


def test_a_dotenv_file_is_read_and_the_environment_wins(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("# a comment\nexport PORT='9000'\nHOST=example # not a comment\n\nBROKEN\n")
    assert read_dotenv(tmp_path / ".env") == {"PORT": "9000", "HOST": "example # not a comment"}
    monkeypatch.setenv("PORT", "9001")
    assert Env(tmp_path / ".env").number("PORT", 1) == 9001
    assert read_dotenv(tmp_path / "none") == {}


def test_a_database_may_lie_behind_a_socket_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://hub:p%40ss@/hub?host=/run/postgresql&port=5433&sslmode=disable")
    found = Env(tmp_path / ".env").database("DATABASE_URL")
    assert {key: found[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")} == {
        "NAME": "hub",
        "USER": "hub",
        "PASSWORD": "p@ss",
        "HOST": "/run/postgresql",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "disable"},
    }


def test_finish_is_silent_when_nothing_is_wrong(tmp_path):
    env = Env(tmp_path / ".env")
    env.finish()
    env.refuse(True, "No")
    with pytest.raises(ImproperlyConfigured, match="No"):
        env.finish()
