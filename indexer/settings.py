"""Settings of one installation: the only reader of the environment.

``XUNYI_HOME``, ``XUNYI_DATABASE_URL``, ``XUNYI_API_KEY`` and the limits below; the shell's options
override them.  Everything else receives a ``Settings`` value and reads nothing by itself.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from indexer.store.storable import is_text
from search.errors import InvalidInput

MEBIBYTE = 1024 * 1024
DIGITS_MAX = 15


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie and how much is allowed; sizes in bytes, times in seconds."""

    home: Path
    database_url: str
    api_key: str | None = None
    models: Path | None = None
    """Where prepared encoders lie; in the home folder by default."""
    request_bytes_max: int = 16 * MEBIBYTE
    """Largest JSON body, and largest line of a bulk request."""
    upload_bytes_max: int = 128 * MEBIBYTE
    """Largest multipart request and largest whole-file document."""
    folding_threshold: int = 2000
    """Passages beyond the newest generation at which a worker folds them into a new one."""
    hnsw_threshold: int = 400_000
    """Passages above which a generation is an HNSW graph instead of an exact flat index."""

    @property
    def models_folder(self) -> Path:
        """Prepared encoders, one folder each."""
        return self.models or self.home / "models"

    @property
    def rankers_folder(self) -> Path:
        """Learned attention, one folder each."""
        return self.home / "rankers"

    @property
    def encoders_folder(self) -> Path:
        """Encoders that were fit on collections, one folder each."""
        return self.home / "encoders"

    @property
    def tuned_folder(self) -> Path:
        """Transformers that were fine-tuned on collections, one prepared folder each."""
        return self.home / "tuned"

    @property
    def caches_folder(self) -> Path:
        """Generations and lexical indexes; all of it can be thrown away at any time."""
        return self.home / "caches"

    @staticmethod
    def from_environment(
        environ: Mapping[str, str] = os.environ, home: str | Path | None = None
    ) -> "Settings":
        """Read the ``XUNYI_*`` variables; ``home`` overrides ``XUNYI_HOME`` (default ``~/.xunyi``).

        Raises:
            InvalidInput: a variable that should be a whole number above 0 is not, the home folder of an
                unknown user is named, or the key is no text.
        """
        folder = _folder(home or environ.get("XUNYI_HOME") or "~/.xunyi")
        settings = Settings(
            home=folder,
            database_url=environ.get("XUNYI_DATABASE_URL") or f"sqlite:///{folder / 'xunyi.db'}",
            api_key=_key(environ.get("XUNYI_API_KEY")),
        )
        return replace(settings, **_numbers(environ))


def _folder(named: str | Path) -> Path:
    try:
        return Path(named).expanduser().absolute()
    except RuntimeError:
        raise InvalidInput(f"the data folder {str(named)!r} is in the home of a user unknown here") from None


def _key(given: str | None) -> str | None:
    if given and not is_text(given):
        raise InvalidInput("XUNYI_API_KEY is not UTF-8; choose a key of letters and digits")
    return given or None


def _numbers(environ: Mapping[str, str]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for name in (field.name for field in fields(Settings) if field.type is int):
        variable = f"XUNYI_{name.upper()}"
        if variable not in environ:
            continue
        text = environ[variable]
        if not text.isdecimal() or len(text) > DIGITS_MAX or int(text) < 1:
            raise InvalidInput(
                f"{variable} is {text[:40]!r}; give a whole number above 0 of at most {DIGITS_MAX} digits",
                variable=variable,
            )
        numbers[name] = int(text)
    return numbers
