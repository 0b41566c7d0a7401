"""Maps as they are cached: a sealed folder each, named after generation and settings.

Whoever makes a map first publishes it: equal generations and settings give the same map, so that no lock is
needed.  No text of a passage is kept, but for the words that clusters are called by.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Collection as Among
from pathlib import Path
from uuid import uuid4

import numpy as np

from indexer.generations import remove_folder
from search.artifacts import DamagedArtifact, publish, seal, verify_sealed
from search.maps.drawing import DrawnMap
from search.maps.plane import Axes

log = logging.getLogger(__name__)

FORMAT = 1
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
    aside = folder.with_name(f"{folder.name}-{uuid4().hex[:8]}.tmp")
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


def sweep_maps(caches: Path, collection: int, living: Among[int | None]) -> None:
    """Delete the maps of a collection that were made of other generations than the ``living`` ones."""
    for folder in caches.glob(f"map-{collection}-*"):
        if int(folder.name.split("-")[2]) not in living and not folder.name.endswith(".tmp"):
            remove_folder(folder)
