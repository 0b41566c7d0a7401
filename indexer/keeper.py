"""Keeping the caches: who decides when a lexical index follows and when vectors are folded.

Called by the worker, again and again, and by the shell at the end of an ingest.  Needs the cache lock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from indexer import generations, lexical_caches
from indexer.clock import Clock
from indexer.store import collections, passages
from indexer.store.collections import Collection
from indexer.store.sessions import Database
from search.encoders.base import Encoder
from search.text.analyzer import Analyzer

FOLDED_SHARE = 0.02
"""A tail below this share of its generation costs a search next to nothing, and folding rewrites all."""


Opener = Callable[[Collection], Encoder]
"""Returns the encoder that a collection is seen through."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Brings the caches of one home folder up to date."""

    database: Database
    caches: Path
    analyzer: Analyzer
    folding_threshold: int
    hnsw_threshold: int
    clock: Clock

    def inspect(self, collection: Collection, encoder_of: Opener) -> None:
        """Read every cache file once against its checksum; what is damaged is due to be made anew."""
        lexical_caches.inspect(self.database, self.caches, collection, self.analyzer)
        for seen in self._complete(collection):
            generations.inspect(self.database, self.caches, seen, encoder_of(seen))

    def follow(self, collection: Collection) -> bool:
        """Bring the lexical index up to date; return whether there was anything to do."""
        return lexical_caches.follow(self.database, self.caches, collection, self.analyzer)

    def fold_due(self, collection: Collection, encoder_of: Opener) -> bool:
        """Fold the vectors of every encoder where that is due; return whether there was anything to do."""
        due = [seen for seen in self._complete(collection) if self.due(seen)]
        for seen in due:
            self.fold(seen, encoder_of(seen))
        return bool(due)

    def _complete(self, collection: Collection) -> list[Collection]:
        """Return a collection seen through each encoder that it is searched by."""
        with self.database.read() as connection:
            return [seen for seen in collections.encoders_of(connection, collection) if seen.complete]

    def due(self, collection: Collection) -> bool:
        """Return whether the vectors of a collection should be folded into a new generation."""
        with self.database.read() as connection:
            manifest = generations.active(connection, collection)
            count = passages.count(connection, collection.id)
        if manifest is None:
            return count > 0
        if manifest.damaged:
            return True
        behind = collection.change_number - manifest.covers
        few = max(self.folding_threshold, FOLDED_SHARE * manifest.count)
        return behind >= min(few, max(manifest.count, 1))

    def fold(self, collection: Collection, encoder: Encoder) -> int:
        """Build and activate a generation of all vectors; return its number."""
        made = generations.build(
            self.database, self.caches, collection, encoder, self.hnsw_threshold, self.clock()
        )
        generations.sweep(self.database, self.caches, collection)
        return made

    def sweep_deleted(self) -> None:
        """Delete the folders of collections that are gone."""
        with self.database.read() as connection:
            living = {str(collection.id) for collection in collections.all_collections(connection)}
        for kind in ("vectors", "lexical", "map"):
            for folder in self.caches.glob(f"{kind}-*-*"):
                if folder.name.split("-")[1] not in living:
                    generations.remove_folder(folder)
