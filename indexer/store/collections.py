"""Collections and their encoders: the rows, and the counter that orders a collection's changes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from indexer.records import EncoderInfo
from indexer.store.storable import is_text
from indexer.store.tables import (
    ChangeRow,
    CollectionEncoderRow,
    CollectionRow,
    DocumentRow,
    EmbeddingRow,
    EncoderRow,
    GenerationRow,
    PassageRow,
    TokenStatesRow,
)
from search.errors import CollectionExists, InvalidInput, UnknownCollection, UnknownEncoder
from search.registry import nearest

_NAME = re.compile(r"[\w][\w.-]{0,99}", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as one transaction saw it, seen through one of its encoders: its own, or one fit on it."""

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
    kind: str = "transformer"
    """Of the encoder: pretrained (``transformer``), or fit on the collection (``dense``, ``sparse``)."""

    complete: bool = True
    """Whether every passage has its vector by the encoder; only then is it searched by."""

    @property
    def sparse(self) -> bool:
        """Whether the encoder's vectors are stored without their zeros."""
        return self.kind == "sparse"


OWN = "transformer"
"""What the encoder that a collection was made with is called, too."""

_SEEN_THROUGH = (
    sa.select(
        CollectionRow.id,
        CollectionRow.name,
        EncoderRow.id.label("encoder_id"),
        EncoderRow.name.label("encoder"),
        EncoderRow.fingerprint,
        EncoderRow.dimension,
        CollectionRow.passage_tokens,
        CollectionRow.overlap_tokens,
        CollectionRow.change_number,
        CollectionEncoderRow.active_generation_id,
        CollectionRow.created_at,
        EncoderRow.kind,
        CollectionEncoderRow.complete,
    )
    .join(CollectionEncoderRow, CollectionEncoderRow.collection_id == CollectionRow.id)
    .join(EncoderRow, EncoderRow.id == CollectionEncoderRow.encoder_id)
)
_COLUMNS = _SEEN_THROUGH.where(EncoderRow.id == CollectionRow.encoder_id).order_by(CollectionRow.name)
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


