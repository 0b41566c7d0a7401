"""``xunyi verify``: prove that the store holds together and that the caches say what it says.

Every check compares two things that were written at different moments: rows with rows, files with their
manifest, centred vectors with raw ones, token states with the passage they were made of, the lexical index
with the log.  Nothing is changed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from time import sleep

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer import generations, lexical_caches
from indexer.fitted import command
from indexer.records import Problem
from indexer.service import Service
from indexer.states_filling import by, flawed, with_states
from indexer.store import changes, collections, passages, token_states
from indexer.store.collections import Collection
from indexer.store.tables import DocumentRow, EmbeddingRow, PassageRow
from indexer.token_states import codec_of
from search.arrays import Ids, Rows
from search.artifacts import DamagedArtifact
from search.centring import centred, passage_mean
from search.encoders.base import TokenEncoder, token_encoder
from search.errors import SearchError
from search.vectors.base import VectorIndex
from search.vectors.sparse_index import SparseIndex

_EXAMPLES_MAX = 5
ATTEMPTS = 5
PAUSE_SECONDS = 0.1

Check = Callable[[Service, Connection, Collection], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at, what was found wrong, and what is not made yet; no problems is a clean store."""

    collections: int
    documents: int
    passages: int
    problems: list[Problem]
    notes: list[str]


def verify(service: Service) -> Verification:
    """Check the whole installation: rows in one transaction for each collection, caches each in its own."""
    problems: list[Problem] = []
    notes: list[str] = []
    documents = count = 0
    with service.database.read() as connection:
        found = collections.all_collections(connection)
        problems += _database(connection, service.database.dialect)
    for collection in found:
        with service.database.read() as connection:
            current = collections.get(connection, collection.name)
            counted = collections.counts(connection, current)
            documents, count = documents + counted[0], count + counted[1]
            of_rows = [problem for check in ROWS for problem in check(service, connection, current)]
            notes += _unmade(service, connection, current)
            notes += _unread(connection, current)
        of_caches = [problem for check in CACHES for problem in _settled(service, current, check)]
        problems += _told(service, current, of_rows + of_caches)
    return Verification(len(found), documents, count, problems, notes)


def _told(service: Service, collection: Collection, problems: Sequence[Problem]) -> Iterator[Problem]:
    """Add to each problem whose it is and, where a cache can simply be made anew, how."""
    for problem in problems:
        cure = CURES.get(problem.code, "").format(maker=_maker(service), stopped=_stopped(service))
        yield replace(problem, where=f"{collection.name}, {problem.where}", detail=problem.detail + cure)


def _maker(service: Service) -> str:
    """Return who makes a cache anew, and what the user does for that."""
    holder = service.cache_lock.holder()
    if holder is None:
        return "`xunyi worker --once` makes it anew"
    return (
        f"{holder} makes it anew after the next `xunyi search` there; "
        "if that process is stuck, stop it and run `xunyi worker --once`"
    )


def _stopped(service: Service) -> str:
    """Return what a user does before `xunyi worker --once` can be run."""
    holder = service.cache_lock.holder()
    return f"stop {holder}, and then " if holder else ""


def _settled(service: Service, collection: Collection, check: Check) -> list[Problem]:
    """Return what is wrong with a cache that nobody was making anew while it was looked at.

    Its keeper may publish another one between any two lines of a check, and take the old one away.  Then the
    rows name another one, or will in a moment; where they do not, nothing is looked at twice.
    """
    problems: list[Problem] = []
    for _ in range(ATTEMPTS):
        with service.database.read() as connection:
            current = collections.get(connection, collection.name)
            named = _named(connection, current)
            try:
                problems = list(check(service, connection, current))
            except lexical_caches.Unnoted as ahead:
                problems, named = [_damaged("lexical index", ahead)], ()
        if not problems:
            break
        with service.database.read() as connection:
            if named == _named(connection, collections.get(connection, collection.name)):
                break
        sleep(PAUSE_SECONDS)
    return problems


def _named(connection: Connection, collection: Collection) -> tuple[object, ...]:
    """Return which caches the rows name for a collection."""
    row = lexical_caches.row_of(connection, collection.id)
    generations = [seen.active_generation_id for seen in collections.encoders_of(connection, collection)]
    return (*generations, row and (row.folder, row.covers))


def _damaged(where: str, error: DamagedArtifact) -> Problem:
    return Problem(where, "cache_damaged", str(error))


def _other_past(where: str, error: changes.LogPruned) -> Problem:
    return Problem(where, "cache_mismatch", str(error))


