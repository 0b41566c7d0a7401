"""What an encoder may be called, and which folder a prepared one lies in.

A name is one of ``SOURCES``, or the hub name (``owner/model``) or folder of a sentence-transformers
model.  The catalog asks on behalf of the service, preparation's child process for itself.

A model that was fine-tuned on a collection is ``tuned:<collection id>-<begin of its fingerprint>``.  It
cannot be made of its name, so neither of them is asked for it.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from search.errors import UnknownName
from search.registry import slip

DEFAULT_ENCODER = "multilingual-e5-small"

SOURCES: Mapping[str, str] = {
    "multilingual-e5-small": "search.encoders.source_e5:from_package",
    "minilm-en": "search.encoders.source_hub:minilm_from_package",
}
"""Named models and what reads them; only preparation's child process imports the targets."""

ANY_OTHER = "search.encoders.source_hub:from_hub_or_folder"

_TUNED = re.compile(r"tuned:([0-9]{1,19}-[0-9a-f]{16})")


def tuned_name(collection_id: int, fingerprint: str) -> str:
    """Return what a model is called that was fine-tuned on a collection."""
    return f"tuned:{collection_id}-{fingerprint[:16]}"


def tuned_folder_name(name: str) -> str | None:
    """Return the folder of a fine-tuned model; None where ``name`` is no such model's."""
    matched = _TUNED.fullmatch(name)
    return matched and matched[1]


def check_name(name: str) -> None:
    """Raise ``UnknownName`` unless ``name`` is a named model, a hub name or a folder."""
    is_folder = name != "" and Path(name).is_dir()
    if name in SOURCES or is_folder or re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
        return
    known = sorted(SOURCES)
    raise UnknownName(
        f"no encoder is called {name!r}{slip(name, SOURCES)}; choose one of: {', '.join(known)}, or give the "
        f"hub name (owner/model) or the folder of a sentence-transformers model",
        known=known,
    )


def source_target(name: str) -> str:
    """Return ``module:function`` of what reads the model ``name``; the function takes the name."""
    return SOURCES.get(name, ANY_OTHER)


def display_name(name: str) -> str:
    """Return ``name`` as messages and logs say it: of a folder its last part, for paths stay private."""
    return Path(name).resolve().name if Path(name).is_dir() else name


def folder_name(name: str) -> str:
    """Return the folder below the models folder that holds the prepared form of ``name``.

    A hub name or path is shortened to what a file system takes and made unique by a digest.
    """
    if name in SOURCES:
        return name
    place = str(Path(name).resolve()) if Path(name).is_dir() else name
    readable = re.sub(r"[^\w.-]+", "-", "-".join(Path(place).parts[-2:]))[-60:].strip("-.")
    return f"{readable}-{hashlib.sha256(place.encode('utf-8')).hexdigest()[:12]}"