def ensure_encoder(
    connection: Connection,
    name: str,
    fingerprint: str,
    dimension: int,
    now: datetime,
    kind: str = "transformer",
) -> int:
    """Return the id of the encoder's row, making it on first sight."""
    found = sa.select(EncoderRow.id).where(EncoderRow.name == name, EncoderRow.fingerprint == fingerprint)
    known: int | None = connection.execute(found).scalar()
    if known is not None:
        return known
    values = {
        "name": name,
        "kind": kind,
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
    values = {
        "name": checked_name(name),
        "encoder_id": encoder_id,
        "passage_tokens": passage_tokens,
        "overlap_tokens": overlap_tokens,
        "change_number": 0,
        "created_at": now,
    }
    try:
        made = connection.execute(sa.insert(CollectionRow).values(**values).returning(CollectionRow.id))
        own = {"collection_id": made.scalar_one(), "encoder_id": encoder_id, "complete": True}
        connection.execute(sa.insert(CollectionEncoderRow).values(created_at=now, **own))
    except IntegrityError as error:
        raise CollectionExists(f"a collection called {name!r} is there already", collection=name) from error


# Encoders that are fit on a collection


def encoders_of(connection: Connection, collection: Collection) -> list[Collection]:
    """Return a collection as it is seen through each of its encoders, its own first.

    Those that lack vectors are among them: what is stored from now on brings theirs with it.
    """
    query = _SEEN_THROUGH.where(CollectionRow.id == collection.id).order_by(
        EncoderRow.id != CollectionRow.encoder_id, EncoderRow.name, EncoderRow.id
    )
    return [Collection(**row._mapping) for row in connection.execute(query)]


def encoder_infos(connection: Connection, collection: Collection) -> list[EncoderInfo]:
    """Return what there is to say of each encoder of a collection, its own first."""
    passages = counts(connection, collection)[1]
    query = sa.select(
        CollectionEncoderRow.encoder_id, CollectionEncoderRow.fit_on, CollectionEncoderRow.replaced_at
    ).where(CollectionEncoderRow.collection_id == collection.id)
    rows = {row.encoder_id: row for row in connection.execute(query)}
    return [
        EncoderInfo(
            name=seen.encoder,
            kind=seen.kind,  # type: ignore[arg-type]  # the column has no other
            own=seen.encoder_id == collection.encoder_id,
            former=rows[seen.encoder_id].replaced_at is not None,
            dimension=seen.dimension,
            complete=seen.complete,
            fit_on=rows[seen.encoder_id].fit_on,
            passages=passages,
            fingerprint=seen.fingerprint,
        )
        for seen in encoders_of(connection, collection)
    ]


def through(connection: Connection, collection: Collection, encoder: str) -> Collection:
    """Return a collection seen through the encoder of that name; ``transformer`` is its own, too.

    Raises:
        UnknownEncoder: it has none of this name that it can be searched by.
    """
    if encoder in (collection.encoder, OWN):
        return collection
    query = _SEEN_THROUGH.where(
        CollectionRow.id == collection.id, EncoderRow.name == encoder, CollectionEncoderRow.complete
    )
    row = connection.execute(query).one_or_none() if is_text(encoder) else None
    if row is None:
        known = [other.encoder for other in encoders_of(connection, collection) if other.complete]
        raise UnknownEncoder(
            f"{collection.name!r} has no encoder {encoder[:100]!r} to search by; it has: {', '.join(known)}; "
            "`xunyi train` fits others on it",
            known=known,
        )
    return Collection(**row._mapping)


def fit_before(connection: Connection, collection: Collection, made_of: str) -> Collection | None:
    """Return a collection seen through the encoder that was fit on just this, if it has that."""
    query = _SEEN_THROUGH.where(CollectionRow.id == collection.id, CollectionEncoderRow.made_of == made_of)
    row = connection.execute(query).one_or_none()
    return None if row is None else Collection(**row._mapping)


def add_encoder(
    connection: Connection, collection: Collection, encoder_id: int, fit_on: int, made_of: str, now: datetime
) -> Collection:
    """Give a collection another encoder, by which nothing is searched before it is ``completed``.

    One that came out as one it has already stays as complete as that is.

    Returns:
        The collection seen through it.

    Raises:
        UnknownCollection: it was deleted in the meantime.
    """
    lock(connection, collection)
    facts = {"fit_on": fit_on, "made_of": made_of}
    mine = (
        CollectionEncoderRow.collection_id == collection.id,
        CollectionEncoderRow.encoder_id == encoder_id,
    )
    if not connection.execute(sa.update(CollectionEncoderRow).where(*mine).values(**facts)).rowcount:
        place = {"collection_id": collection.id, "encoder_id": encoder_id, "complete": False}
        connection.execute(sa.insert(CollectionEncoderRow).values(created_at=now, **place, **facts))
    query = _SEEN_THROUGH.where(CollectionRow.id == collection.id, EncoderRow.id == encoder_id)
    return Collection(**connection.execute(query).one()._mapping)


def completed(connection: Connection, seen: Collection) -> None:
    """Let searches use an encoder whose vectors are all there, instead of the one of its name before."""
    others = sa.select(EncoderRow.id).where(EncoderRow.name == seen.encoder, EncoderRow.id != seen.encoder_id)
    before = sa.select(CollectionEncoderRow.encoder_id).where(
        CollectionEncoderRow.collection_id == seen.id,
        CollectionEncoderRow.encoder_id.in_(others),
    )
    for encoder_id in connection.execute(before).scalars().all():
        remove_encoder(connection, seen, encoder_id)
    require_encoder(connection, seen)
    connection.execute(sa.update(CollectionEncoderRow).where(*_row_of(seen)).values(complete=True))


def require_encoder(connection: Connection, seen: Collection) -> Collection:
    """Return a collection as it is seen through the same encoder now.

    Raises:
        UnknownEncoder: the encoder was taken away from the collection in the meantime.
    """
    query = _SEEN_THROUGH.where(CollectionRow.id == seen.id, EncoderRow.id == seen.encoder_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UnknownEncoder(
            f"the encoder {seen.encoder!r} of {seen.name!r} was removed in the meantime", encoder=seen.encoder
        )
    return Collection(**row._mapping)


def remove_encoder(connection: Connection, collection: Collection, encoder_id: int) -> None:
    """Take an encoder that is not a collection's own away from it, with all it made of passages."""
    passages = sa.select(PassageRow.id).where(PassageRow.collection_id == collection.id)
    for made in (EmbeddingRow, TokenStatesRow):
        mine = (made.encoder_id == encoder_id, made.passage_id.in_(passages))
        connection.execute(sa.delete(made).where(*mine))
    for row in (CollectionEncoderRow, GenerationRow):
        connection.execute(
            sa.delete(row).where(row.collection_id == collection.id, row.encoder_id == encoder_id)
        )


def drop_unused_encoders(connection: Connection) -> list[tuple[str, str]]:
    """Forget the fitted encoders that no collection has; return their names and fingerprints."""
    used = sa.select(CollectionEncoderRow.encoder_id)
    unused = (EncoderRow.kind != "transformer", EncoderRow.id.not_in(used))
    gone = sa.delete(EncoderRow).where(*unused).returning(EncoderRow.name, EncoderRow.fingerprint)
    return [(row.name, row.fingerprint) for row in connection.execute(gone)]


def fitted_encoders(connection: Connection) -> set[tuple[str, str]]:
    """Return names and fingerprints of all encoders that were fit on collections."""
    query = sa.select(EncoderRow.name, EncoderRow.fingerprint).where(EncoderRow.kind != "transformer")
    return {(row.name, row.fingerprint) for row in connection.execute(query)}


def incomplete(connection: Connection, collection: Collection, encoder_ids: Sequence[int]) -> None:
    """Keep searches from encoders that could not read what is being stored."""
    rows = sa.update(CollectionEncoderRow).where(
        CollectionEncoderRow.collection_id == collection.id, CollectionEncoderRow.encoder_id.in_(encoder_ids)
    )
    connection.execute(rows.values(complete=False))


def living_encoders(connection: Connection) -> set[tuple[int, int]]:
    """Return collection and encoder of everything that can be searched by, or will be."""
    query = sa.select(CollectionEncoderRow.collection_id, CollectionEncoderRow.encoder_id)
    return {(row.collection_id, row.encoder_id) for row in connection.execute(query)}


def reads_as(connection: Connection, collection: Collection, others: Iterable[int]) -> bool:
    """Return whether ``collection`` names its own encoder of now, and ``others`` are all the others."""
    own = sa.select(CollectionRow.encoder_id).where(CollectionRow.id == collection.id)
    query = sa.select(CollectionEncoderRow.encoder_id).where(
        CollectionEncoderRow.collection_id == collection.id
    )
    all_of_them = set(connection.execute(query).scalars())
    return connection.execute(own).scalar() == collection.encoder_id and all_of_them == set(others) | {
        collection.encoder_id
    }


def move_pointer(connection: Connection, seen: Collection, generation_id: int) -> None:
    """Make a generation the active one of an encoder."""
    row = sa.update(CollectionEncoderRow).where(*_row_of(seen))
    connection.execute(row.values(active_generation_id=generation_id))


def _row_of(seen: Collection) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        CollectionEncoderRow.collection_id == seen.id,
        CollectionEncoderRow.encoder_id == seen.encoder_id,
    )


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