def _database(connection: Connection, dialect: str) -> Iterator[Problem]:
    if dialect != "sqlite":
        return
    for row in connection.exec_driver_sql("PRAGMA integrity_check"):
        if row[0] != "ok":
            yield Problem("database", "database_damaged", str(row[0]))
    for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield Problem("database", "dangling_row", f"a row of {row[0]} points to a missing row of {row[2]}")


def _passages(service: Service, connection: Connection, collection: Collection) -> Iterator[Problem]:
    """Every passage is the part of its document's text that its offsets name."""
    part = sa.func.substr(DocumentRow.text, PassageRow.start + 1, PassageRow.end - PassageRow.start)
    wrong = (
        sa.select(DocumentRow.key, PassageRow.ordinal)
        .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
        .where(PassageRow.collection_id == collection.id, part != PassageRow.text)
        .limit(_EXAMPLES_MAX)
    )
    for row in connection.execute(wrong):
        yield Problem(row.key, "passage_mismatch", f"passage {row.ordinal} is not what its offsets name")
    has_passage = sa.exists().where(PassageRow.document_id == DocumentRow.id)
    empty = sa.select(DocumentRow.key).where(DocumentRow.collection_id == collection.id, ~has_passage)
    for key in connection.execute(empty.limit(_EXAMPLES_MAX)).scalars():
        yield Problem(key, "no_passages", "the document has no passages and can never be found")


def _through_each(check: Check) -> Check:
    """Return a check that looks at a collection through each encoder that it is searched by."""

    def checked(service: Service, connection: Connection, collection: Collection) -> Iterator[Problem]:
        for seen in collections.encoders_of(connection, collection):
            by = "" if seen.encoder_id == collection.encoder_id else f"encoder {seen.encoder}, "
            for problem in check(service, connection, seen) if seen.complete else ():
                yield replace(problem, where=by + problem.where)

    return checked


def _right_length(seen: Collection) -> sa.ColumnElement[bool]:
    length = sa.func.length(EmbeddingRow.vector)
    return length % 8 == 0 if seen.sparse else length == 4 * seen.dimension


def _vectors(service: Service, connection: Connection, collection: Collection) -> Iterator[Problem]:
    """Every passage has one finite vector of the right length."""
    joined = sa.and_(
        EmbeddingRow.passage_id == PassageRow.id, EmbeddingRow.encoder_id == collection.encoder_id
    )
    bare = (
        sa.select(DocumentRow.key, PassageRow.ordinal)
        .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
        .outerjoin(EmbeddingRow, joined)
        .where(
            PassageRow.collection_id == collection.id,
            sa.or_(
                EmbeddingRow.passage_id.is_(None),
                ~_right_length(collection),
            ),
        )
        .limit(_EXAMPLES_MAX)
    )
    unusable = connection.execute(bare).all()
    for row in unusable:
        yield Problem(row.key, "no_vector", f"passage {row.ordinal} has no vector of the right length")
    if unusable:
        return
    for ids, rows in _blocks(connection, collection):
        if not isinstance(rows, np.ndarray) and rows.indices.max(initial=0) >= collection.dimension:
            yield Problem("vectors", "bad_vector", "a vector has more columns than its encoder has words")
            return
        lengths = np.sqrt((rows * rows).sum(axis=1))
        bad = ~(np.isfinite(lengths) & ((np.abs(lengths - 1) < 1e-3) | (lengths == 0)))
        for passage in ids[bad][:_EXAMPLES_MAX]:
            yield Problem(f"passage {passage}", "bad_vector", "its vector is neither of unit length nor zero")


def _states(service: Service, connection: Connection, collection: Collection) -> Iterator[Problem]:
    """Token states can be unpacked and stand at words of what the encoder read."""
    encoder = _teller(service, collection)
    if encoder is not None:
        for passage, what in islice(flawed(connection, collection, encoder), _EXAMPLES_MAX):
            yield Problem(f"passage {passage}", "states_damaged", f"its token states {what}")


def _unmade(service: Service, connection: Connection, collection: Collection) -> Iterator[str]:
    """Tell of passages whose token states are not made yet."""
    for seen in with_states(connection, collection):
        encoder = _teller(service, seen)
        count = token_states.waiting(connection, seen, codec_of(encoder)) if encoder else 0
        if count:
            holder = service.cache_lock.holder()
            maker = f"{holder} makes them" if holder else "`xunyi worker --once` makes them"
            have = "passage has" if count == 1 else "passages have"
            yield f"{seen.name}: {count} {have} no token states{by(seen, collection)} yet; {maker}"


