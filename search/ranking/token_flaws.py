"""Whether stored token states are what the codec wrote, and of their passage.

Whoever ranks by states looks at their numbers first (``readable``), and whoever shows where they stand at
their places (``misplaced``); ``flaw`` is both, for whoever checks what is stored.
"""

import zlib

import numpy as np

from search.ranking.pieces import said
from search.ranking.token_codec import StoredStates, unpacked


def readable(states: bytes, dimension: int) -> StoredStates | str:
    """Return states that attention can look at, of ``dimension`` numbers each, or what is wrong with them."""
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # what is no number is told of below
            stored = unpacked(states)
    except (ValueError, IndexError):
        return "cannot be unpacked"
    if stored.mean.shape != (dimension,):
        return f"are of {stored.mean.size} numbers where the encoder has {dimension}"
    if not (np.isfinite(stored.factors).all() and np.isfinite(stored.mean).all()):
        return "hold what is no number"
    return stored


def misplaced(stored: StoredStates, text: str) -> str | None:
    """Return what is wrong with the places of states in the ``text`` that was read, if anything is."""
    try:
        spans = stored.spans
    except (ValueError, zlib.error):
        return "cannot be unpacked"
    if len(spans) != len(stored.codes):
        return f"are {len(stored.codes)}, with places for {len(spans)}"
    starts, ends = spans[:, 0], spans[:, 1]
    if not (np.all(starts >= 0) and np.all(starts < ends) and np.all(ends <= len(text))):
        return "stand outside of the passage"
    return None if said(text, spans).all() else "stand where no word is"


def flaw(states: bytes, text: str, dimension: int) -> str | None:
    """Return what is wrong with the stored states of a passage of which ``text`` was read, if anything is."""
    stored = readable(states, dimension)
    return stored if isinstance(stored, str) else misplaced(stored, text)
