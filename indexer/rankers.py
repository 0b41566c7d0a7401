"""The attention that ranks a collection's answers, as this process has opened it.

Learned maps are files; one that is damaged or missing is not used: simple attention ranks instead, and
answers say so.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from sqlalchemy.engine import Connection

from indexer.store import rankers
from indexer.store.collections import Collection
from indexer.store.rankers import TrainedRanker
from indexer.token_states import codec_of
from search.artifacts import DamagedArtifact
from search.encoders.base import Encoder, token_encoder
from search.ranking.attention import AttentionRanker, Simple
from search.ranking.learned import read_learned

log = logging.getLogger(__name__)

Identity = tuple[tuple[str, int, int], ...]
"""Name, size and time of change of every file."""


class Rankers:
    """Opens what was learned on first use and keeps it; safe for several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._opened: dict[tuple[int, int], tuple[int, Identity, AttentionRanker, str | None]] = {}
        """Collection and encoder -> row, files, what ranks, and what is wrong with the files, if anything."""

    def of(
        self, connection: Connection, found: Collection, encoder: Encoder
    ) -> tuple[AttentionRanker, str | None]:
        """Return what ranks a collection, and why it is not what the database names, where that is so."""
        trained, key = rankers.in_use(connection, found), (found.id, found.encoder_id)
        with self._lock:
            if trained is None:
                self._opened.pop(key, None)
                return Simple(), None
            identity = _identity(self._folder / trained.folder)
            known = self._opened.get(key)
            if known is None or known[:2] != (trained.id, identity):
                known = self._opened[key] = (trained.id, identity, *self._open(trained, encoder))
            return known[2:]

    def problems(self, living: Iterable[int]) -> list[str]:
        """Return what is wrong with the attention of living collections; forget the others."""
        with self._lock:
            ids = set(living)
            self._opened = {key: opened for key, opened in self._opened.items() if key[0] in ids}
            return [opened[3] for opened in self._opened.values() if opened[3]]

    def _open(self, trained: TrainedRanker, encoder: Encoder) -> tuple[AttentionRanker, str | None]:
        try:
            return opened(self._folder, trained, encoder), None
        except DamagedArtifact as damage:
            log.warning("learned attention %s is out of use: %s", trained.folder, damage)
            told = f"the learned attention ({trained.kind}) is out of use ({damage})"
            return Simple(), f"{told}; simple attention ranks instead until it is trained again"


def opened(folder: Path, trained: TrainedRanker, encoder: Encoder) -> AttentionRanker:
    """Return a learned attention.

    Raises:
        DamagedArtifact: its files are damaged, or it was trained on what another model made.
    """
    teller = token_encoder(encoder)
    made_by = (trained.encoder_fingerprint, trained.codec)
    if teller is None or made_by != (encoder.fingerprint, codec_of(teller)):
        raise DamagedArtifact("it was trained on token states of another kind")
    return read_learned(folder / trained.folder, trained.fingerprint, encoder.dimension)


def _identity(folder: Path) -> Identity:
    try:
        facts = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError:
        return ()
    return tuple((name, fact.st_size, fact.st_mtime_ns) for name, fact in facts)