def _unread(connection: Connection, collection: Collection) -> Iterator[str]:
    """Tell of encoders that have not read all passages, and so are not searched by."""
    for seen in collections.encoders_of(connection, collection):
        if not seen.complete:
            switched = f"xunyi encoders switch {seen.encoder} -c {seen.name}"
            cure = f"`{switched if seen.kind == 'transformer' else command(seen.encoder, seen.name)}` goes on"
            yield f"{seen.name}: the encoder {seen.encoder} has not read all passages; {cure}"


def _teller(service: Service, collection: Collection) -> TokenEncoder | None:
    """Return what reads token states; None where there are none, or the model is not at hand."""
    try:
        return token_encoder(service.models.encoder_of(collection))
    except SearchError:  # told with the caches
        return None


def _generation(service: Service, connection: Connection, collection: Collection) -> Iterator[Problem]:
    """The active generation holds exactly the rows that were there at its change, centred."""
    manifest = generations.active(connection, collection)
    if manifest is None:
        return
    where = f"generation {manifest.id}"
    try:
        encoder = service.models.encoder_of(collection)
        index = generations.open_generation(service.settings.caches_folder, manifest, encoder)
        change = changes.since(connection, collection.id, manifest.covers, collection.change_number)
    except DamagedArtifact as error:
        yield _damaged(where, error)
        return
    except changes.LogPruned as error:
        yield _other_past(where, error)
        return
    except SearchError as error:  # the model is not at hand; the cache may be right
        yield Problem(where, error.code, str(error))
        return
    seen = 0
    mean = passage_mean(encoder.passage_means, manifest.chinese_share)
    for ids, rows in _blocks(connection, collection):
        old = ~np.isin(ids, change.added)
        seen += int(np.count_nonzero(old))
        if not np.isin(ids[old], index.ids).all():
            yield Problem(where, "cache_mismatch", "a passage it should cover is missing from it")
            return
        if not _alike(index, ids[old], rows[old] if collection.sparse else centred(rows[old], mean)):
            yield Problem(where, "cache_mismatch", "a vector in it differs from the one in the database")
            return
    if seen + np.isin(change.removed, index.ids).sum() != index.ids.size:
        yield Problem(where, "cache_mismatch", "it holds a passage that the database never had at its time")


def _alike(index: VectorIndex, ids: Ids, rows: Rows) -> bool:
    """Return whether an index holds just these rows."""
    if isinstance(index, SparseIndex):
        return bool((index.take(ids) != rows).nnz == 0)
    return np.array_equal(index.vectors(ids), rows)


def _others(service: Service, connection: Connection, collection: Collection) -> Iterator[Problem]:
    """The files of the collection's other encoders are whole."""
    for seen in collections.encoders_of(connection, collection)[1:]:
        try:
            if seen.kind == "transformer":
                service.models.transformer_of(seen)
            else:
                service.models.fitted.of(seen).opened()
        except SearchError as error:
            yield Problem(f"encoder {seen.encoder}", error.code, str(error))


def _lexical(service: Service, connection: Connection, collection: Collection) -> Iterator[Problem]:
    """The lexical index holds exactly the passages that were there at its marker.

    Raises:
        Unnoted: it goes to another change than its row says.
    """
    row = lexical_caches.row_of(connection, collection.id)
    if row is None:
        return
    try:
        index = lexical_caches.open_index(service.settings.caches_folder, row, service.analyzer)
        change = changes.since(connection, collection.id, index.marker, collection.change_number)
    except lexical_caches.Unnoted:
        raise
    except DamagedArtifact as error:
        yield _damaged("lexical index", error)
        return
    except changes.LogPruned as error:
        yield _other_past("lexical index", error)
        return
    everything = passages.all_ids(connection, collection.id)
    expected = np.setdiff1d(everything, change.added)
    held = index.ids()
    if not np.array_equal(np.setdiff1d(held, change.removed), expected):
        yield Problem(
            "lexical index", "cache_mismatch", "it holds other passages than were there at its change"
        )


ROWS: Sequence[Check] = (_passages, _through_each(_vectors), _through_each(_states), _others)
CACHES: Sequence[Check] = (_through_each(_generation), _lexical)
CURES = {
    "cache_damaged": "; {maker}",
    "cache_mismatch": "; delete the folder caches in the data folder, and {maker}",
    "states_damaged": "; {stopped}`xunyi worker --once` makes them anew",
}
"""What cures what can be made anew, by the code of its problem.

Who keeps the caches looks at checksums alone; `xunyi worker --once` reads the token states as well.
"""


def _blocks(connection: Connection, collection: Collection) -> Iterator[tuple[Ids, Rows]]:
    return passages.vector_blocks(connection, collection)
