"""Collections and their encoders: the rows, and the counter that orders a collection's changes."""

import re
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from indexer.store.storable import is_text
from indexer.store.tables import ChangeRow, CollectionRow, DocumentRow, EncoderRow, GenerationRow, PassageRow
from search.errors import CollectionExists, InvalidInput, UnknownCollection
from search.registry import nearest

_NAME = re.compile(r"[\w][\w.-]{0,99}", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as one transaction saw it."""

    id: int
    name: str
    encoder_id: int
    encoder: str
    fingerprint: str
    dimension: int
    passage_tokens: int
    overlap_tokens: int
    change_number: int
    active_generation_id: int | None
    created_at: datetime


_COLUMNS = (
    sa.select(
        CollectionRow.id,
        CollectionRow.name,
        CollectionRow.encoder_id,
        EncoderRow.name.label("encoder"),
        EncoderRow.fingerprint,
        EncoderRow.dimension,
        CollectionRow.passage_tokens,
        CollectionRow.overlap_tokens,
        CollectionRow.change_number,
        CollectionRow.active_generation_id,
        CollectionRow.created_at,
    )
    .join(EncoderRow, EncoderRow.id == CollectionRow.encoder_id)
    .order_by(CollectionRow.name)
)
_BY_NAME = _COLUMNS.where(CollectionRow.name == sa.bindparam("name"))


def find(connection: Connection, name: str) -> Collection | None:
    """Return the collection called ``name``, or None."""
    if not is_text(name):
        return None
    row = connection.execute(_BY_NAME, {"name": name}).one_or_none()
    return None if row is None else Collection(**row._mapping)


def get(connection: Connection, name: str) -> Collection:
    """Return the collection called ``name``; raise ``UnknownCollection`` when there is none."""
    found = find(connection, name)
    if found is None:
        near = nearest(name, [other.name for other in all_collections(connection)])
        cure = (
            f"did you mean {near[0]!r}?"
            if near
            else "choose one from the list of collections (`xunyi collections`, `GET /v1/collections`), "
            "or store something in it, which makes it"
        )
        raise UnknownCollection(f"there is no collection called {name!r}; {cure}", collection=name)
    return found


def all_collections(connection: Connection) -> list[Collection]:
    """Return every collection, by name."""
    return [Collection(**row._mapping) for row in connection.execute(_COLUMNS)]


def checked_name(name: str) -> str:
    """Return ``name``; raise ``InvalidInput`` unless it can stand in a path and a URL."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "a collection's name has 1 to 100 letters, digits, dots, dashes or underscores "
            "and starts with a letter or digit",
            collection=name[:200],
        )
    return name


def ensure_encoder(connection: Connection, name: str, fingerprint: str, dimension: int, now: datetime) -> int:
    """Return the id of the encoder's row, making it on first sight."""
    found = sa.select(EncoderRow.id).where(EncoderRow.name == name, EncoderRow.fingerprint == fingerprint)
    known: int | None = connection.execute(found).scalar()
    if known is not None:
        return known
    values = {
        "name": name,
        "kind": "transformer",
        "options": {},
        "fingerprint": fingerprint,
        "dimension": dimension,
        "created_at": now,
    }
    made = sa.insert(EncoderRow).values(**values).returning(EncoderRow.id)
    try:
        with connection.begin_nested():
            return int(connection.execute(made).scalar_one())
    except IntegrityError:  # another process was faster
        return int(connection.execute(found).scalar_one())


def create(
    connection: Connection,
    name: str,
    encoder_id: int,
    passage_tokens: int,
    overlap_tokens: int,
    now: datetime,
) -> None:
    """Make a collection; raise ``CollectionExists`` when the name is taken."""
    try:
        connection.execute(
            sa.insert(CollectionRow).values(
                name=checked_name(name),
                encoder_id=encoder_id,
                passage_tokens=passage_tokens,
                overlap_tokens=overlap_tokens,
                change_number=0,
                created_at=now,
            )
        )
    except IntegrityError as error:
        raise CollectionExists(f"a collection called {name!r} is there already", collection=name) from error


def delete(connection: Connection, collection: Collection) -> None:
    """Delete a collection with all it holds."""
    connection.execute(sa.delete(CollectionRow).where(CollectionRow.id == collection.id))


def lock(connection: Connection, collection: Collection) -> int:
    """Lock the collection's counter until this transaction ends; return the newest change number.

    Whoever writes to a collection calls this first, so writers of one collection follow one another.

    Raises:
        UnknownCollection: it was deleted in the meantime.
    """
    counter = sa.select(CollectionRow.change_number).where(CollectionRow.id == collection.id)
    return _counted(connection.execute(counter.with_for_update()).scalar(), collection)


def newest_change(connection: Connection, collection: Collection) -> int:
    """Return the number of the collection's newest change; raise ``UnknownCollection`` if it is gone."""
    counter = sa.select(CollectionRow.change_number).where(CollectionRow.id == collection.id)
    return _counted(connection.execute(counter).scalar(), collection)


def _counted(number: int | None, collection: Collection) -> int:
    if number is None:
        raise UnknownCollection(
            f"the collection {collection.name!r} was deleted in the meantime", collection=collection.name
        )
    return number


def counts(connection: Connection, collection: Collection) -> tuple[int, int]:
    """Return how many documents and passages a collection holds."""
    documents = sa.select(sa.func.count()).where(DocumentRow.collection_id == collection.id)
    passages = sa.select(sa.func.count()).where(PassageRow.collection_id == collection.id)
    return connection.execute(documents).scalar_one(), connection.execute(passages).scalar_one()


def unfolded(connection: Connection, collection: Collection) -> int:
    """Return how many passages came after the active generation (all, where there is none)."""
    covers = sa.select(GenerationRow.covers).where(GenerationRow.id == collection.active_generation_id)
    covered = connection.execute(covers).scalar()
    if covered is None:
        return counts(connection, collection)[1]
    late = sa.select(sa.func.count(sa.distinct(ChangeRow.passage_id))).join(
        PassageRow, PassageRow.id == ChangeRow.passage_id
    )
    mine = (ChangeRow.collection_id == collection.id, ChangeRow.number > covered, ChangeRow.added)
    return connection.execute(late.where(*mine)).scalar_one()
