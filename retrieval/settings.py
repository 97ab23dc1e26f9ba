"""Frozen settings from one TOML file and the environment: every path and limit in one place.

The only module that reads the environment. `AREOGRAPHER_HOME` (default: the platform's user data
folder) holds everything Areographer makes; `settings.toml` in it may override any field below.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path

import platformdirs

from retrieval.errors import SettingsError


@dataclass(frozen=True)
class Settings:
    """Paths and limits.

    Attributes
    ----------
    home
        Folder for everything that Areographer makes.
    model
        Default chat model: ``offline`` or ``openai:NAME``.
    openai_base_url
        Address of an OpenAI-compatible server; empty for the provider's own.
    strict_tools
        Whether a language model's server is asked for calls that fit their schema: ``always``, ``never``, or
        ``auto`` for the provider's own server only.
    encoder
        Default encoder for new indexes.
    lowell_seed
        Seed of the embedded planet. The shipped encoder never saw this seed in training.
    max_question_chars, max_model_calls, max_tool_calls, max_tokens, model_rows
        Limits of one question: characters, calls, tokens sent and received, and table rows a model may see.
    context_tokens
        How long a conversation may grow before a language model is shown a summary of its beginning.
    workers
        Processes used to read and render tiles.
    mirror
        Address asked instead of the publishers of data sets: ``MIRROR/HOST/PATH`` for ``https://HOST/PATH``.
    chat_hosts
        Names, with commas between them, under which a chat that listens on this machine only may be asked
        beside this machine's own: those of a proxy in front of it.
    share_links
        Whether people may make read-only links to their conversations, for whoever can reach the server.
    """

    home: Path
    model: str = "offline"
    openai_base_url: str = ""
    openai_api_key: str = ""
    strict_tools: str = "auto"
    encoder: str = "areo-mini"
    lowell_seed: int = 0
    max_question_chars: int = 4000
    max_model_calls: int = 24
    max_tool_calls: int = 40
    max_tokens: int = 1_000_000
    context_tokens: int = 100_000
    model_rows: int = 30
    workers: int = 2
    mirror: str = ""
    share_links: bool = False
    chat_hosts: str = ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """`chat_hosts`, one by one."""
        return tuple(name.strip() for name in self.chat_hosts.split(",") if name.strip())

    @property
    def indexes(self) -> Path:
        """Folder of named indexes; ``NAME`` on the command line is a folder in it."""
        return self.home / "indexes"

    @property
    def planets(self) -> Path:
        """Folder of synthetic planets and their truth."""
        return self.home / "planets"

    @property
    def conversations(self) -> Path:
        """SQLite file of conversations and checkpoints."""
        return self.home / "conversations.sqlite"

    @property
    def layers(self) -> Path:
        """Folder of layers, one folder per conversation."""
        return self.home / "layers"

    @property
    def exports(self) -> Path:
        """Folder of exported layers, pictures and transcripts."""
        return self.home / "exports"

    @property
    def data(self) -> Path:
        """Folder of fetched data sets, one folder per body."""
        return self.home / "data"

    @property
    def imagery(self) -> Path:
        """Folder that notes where the rasters of indexes lie on this machine."""
        return self.home / "imagery"

    @property
    def uploads(self) -> Path:
        """Folder of pictures and catalogues that a user brought into a chat."""
        return self.home / "uploads"

    def __repr__(self) -> str:
        # The key must never reach a log or a traceback.
        shown = ", ".join(
            f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name != "openai_api_key"
        )
        return f"Settings({shown})"


def load_settings(home: Path | None = None) -> Settings:
    """Read the environment and ``settings.toml``.

    Parameters
    ----------
    home
        Overrides `AREOGRAPHER_HOME`.

    Raises
    ------
    SettingsError
        If the TOML is not valid or names an unknown setting.
    """
    root = home or Path(os.environ.get("AREOGRAPHER_HOME") or platformdirs.user_data_dir("areographer"))
    settings = Settings(home=root.expanduser().resolve(), workers=max(1, min(2, os.cpu_count() or 1)))
    overrides = _read_toml(settings.home / "settings.toml")
    environment = {
        "model": os.environ.get("AREOGRAPHER_MODEL"),
        "openai_base_url": os.environ.get("OPENAI_BASE_URL"),
        "openai_api_key": os.environ.get("OPENAI_API_KEY"),
        "mirror": os.environ.get("AREOGRAPHER_MIRROR"),
    }
    overrides.update({name: value for name, value in environment.items() if value})
    links = os.environ.get("AREOGRAPHER_SHARE_LINKS", "").strip().lower()
    if links:
        overrides["share_links"] = links in ("1", "true", "yes", "on")
    return replace(settings, **overrides)  # type: ignore[arg-type]


def milvus_token() -> str:
    """Token, or ``NAME:PASSWORD``, for a Milvus (`AREOGRAPHER_MILVUS_TOKEN`); empty if it asks for none."""
    return os.environ.get("AREOGRAPHER_MILVUS_TOKEN", "")


def real_data_folder() -> Path | None:
    """Folder of real data for tests and benchmarks (`AREOGRAPHER_REAL_DATA`), if there is one."""
    value = os.environ.get("AREOGRAPHER_REAL_DATA")
    return Path(value).resolve() if value and Path(value).is_dir() else None


def _read_toml(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} is not valid TOML ({error})", next_step="correct or delete the file"
        ) from error
    types = {f.name: f.type for f in fields(Settings) if f.name not in ("home", "openai_api_key")}
    for name, value in values.items():
        if name not in types:
            raise SettingsError(f"{path} has an unknown setting {name!r}", allowed=", ".join(sorted(types)))
        if type(value).__name__ != types[name]:
            raise SettingsError(f"{path}: {name} must be of type {types[name]}, not {value!r}")
    return dict(values)


def prepare_for_ray(loopback: bool) -> None:
    """Set what Ray reads from the environment when it is imported; what is set already stays.

    It reports to nobody how it is used, draws no bars of progress, and gives up within seconds where
    something else than Ray answers. With ``loopback`` a cluster that is made here listens to this machine.
    """
    wanted = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
        "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "5",
        "RAY_gcs_server_request_timeout_seconds": "15",
    }
    if loopback:
        wanted["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's name for more than one machine
    for name, value in wanted.items():
        os.environ.setdefault(name, value)
