"""The one reader of the environment: `LECTORIUM_*`, each name known, each value checked.

An unknown name stops the process with a guess at what was meant. A secret may be given as a file:
`LECTORIUM_S3_SECRET_FILE` names the file that holds `LECTORIUM_S3_SECRET`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from jobs.errors import SettingsError
from jobs.messages import DELIVER
from jobs.schedule.grid import PROFILE, Grid, check_signal, signal_of
from jobs.schedule.windows import Window
from jobs.states import StepKind

PREFIX: Final = "LECTORIUM_"
WORKER_KINDS: Final = (*StepKind, DELIVER)
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Everything an operator may set. The defaults are one machine with nothing else installed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("lectorium")))
    """The folder of the embedded ledger, objects and shelf."""
    ledger: str = ""
    """Database address, "postgresql://..." or "sqlite:///..."; the default is a file in `home`."""
    broker: str = "memory://"
    """Where knocks go: "redis://...", "amqp://...", or "memory://" (workers look in the ledger)."""
    objects: str = ""
    """"s3://bucket/prefix" or "file:///folder"; the default is a folder in `home`."""
    shelf: Path | None = None
    """The folder of voices; the default is a folder in `home`."""
    hub: str = "https://huggingface.co"
    """Where `lectorium voice pull` finds published weights: the hub, or a mirror that speaks its protocol."""

    s3_endpoint: str | None = None
    s3_public_endpoint: str | None = None
    """Where clients reach the same server, for presigned addresses; the default is `s3_endpoint`."""
    s3_region: str | None = None
    s3_key_id: str | None = None
    s3_secret: SecretStr | None = None
    s3_addressing: Literal["auto", "path", "virtual"] = "auto"
    s3_checksums: Literal["when_required", "when_supported"] = "when_required"
    presign: bool = True
    """Answer downloads by redirecting to presigned addresses where the store can; else stream them."""
    presign_seconds: Positive = 900

    lease_seconds: Positive = 60
    renew_seconds: Annotated[float, Field(gt=0, validate_default=True)] = 15
    """How often a worker renews its leases: at least twice in the life of one, so that one may fail."""
    sweep_seconds: Positive = 10
    look_seconds: Positive | None = None
    """How often an idle worker looks in the ledger; the default is 5 with a broker, 0.5 without."""
    kinds: tuple[str, ...] = WORKER_KINDS
    """What a worker process does; `LECTORIUM_KINDS` is a comma list."""
    max_attempts: Count = 3
    """How often a step is tried that fails with an error of our own."""
    max_losses: Count = 10
    """How often a step is taken up whose worker vanished: whoever kills workers does no harm to a book."""
    hang_seconds: Positive = 120
    """A worker that gets no further for so long ends itself; its lease lapses."""
    memory_gigabytes: Positive | None = None
    """Limit of a worker process; the default is three quarters of the machine's memory."""
    voice_cache_gigabytes: Positive | None = None
    """What loaded voices of a worker process may hold; the default is a quarter of the machine's memory."""
    voice_idle_seconds: Positive = 900
    """A loaded voice leaves memory after so long without work."""
    warm_voices: tuple[str, ...] = ()
    """Voices loaded when a worker starts; `LECTORIUM_WARM_VOICES` is a comma list."""
    check_voices: bool = True
    """Has each GPT-SoVITS voice say a sentence when it is loaded; one that is not well is refused."""
    chunk_utterances: Count = 16
    lane_slots: Count | None = None
    """What the utterances in a voice's lanes may together be expected to fill: phonemes, prompts and tokens.
    The default is what the lanes have room for."""
    claim_chunks: Count = 4
    """How many chunks of one weights digest a worker claims at once."""
    window: str = "22:00-06:00 UTC"
    """When off-peak work may run, like "mon-fri 22:00-06:00, sat sun 00:00-24:00 Europe/Berlin"; the same for
    every process. The zone is part of it, for machines and containers seldom agree on theirs."""
    first_by_day: Literal["renders", "trainings"] = "renders"
    """Who goes first while the window is closed, where a worker could do both."""
    first_by_night: Literal["renders", "trainings"] = "trainings"
    """Who goes first while the window is open; whoever waits for a speech goes before both."""
    signal: str = PROFILE
    """Which hours are green or cheap: "profile" (built in), "csv:PATH", "uk:URL" (the Carbon Intensity API of
    Great Britain) or "maps:URL" (Electricity Maps). Trainings run in the best hours before their deadline."""
    signal_unit: str = "gCO2e/kWh"
    """Of the values of "csv:PATH"; anything else than gCO2e/kWh is a price, "EUR/kWh" for example."""
    signal_zone: str = ""
    """Of "maps:URL": DE, for example."""
    signal_token: SecretStr | None = None
    """Of "maps:URL"."""
    grams_per_kwh: Positive = 480
    """gCO2e of a kilowatt-hour where the signal does not say; 480 is the world's mean of 2023 (Ember)."""
    price_per_kwh: Positive | None = None
    """Of a kilowatt-hour, in your currency, where the signal does not say."""
    core_watts: Positive = 10
    """What a busy processor core is taken to draw where nothing measures it."""
    gpu_watts: Positive = 500
    """What a GPU is taken to draw while it trains, before a training here has told: limits are 350 to 700."""
    gpu_speedup: Positive = 100
    """How many times as fast as one core a GPU is taken to train, before a training here has told."""
    stub_voice: bool = False
    """Offer the stub voice of the benchmarks. Its poisoned words crash workers: never in production."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    api_threads: Count = 16
    require_keys: bool | None = None
    """Ask for API keys; the default is: as soon as `host` is not a loopback address."""
    requests_per_minute: Count = 600
    """How many requests an API key may make; the same number at once is the burst."""
    event_streams: Count = 4
    """How many event streams (SSE) a tenant may hold open at once."""
    speeches: Count = 8
    """How many speeches a tenant may have in hand at once."""
    speech_wait_seconds: Positive = 30
    """How long a speech waits for a worker to take it up, before its client is told to come back later."""
    max_upload_bytes: Count = 200_000_000
    max_open_jobs: Count | None = None
    max_characters_a_day: Count | None = None
    max_stored_bytes: Count | None = None
    """Limits of a tenant that has none of its own."""
    webhook_insecure: bool = False
    """Deliver webhooks to http:// and private addresses too: for tests and closed networks."""
    log_format: Literal["json", "text"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("renew_seconds")
    @classmethod
    def _renew_in_time(cls, renew_seconds: float, given: ValidationInfo) -> float:
        lease_seconds = given.data.get("lease_seconds")
        if lease_seconds is not None and renew_seconds > lease_seconds / 2:
            raise ValueError(f"must be at most half of LECTORIUM_LEASE_SECONDS, which is {lease_seconds:g}")
        return renew_seconds

    @field_validator("window")
    @classmethod
    def _know_window(cls, window: str) -> str:
        try:
            Window.parse(window)
        except SettingsError as error:
            raise ValueError(str(error).removeprefix("window: ")) from error
        return window

    @field_validator("signal")
    @classmethod
    def _know_signal(cls, signal: str) -> str:
        try:
            return check_signal(signal)
        except SettingsError as error:
            raise ValueError(str(error)) from error

    @field_validator("kinds", "warm_voices", mode="before")
    @classmethod
    def _split_lists(cls, names: object) -> object:
        return tuple(name.strip() for name in names.split(",") if names) if isinstance(names, str) else names

    @field_validator("kinds")
    @classmethod
    def _know_kinds(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if not kinds:
            raise ValueError("names no kind of step")
        for kind in kinds:
            if kind not in WORKER_KINDS:
                raise ValueError(f"{kind!r} is none of {', '.join(WORKER_KINDS)}")
        return kinds

    def with_kinds(self, kinds: Sequence[str]) -> Self:
        """The same settings for a worker of these kinds.

        Raises:
            SettingsError: a kind that does not exist.
        """
        try:
            return type(self).model_validate(
                {**{name: getattr(self, name) for name in self.model_fields_set}, "kinds": tuple(kinds)}
            )
        except ValidationError as error:
            raise SettingsError(f"kinds: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error

    @property
    def look_interval(self) -> float:
        """How often an idle worker looks in the ledger."""
        return self.look_seconds or (0.5 if self.broker.startswith("memory:") else 5.0)

    @property
    def off_peak(self) -> Window:
        """When off-peak work may run."""
        return Window.parse(self.window)

    @property
    def grid(self) -> Grid:
        """What is known of the power grid.

        Raises:
            SettingsError: `signal` names a file that is none, or a service without what it wants.
        """
        token = self.signal_token.get_secret_value() if self.signal_token else ""
        signal = signal_of(
            self.signal,
            clock=self.off_peak.zone,
            unit=self.signal_unit,
            zone=self.signal_zone,
            token=token,
        )
        return Grid(signal, grams_per_kwh=self.grams_per_kwh, price_per_kwh=self.price_per_kwh)

    @property
    def ledger_url(self) -> str:
        """The database address, by default of a file in `home`."""
        return self.ledger or f"sqlite:///{self.home / 'ledger.sqlite3'}"

    @property
    def objects_url(self) -> str:
        """The object store's address, by default of a folder in `home`."""
        return self.objects or (self.home / "objects").absolute().as_uri()

    @property
    def shelf_path(self) -> Path:
        """The folder of voices, by default in `home`."""
        return self.shelf or self.home / "shelf"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: an unknown name, with a guess, or an impossible value, with its name.
    """
    if environment is None:
        environment = os.environ  # noqa: TID251 - the one place
    given: dict[str, Any] = {}
    for name, text in environment.items():
        value = text
        if not name.startswith(PREFIX) or value == "":
            continue
        field = name.removeprefix(PREFIX).lower()
        if field.endswith("_file") and field.removesuffix("_file") in Settings.model_fields:
            field = field.removesuffix("_file")
            try:
                value = Path(value).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(f"{name}: {error.strerror or error}: {value}") from error
            except UnicodeDecodeError as error:
                raise SettingsError(f"{name}: not UTF-8 text: {value}") from error
        if field not in Settings.model_fields:
            near = difflib.get_close_matches(field, Settings.model_fields, n=1)
            guess = f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""
            raise SettingsError(f"unknown setting {name}{guess}")
        if field in given:
            raise SettingsError(f"{PREFIX}{field.upper()} is given twice, itself and as a file")
        given[field] = value
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            f"{PREFIX}{str(first['loc'][0]).upper()}: {first['msg'].removeprefix('Value error, ')}"
        ) from error


def environment_of(settings: Settings) -> dict[str, str]:
    """The `LECTORIUM_*` variables that give a child process the same settings."""
    variables: dict[str, str] = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if value is None:
            continue
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if isinstance(value, tuple):
            text = ",".join(value)
        variables[PREFIX + name.upper()] = text
    return variables


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment of this process, with these settings in place of every `LECTORIUM_*` variable in it.

    A secret that came from a file is handed down by its value alone: both at once would be refused.
    """
    outside = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251 - the one place
        if not name.startswith(PREFIX)
    }
    return outside | environment_of(settings)


def hand_down(settings: Settings) -> None:
    """Puts the settings into the environment of this process, for the children it will spawn."""
    handed = child_environment(settings)
    os.environ.clear()  # noqa: TID251 - the one place
    os.environ.update(handed)  # noqa: TID251 - the one place
