"""The composition root: one method for each thing a user can do.

The shell and the web edge parse, call one method here, and format what comes back.  Models and
pictures of collections are opened on first use, which in a server is after its forks.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from indexer import bulk
from indexer.cache_lock import CacheLock
from indexer.clock import Clock, utc_now
from indexer.evaluations import Evaluations
from indexer.expansions import Shares
from indexer.fitted import (
    STEPS,
    FittedEncoders,
    checked_kind,
    checked_options,
    checked_to_learn_on,
    folder_name,
)
from indexer.judging import Judgements
from indexer.keeper import Keeper
from indexer.maps import Maps
from indexer.mixes import Mix
from indexer.models import Models
from indexer.pipeline import Incoming, Pipeline, checked
from indexer.rankers import Rankers
from indexer.readers.base import Extracted
from indexer.readers.records import metadata
from indexer.records import (
    CollectionInfo,
    Deleted,
    DocumentDetail,
    DocumentPage,
    EncoderInfo,
    Health,
    LineStatus,
    NewDocument,
    Stored,
    TaskInfo,
    UploadedFile,
)
from indexer.searching import NOTHING_BESIDE, Searching
from indexer.settings import Settings
from indexer.store import collections, documents, judgements, listing, own_encoder, passages, rankers, tasks
from indexer.store.collections import Collection
from indexer.store.field_inputs import kinds_of_fields
from indexer.store.filters import compile_filter
from indexer.store.passages import StoredPassages
from indexer.store.schema import open_database
from indexer.store.sessions import Database
from indexer.tuned import TunedModels
from indexer.words import CollectionWords
from search.child import Step
from search.encoders.catalog import DEFAULT_ENCODER
from search.engine import Engine
from search.errors import CollectionExists, EncoderMismatch, InvalidInput
from search.model import FoundPassage, SearchRequest, SearchResult, SimilarRequest
from search.question import checked_limit
from search.ranking.attention import AttentionRanker
from search.text.analyzer import Analyzer

T = TypeVar("T")

PASSAGE_TOKENS = 256
OVERLAP_TOKENS = 32
KEYS_DELETED_MAX = 1000


class Service:
    """One installation as one process serves it; safe for several threads."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock = utc_now,
        progress: Callable[[Step], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self._progress = progress

    @staticmethod
    def open(
        settings: Settings, progress: Callable[[Step], None] = lambda _: None, *, new: bool = True
    ) -> "Service":
        """Open an installation; where ``new`` allows it, make its home folder and tables if need be.

        Raises:
            UnknownHome: it is not there, and ``new`` does not allow to make it.
            HomeTooNew: a newer version of the program wrote it.
        """
        return Service(settings, open_database(settings, new=new), progress=progress)

    def close(self) -> None:
        """Give the database's connections back."""
        self.database.close()

    @cached_property
    def analyzer(self) -> Analyzer:
        """The text analysis that all collections share."""
        return Analyzer(cache_folder=self.settings.home / "dictionaries")

    @cached_property
    def models(self) -> Models:
        """The encoders that this process has opened."""
        fitted = FittedEncoders(self.settings.encoders_folder, self.analyzer)
        tuned = TunedModels(self.settings.tuned_folder)
        return Models(self.settings.models_folder, self._progress, fitted, tuned)

    @cached_property
    def _searching(self) -> Searching:
        return Searching(self.database, self.settings.caches_folder, self.models, self.analyzer, self.rankers)

    @cached_property
    def rankers(self) -> Rankers:
        """What ranks in mode attention."""
        return Rankers(self.settings.rankers_folder)

    @cached_property
    def maps(self) -> Maps:
        """What draws and shows the maps of collections."""
        caches = self.settings.caches_folder
        return Maps(self.database, self._searching, self.models, self.analyzer, caches, self.clock)

    @cached_property
    def judgements(self) -> Judgements:
        """Judged questions of collections."""
        return Judgements(self.database, self.clock)

    @cached_property
    def evaluations(self) -> Evaluations:
        """What systems were measured to be worth on them."""
        return Evaluations(self.database, self.clock)

    @cached_property
    def words(self) -> CollectionWords:
        """What the words of collections have to do with each other."""
        return CollectionWords(self.database, self.models.fitted)

    @cached_property
    def keeper(self) -> Keeper:
        """What brings the caches up to date; to be used under ``cache_lock`` alone."""
        return Keeper(
            self.database,
            self.settings.caches_folder,
            self.analyzer,
            self.settings.folding_threshold,
            self.settings.hnsw_threshold,
            self.clock,
        )

    @cached_property
    def cache_lock(self) -> CacheLock:
        """The lock of the caches; beside them, since all of their folder may be thrown away at any time."""
        return CacheLock(self.settings.home)

    # Collections

    def collections(self) -> list[CollectionInfo]:
        """Return all collections, by name."""
        with self.database.read() as connection:
            return [self._info(connection, found) for found in collections.all_collections(connection)]

    def collection(self, name: str) -> CollectionInfo:
        """Return one collection; raise ``UnknownCollection``."""
        with self.database.read() as connection:
            return self._info(connection, collections.get(connection, name))

    def create_collection(self, name: str, encoder: str | None = None) -> CollectionInfo:
        """Make a collection whose passages are read by ``encoder`` (by default the multilingual one).

        Raises:
            InvalidInput: the name cannot be one.
            CollectionExists: there is one already.
            UnknownName, ModelUnavailable, ModelRefused: the encoder cannot be had.
        """
        collections.checked_name(name)
        with self.database.read() as connection:
            if collections.find(connection, name) is not None:
                raise CollectionExists(f"a collection called {name!r} is there already", collection=name)
        opened = self.models.encoder(encoder or DEFAULT_ENCODER)
        now = self.clock()
        with self.database.write() as connection:
            encoder_id = collections.ensure_encoder(
                connection, encoder or DEFAULT_ENCODER, opened.fingerprint, opened.dimension, now
            )
            collections.create(connection, name, encoder_id, PASSAGE_TOKENS, OVERLAP_TOKENS, now)
        return self.collection(name)

    def encoders(self, collection: str) -> list[EncoderInfo]:
        """Return the encoders of a collection, its own first; raise ``UnknownCollection``."""
        with self.database.read() as connection:
            found = collections.get(connection, collection)
            return collections.encoder_infos(connection, found)

    def fit_encoder(
        self,
        collection: str,
        encoder: str,
        seed: int = 0,
        fields: Sequence[Mapping[str, Any]] = (),
        *,
        learn_on: bool = False,
    ) -> TaskInfo:
        """Enqueue the fit of an encoder on a collection, which a worker does.

        ``fields`` are declared for a kind that reads them (``search/encoders/fitted/features.py``).

        Raises:
            UnknownCollection: there is no such collection.
            InvalidInput: no encoder of this name can be fit, its fields are wrong, or it cannot start from
                the fit before.
        """
        options = checked_options(checked_kind(encoder), fields)
        if learn_on:
            checked_to_learn_on(encoder)
            options["continue"] = True
        with self.database.write() as connection:
            found = collections.get(connection, collection)
            total = tasks.PARTS * len(STEPS)
            asked = {"encoder": encoder, "seed": seed} | options
            return tasks.enqueue_fit(connection, found.name, asked, total, self.clock())

    def import_vectors(self, collection: str, file: UploadedFile) -> TaskInfo:
        """Keep a file of word vectors and enqueue what makes an encoder of it, which a worker does.

        Raises:
            UnknownCollection: there is no such collection.
            TooLarge: it is over the limit.
        """
        total, bytes_max = tasks.PARTS * len(STEPS), self.settings.upload_bytes_max
        with self.database.write() as connection:
            name = collections.get(connection, collection).name
            return tasks.enqueue_import(connection, name, file, bytes_max, total, self.clock())

    def switch_encoder(
        self, collection: str, encoder: str, force: bool = False, judged: str | None = None
    ) -> TaskInfo:
        """Enqueue the switch of a collection to another pretrained encoder, which a worker does.

        It is tested by its judgements ``judged``, or else by questions in its texts.

        Raises:
            UnknownCollection, UnknownJudgements: there is none.
            InvalidInput: the encoder is its own already.
        """
        with self.database.write() as connection:
            found = collections.get(connection, collection)
            own_encoder.check_other(found, encoder)
            asked: dict[str, Any] = {"encoder": encoder, "force": force}
            if judged is not None:
                asked["judgements"] = judgements.get(connection, found, judged).name
            total = tasks.PARTS * len(own_encoder.STEPS)
            return tasks.enqueue(connection, tasks.SWITCHING, found.name, asked, total, self.clock())

    def roll_back_encoder(self, collection: str) -> list[EncoderInfo]:
        """Make the former encoder of a collection its own again, at once; return its encoders.

        Raises:
            UnknownCollection: there is no such collection.
            InvalidInput: there is no former encoder.
        """
        with self.database.write() as connection:
            found = collections.get(connection, collection)
            own_encoder.roll_back(connection, found, self.clock())
            return collections.encoder_infos(connection, collections.get(connection, collection))

    def kinds_of_fields(self, collection: str) -> dict[str, set[str]]:
        """Return field of the documents -> the kinds of its values; raise ``UnknownCollection``."""
        with self.database.read() as connection:
            return kinds_of_fields(connection, collections.get(connection, collection).id)

    def remove_encoder(self, collection: str, encoder: str) -> None:
        """Take an encoder of a collection away from it, with its vectors.

        Raises:
            UnknownCollection, UnknownEncoder: there is none.
            InvalidInput: it is the collection's own.
        """
        with self.database.write() as connection:
            found = collections.get(connection, collection)
            collections.lock(connection, found)
            mine = [seen for seen in collections.encoders_of(connection, found) if seen.encoder == encoder]
            if encoder in (found.encoder, collections.OWN):
                raise InvalidInput(
                    f"{encoder} is the own encoder of {collection!r}, by which it is searched; "
                    "only its others can be removed"
                )
            if not mine:
                collections.through(connection, found, encoder)  # raises, and says which there are
            for seen in mine:
                collections.remove_encoder(connection, seen, seen.encoder_id)
            unused = collections.drop_unused_encoders(connection)
        with self.database.read() as connection:
            self.models.tuned.sweep(connection, found.id)
        self._searching.forget(found)
        self.models.fitted.drop({folder_name(*each) for each in unused})

    def delete_collection(self, name: str) -> None:
        """Delete a collection with all it holds, its waiting uploads too; raise ``UnknownCollection``."""
        with self.database.write() as connection:
            found = collections.get(connection, name)
            tasks.cancel_all(connection, name, self.clock())
            learned = rankers.folders(connection, found)
            collections.delete(connection, found)
            unused = collections.drop_unused_encoders(connection)
        with self.database.read() as connection:
            self.models.tuned.sweep(connection)
        self._searching.forget(found)
        for folder in learned:
            shutil.rmtree(self.settings.rankers_folder / folder, ignore_errors=True)
        self.models.fitted.drop({folder_name(*encoder) for encoder in unused})
        self.models.fitted.drop_unfinished(found.id)

    def ensure_collection(self, name: str, encoder: str | None = None) -> Collection:
        """Return the collection ``name``, making it if need be.

        Raises:
            EncoderMismatch: it is there, with another encoder than the one asked for.
        """
        with self.database.read() as connection:
            found = collections.find(connection, name)
        if found is None:
            try:
                self.create_collection(name, encoder)
            except CollectionExists:
                return self.ensure_collection(name, encoder)  # another process was faster
            with self.database.read() as connection:
                return collections.get(connection, name)
        if encoder is not None and encoder != found.encoder:
            raise EncoderMismatch(
                f"the collection {name!r} is encoded by {found.encoder}, fixed when it was made; "
                f"leave --encoder out, or choose another collection for {encoder}",
                collection=name,
                encoder=found.encoder,
            )
        return found

    def _info(self, connection: Connection, found: Collection) -> CollectionInfo:
        count = collections.counts(connection, found)
        return CollectionInfo(
            name=found.name,
            encoder=found.encoder,
            documents=count[0],
            passages=count[1],
            created_at=found.created_at,
            generation=found.active_generation_id,
            unfolded=collections.unfolded(connection, found),
        )

    # Documents

    def pipeline(self, collection: Collection) -> Pipeline:
        """Return what stores documents in a collection."""
        transformer = self.models.transformer_of
        transformer(collection)  # where it cannot be opened, nothing is begun
        return Pipeline(self.database, collection, transformer, self.clock, self.models.fitted.of)

    def put_document(self, collection: str, document: NewDocument) -> Stored:
        """Store one document; when this returns it is committed and searchable.

        Its metadata is typed by the same rules as a record's.

        Raises:
            NoText, InvalidRecord: it cannot be stored as it is.
        """
        incoming = checked(
            Incoming(
                document.key,
                Extracted(
                    text=document.text,
                    title=document.title,
                    media_type=document.media_type,
                    fields=metadata({"metadata": document.metadata}),
                ),
                source="api",
            )
        )
        return self.pipeline(self.ensure_collection(collection)).store([incoming])[0]

    def bulk(self, collection: str, lines: Iterable[bytes]) -> Iterator[LineStatus]:
        """Store the documents of NDJSON lines; yield one status for each line that is not blank."""
        pipeline = self.pipeline(self.ensure_collection(collection))
        return bulk.store_lines(pipeline, lines, self.settings.request_bytes_max)

    def upload(self, collection: str, files: Sequence[UploadedFile]) -> TaskInfo:
        """Keep files and enqueue their ingest; when this returns their bytes are committed.

        Raises:
            InvalidInput: there is no file among them.
            TooLarge: one of them is over the limit.
        """
        if not files:
            raise InvalidInput("no file was sent; add at least one")
        self.ensure_collection(collection)
        with self.database.write() as connection:
            task_id = tasks.enqueue_uploads(
                connection, collection, files, self.settings.upload_bytes_max, self.clock()
            )
            return tasks.get(connection, task_id)

    def documents(
        self,
        collection: str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        filter: Mapping[str, Any] | None = None,
    ) -> DocumentPage:
        """Return a page of documents by ascending key; ``cursor`` is the ``next_cursor`` of the page before.

        Raises:
            InvalidInput: the limit is not from 1 to 1000.
            InvalidFilter: the filter cannot be compiled.
        """
        checked_limit(limit)
        with self.database.read() as connection:
            found = collections.get(connection, collection)
            matching = compile_filter(connection, found.id, filter)
            return listing.page(connection, found, limit, cursor, matching)

    def document(self, collection: str, key: str) -> DocumentDetail:
        """Return one document with its text; raise ``UnknownDocument``."""
        with self.database.read() as connection:
            return listing.detail(connection, collections.get(connection, collection), key)

    def delete_documents(self, collection: str, keys: Sequence[str]) -> Deleted:
        """Delete documents; none of them is found again from this moment on."""
        if not 1 <= len(keys) <= KEYS_DELETED_MAX:
            raise InvalidInput(f"{len(keys)} keys were given; give 1 to {KEYS_DELETED_MAX}")
        with self.database.write() as connection:
            return documents.delete(connection, collections.get(connection, collection), keys)

    def passage(self, collection: str, passage_id: int) -> FoundPassage:
        """Return one passage with its document's facts; raise ``UnknownPassage``."""
        with self.database.read() as connection:
            found = collections.get(connection, collection)
            passages.require(connection, found, [passage_id])
            return StoredPassages(connection, found.encoder_id, None).passages([passage_id])[passage_id]

    # Search

    def search(
        self,
        collection: str,
        request: SearchRequest,
        ranker: AttentionRanker | None = None,
        mix: Mix | None = None,
        shares: Shares | None = None,
    ) -> SearchResult:
        """Answer a search over the rows as they are now.

        Args:
            collection: where to look.
            request: what for.
            ranker: of mode attention, alone, instead of what the collection uses.
            mix: of mode attention, instead of the one that the collection uses.
            shares: of further words, by mode, instead of those that the collection uses.

        Raises:
            UnknownCollection: there is no such collection.
            InvalidInput, InvalidFilter: the request is wrong.
        """
        return self._searching.search(collection, request, ranker, mix, shares)

    def similar(self, collection: str, request: SimilarRequest) -> SearchResult:
        """Return what is like the examples of ``like`` and unlike those of ``unlike``.

        Raises:
            UnknownDocument: nothing is stored under one of the keys.
            UnknownPassage: the collection has no passage of one of the ids.
            InvalidInput, InvalidFilter: the request is wrong.
        """
        return self._searching.similar(collection, request)

    def at_one_state(
        self,
        collection: Collection,
        look: Callable[[Engine, Connection], T],
        beside: Mapping[str, Collection] = NOTHING_BESIDE,
    ) -> T:
        """Return what ``look`` sees of one state of a collection, by encoders fit on it ``beside`` its own.

        Raises:
            UnknownCollection: it was deleted in the meantime.
        """
        return self._searching.at_one_state(collection, look, beside)

    # Tasks and health

    def task(self, task_id: int) -> TaskInfo:
        """Return a task; raise ``UnknownTask``."""
        with self.database.read() as connection:
            return tasks.get(connection, task_id)

    def tasks(self, collection: str | None = None, limit: int = 50) -> list[TaskInfo]:
        """Return the newest tasks first.

        Raises:
            InvalidInput: the limit is not from 1 to 1000.
        """
        checked_limit(limit)
        with self.database.read() as connection:
            return tasks.newest(connection, collection, limit)

    def cancel_task(self, task_id: int) -> TaskInfo:
        """Cancel a task that has not ended; what it has stored stays."""
        with self.database.write() as connection:
            return tasks.cancel(connection, task_id, self.clock())

    def health(self) -> Health:
        """Return whether the database answers, and which caches are out of use in this process."""
        with self.database.read() as connection:
            living = collections.all_collections(connection)
        notes = self._searching.problems(living)
        return Health("degraded" if notes else "ok", version("xunyi"), notes)

    def ready(self) -> Health:
        """Open the models and caches of all collections, so that the next search is a quick one."""
        self._searching.warm_up([info.name for info in self.collections()])
        return self.health()
