"""Calibrations: what tells a relevance from a score, for each collection and language of a question."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store import expansions, mixes, rankers
from indexer.store.collections import Collection, lock
from indexer.store.tables import CalibrationRow
from search.encoders.base import Language
from search.relevance import Calibration


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """A calibration as its row has it."""

    language: str
    made_of: str
    passages: int
    centre: float
    spread: float
    level: float
    judged: int

    @property
    def calibration(self) -> Calibration:
        """What a search needs of it."""
        return Calibration(self.centre, self.spread, self.level)


METHOD = 2
"""Raised by every change that gives other calibrations."""

_COLUMNS = sa.select(*(getattr(CalibrationRow, field.name) for field in fields(StoredCalibration)))
_OF_COLLECTION = _COLUMNS.where(CalibrationRow.collection_id == sa.bindparam("collection"))


def made_of(connection: Connection, found: Collection, codec: str) -> str:
    """Return what a calibration of a collection would be made of now."""
    learned = rankers.in_use(connection, found)
    mix = mixes.in_use(connection, found)
    beside = f" mix {mix.id}" if mix else ""
    expansion = expansions.of_collection(connection, found)
    share = expansion.shares.get("attention") if expansion else None
    further = f" expansion {share}" if share else ""
    return f"{METHOD} {codec} {learned.fingerprint[:16] if learned else 'simple'}{beside}{further}"


def of_collection(connection: Connection, collection: Collection) -> Mapping[str, StoredCalibration]:
    """Return language -> calibration of a collection."""
    rows = connection.execute(_OF_COLLECTION, {"collection": collection.id})
    return {row.language: StoredCalibration(*row) for row in rows}


def put(
    connection: Connection,
    collection: Collection,
    made: Mapping[Language, Calibration],
    *,
    made_of: str,
    passages: int,
    judged: Mapping[Language, int],
    now: datetime,
) -> None:
    """Put calibrations in the place of all that a collection has.

    Raises:
        UnknownCollection: the collection was deleted in the meantime.
    """
    lock(connection, collection)
    connection.execute(sa.delete(CalibrationRow).where(CalibrationRow.collection_id == collection.id))
    rows = [
        {
            "collection_id": collection.id,
            "language": language,
            "made_of": made_of,
            "passages": passages,
            "centre": calibration.centre,
            "spread": calibration.spread,
            "level": calibration.level,
            "judged": judged.get(language, 0),
            "created_at": now,
        }
        for language, calibration in made.items()
    ]
    if rows:
        connection.execute(sa.insert(CalibrationRow), rows)
