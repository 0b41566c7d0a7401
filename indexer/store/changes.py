"""The log of passages that came and went, which every cache follows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store.tables import (
    ChangeRow,
    CollectionEncoderRow,
    CollectionRow,
    GenerationRow,
    LexicalCacheRow,
)
from search.arrays import Ids


class LogPruned(Exception):
    """The log no longer reaches back to what a process holds in memory; it must start from a newer cache."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between a cache that covers one number and the database now; ids ascending."""

    added: Ids
    """Passages that came and are still there."""
    removed: Ids
    """Passages that were there before and went; what came and went in between is in neither."""
    covers: int


def record(
    connection: Connection, collection_id: int, last: int, removed: Sequence[int], added: Sequence[int]
) -> None:
    """Log passages under the numbers after ``last``; the counter must be locked by this transaction."""
    rows = [(passage, False) for passage in removed] + [(passage, True) for passage in added]
    if not rows:
        return
    values = [
        {"collection_id": collection_id, "number": last + place, "passage_id": passage, "added": is_added}
        for place, (passage, is_added) in enumerate(rows, start=1)
    ]
    connection.execute(sa.insert(ChangeRow), values)
    counter = sa.update(CollectionRow).where(CollectionRow.id == collection_id)
    connection.execute(counter.values(change_number=last + len(rows)))


def since(connection: Connection, collection_id: int, number: int, newest: int) -> Changes:
    """Return the net effect of the changes after ``number`` up to ``newest``.

    Raises:
        LogPruned: some of these rows are gone (numbers have no gaps, so a missing row is noticed).
    """
    if newest == number:
        return Changes(_ids(()), _ids(()), newest)
    rows = connection.execute(
        sa.select(ChangeRow.passage_id, ChangeRow.added).where(
            ChangeRow.collection_id == collection_id, ChangeRow.number > number, ChangeRow.number <= newest
        )
    ).all()
    if len(rows) != newest - number:
        raise LogPruned(f"changes {number + 1} to {newest} are no longer all there")
    removed = {passage for passage, is_added in rows if not is_added}
    added = {passage for passage, is_added in rows if is_added}
    return Changes(_ids(added - removed), _ids(removed - added), newest)


def prune(connection: Connection, collection_id: int) -> int:
    """Delete the log below the oldest living cache; return how many rows went."""
    generations = (
        sa.select(GenerationRow.covers)
        .select_from(CollectionEncoderRow)
        .outerjoin(GenerationRow, GenerationRow.id == CollectionEncoderRow.active_generation_id)
        .where(CollectionEncoderRow.collection_id == collection_id, CollectionEncoderRow.complete)
    )
    lexical = sa.select(LexicalCacheRow.covers).where(LexicalCacheRow.collection_id == collection_id)
    covers = [*connection.execute(generations).scalars(), connection.execute(lexical).scalar()]
    if None in covers:
        return 0
    oldest = min(number for number in covers if number is not None)
    gone = connection.execute(
        sa.delete(ChangeRow).where(ChangeRow.collection_id == collection_id, ChangeRow.number <= oldest)
    )
    return gone.rowcount


def _ids(values: Sequence[int] | set[int] | tuple[()]) -> Ids:
    return np.array(sorted(values), dtype=np.int64)
