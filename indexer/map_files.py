"""Maps as they are cached: a sealed folder each, named after generation and settings.

Whoever makes a map first publishes it: equal generations and settings give the same map, so that no lock is
needed.  No text of a passage is kept, but for the words that clusters are called by.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Collection as Among
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import numpy as np

from indexer.generations import remove_folder
from search.artifacts import DamagedArtifact, publish, seal, verify_sealed
from search.maps.drawing import DrawnMap
from search.maps.plane import Axes

log = logging.getLogger(__name__)

FORMAT = 1
ASIDE = ".tmp"
LEFT_AFTER_SECONDS = 24 * 3600.0
"""No map takes a day to make."""
_ARRAYS = ("ids", "places", "members", "centres")
_FACTS = "map.json"


def folder_name(collection: int, generation: int, settings: str) -> str:
    """Return what the folder of a map is called."""
    digest = hashlib.sha256(f"{FORMAT} {settings}".encode()).hexdigest()[:12]
    return f"map-{collection}-{generation}-{digest}"


def read_map(folder: Path) -> DrawnMap | None:
    """Return a cached map; None where there is none, or it is damaged and has to be made anew."""
    if not folder.is_dir():
        return None
    try:
        verify_sealed(folder)
        ids, places, members, centres = (
            np.load(folder / f"{name}.npy", allow_pickle=False) for name in _ARRAYS
        )
        facts = json.loads((folder / _FACTS).read_text("utf-8"))
        axes = None
        if facts["axes"] is not None:
            mean, *directions = np.load(folder / "axes.npy", allow_pickle=False)
            axes = Axes(mean, np.stack(directions), facts["axes"]["scale"], tuple(facts["axes"]["explained"]))
    except (DamagedArtifact, OSError, ValueError) as damage:
        log.warning("a cached map is made anew: %s", damage)
        remove_folder(folder)
        return None
    return DrawnMap(ids, places, members, centres, axes, facts["words"], facts["typical"])


def write_map(folder: Path, drawn: DrawnMap) -> None:
    """Publish a map as ``folder``, unless somebody has done so already."""
    aside = folder.with_name(f"{folder.name}-{uuid4().hex[:8]}{ASIDE}")
    aside.mkdir(parents=True)
    try:
        for name in _ARRAYS:
            np.save(aside / f"{name}.npy", getattr(drawn, name), allow_pickle=False)
        axes = drawn.axes
        if axes is not None:
            np.save(aside / "axes.npy", np.vstack([axes.mean[None, :], axes.directions]), allow_pickle=False)
        told = None if axes is None else {"scale": axes.scale, "explained": axes.explained}
        facts = {"axes": told, "words": drawn.words, "typical": drawn.typical}
        (aside / _FACTS).write_text(json.dumps(facts, ensure_ascii=False), "utf-8")
        seal(aside)
        publish(aside, folder)
    except FileExistsError:
        pass
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def sweep_maps(caches: Path, collection: int, living: Among[int | None], now: datetime) -> None:
    """Delete the maps of a collection that are of other generations than the ``living`` ones.

    What is being made beside them is left alone, unless whoever made it must have died.
    """
    for folder in caches.glob(f"map-{collection}-*"):
        if folder.suffix == ASIDE:
            with suppress(FileNotFoundError):
                if now.timestamp() - folder.stat().st_mtime > LEFT_AFTER_SECONDS:
                    remove_folder(folder)
        elif int(folder.name.split("-")[2]) not in living:
            remove_folder(folder)
