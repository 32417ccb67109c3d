"""Every name known, every value checked, every mistake told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from jobs.errors import SettingsError
from jobs.settings import PREFIX, Settings, environment_of, hand_down, read_settings


def test_settings_are_read_from_the_environment() -> None:
    settings = read_settings(
        {
            "LECTORIUM_HOME": "/srv/lectorium",
            "LECTORIUM_LEASE_SECONDS": "30",
            "LECTORIUM_REQUIRE_KEYS": "true",
            "LECTORIUM_KINDS": "plan, bind",
            "LECTORIUM_S3_REGION": "",
            "PATH": "/bin",
        }
    )
    assert settings.lease_seconds == 30
    assert settings.require_keys is True
    assert settings.kinds == ("plan", "bind")
    assert settings.s3_region is None
    assert settings.ledger_url == "sqlite:////srv/lectorium/ledger.sqlite3"
    assert settings.objects_url == "file:///srv/lectorium/objects"
    assert settings.shelf_path == Path("/srv/lectorium/shelf")


def test_defaults_are_one_machine_with_nothing_installed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert settings.ledger_url.startswith("sqlite:///")
    assert settings.objects_url.startswith("file:///")
    assert (settings.broker, settings.host, settings.look_interval) == ("memory://", "127.0.0.1", 0.5)
    assert Settings(broker="redis://redis").look_interval == 5.0


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("LEDGR", "x", "unknown setting LECTORIUM_LEDGR; did you mean LECTORIUM_LEDGER?"),
        ("S3_ENDPIONT", "x", "unknown setting LECTORIUM_S3_ENDPIONT; did you mean LECTORIUM_S3_ENDPOINT?"),
        ("QUUX", "x", "unknown setting LECTORIUM_QUUX"),
        ("QUUX_FILE", "x", "unknown setting LECTORIUM_QUUX_FILE"),
        ("PORT", "eighty", "LECTORIUM_PORT: Input should be a valid integer"),
        ("PORT", "70000", "LECTORIUM_PORT: Input should be less than or equal to 65535"),
        ("LEASE_SECONDS", "0", "LECTORIUM_LEASE_SECONDS: Input should be greater than 0"),
        ("LEASE_SECONDS", "20", "LECTORIUM_RENEW_SECONDS: must be at most half of LECTORIUM_LEASE_SECONDS"),
        ("RENEW_SECONDS", "31", "LECTORIUM_RENEW_SECONDS: must be at most half of LECTORIUM_LEASE_SECONDS"),
        (
            "KINDS",
            "plan,bake",
            "LECTORIUM_KINDS: 'bake' is none of plan, synthesize, master, bind, prepare, train, publish, ",
        ),
        ("SIGNAL", "wind", "LECTORIUM_SIGNAL: 'wind' is none of profile, csv:PATH, uk:URL, maps:URL"),
        ("FIRST_BY_DAY", "x", "LECTORIUM_FIRST_BY_DAY: Input should be 'renders' or 'trainings'"),
        ("LOG_LEVEL", "LOUD", "LECTORIUM_LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("S3_SECRET_FILE", "/nowhere", "LECTORIUM_S3_SECRET_FILE: No such file or directory: /nowhere"),
    ],
)
def test_mistake_is_told_in_one_line(name: str, text: str, line: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({PREFIX + name: text})
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_secret_may_be_given_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("tell nobody\n")
    settings = read_settings({"LECTORIUM_S3_SECRET_FILE": str(path)})
    assert settings.s3_secret is not None
    assert settings.s3_secret.get_secret_value() == "tell nobody"
    assert "tell nobody" not in repr(settings)
    with pytest.raises(SettingsError, match="LECTORIUM_S3_SECRET is given twice, itself and as a file"):
        read_settings({"LECTORIUM_S3_SECRET_FILE": str(path), "LECTORIUM_S3_SECRET": "other"})


def test_secret_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="LECTORIUM_S3_SECRET_FILE: not UTF-8 text"):
        read_settings({"LECTORIUM_S3_SECRET_FILE": str(path)})


def test_child_process_gets_the_same_settings(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        s3_secret=SecretStr("s"),
        presign=False,
        kinds=("plan",),
        s3_region=None,
        lease_seconds=2.5,
        renew_seconds=0.5,
    )
    assert read_settings(environment_of(settings)) == settings


def test_settings_are_handed_down_to_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTORIUM_PORT", "1")  # restored after the test
    monkeypatch.setenv("LECTORIUM_HOME", "x")
    settings = Settings(home=tmp_path, port=4711)
    hand_down(settings)
    assert read_settings() == settings


def test_kinds_of_a_worker_are_checked() -> None:
    settings = Settings(port=1)
    assert settings.with_kinds(["bind"]).kinds == ("bind",)
    assert settings.with_kinds(["bind"]).port == 1
    with pytest.raises(SettingsError, match="kinds: 'bake' is none of"):
        settings.with_kinds(["bake"])


def test_the_window_is_the_operators_choice() -> None:
    settings = read_settings({"LECTORIUM_WINDOW": "mon-fri 22:00-06:00 Europe/Berlin"})
    assert settings.off_peak.zone.key == "Europe/Berlin"
    assert read_settings(environment_of(settings)) == settings
    with pytest.raises(SettingsError, match=r"LECTORIUM_WINDOW: 'Berlin' in .* is no time zone"):
        read_settings({"LECTORIUM_WINDOW": "22:00-06:00 Berlin"})
