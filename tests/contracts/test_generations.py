"""Caches follow the rows, and whatever happens to their files, a search answers from the rows as they are."""

import os
import random
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from indexer import generations, lexical_caches
from indexer.keeper import Keeper
from indexer.snapshots import Behind, CollectionPicture
from indexer.store import changes, collections, passages
from indexer.store.sessions import Database
from indexer.store.tables import ChangeRow, CollectionRow, GenerationRow, LexicalCacheRow
from search.artifacts import DamagedArtifact
from search.centring import UNKNOWN_SHARE, centred, passage_mean
from search.errors import UnknownCollection
from search.text.analyzer import Analyzer
from search.vectors.exact_index import ExactIndex
from tests.contracts.stored import (
    ENCODER,
    NOW,
    ToyEncoder,
    current,
    document,
    new_collection,
    passage,
    put,
    remove,
)

pytest_plugins = ["tests.contracts.databases"]

on_sqlite = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)

WORDS = ["badger", "otter", "heron", "水獭", "willow", "reed"]
FLAT_BELOW = 30
"""Passages up to which the toy generations are flat."""
FILES = ["ids.npy", "vectors.coarse.faiss", "vectors.coarse.json", "vectors.coarse.npy", "vectors.faiss"]
"""What a generation consists of."""


@pytest.fixture(scope="module")
def analyzer():
    return Analyzer()


@dataclass
class Home:
    """One collection, its caches, and a process's picture of it."""

    database: Database
    caches: Path
    analyzer: Analyzer
    encoder: ToyEncoder = ENCODER

    def __post_init__(self):
        self.keeper = Keeper(self.database, self.caches, self.analyzer, 3, FLAT_BELOW, lambda: NOW)
        self.start_again()

    def start_again(self):
        """Forget all that is in memory, as another process would have it."""
        self.picture = self.another_picture()

    def another_picture(self):
        return CollectionPicture(self.database, self.caches, self.encoder, self.analyzer)

    @property
    def collection(self):
        return current(self.database)

    def put(self, *documents):
        return put(self.database, self.collection, *documents)

    def remove(self, *keys):
        return remove(self.database, self.collection, *keys)

    def keep(self):
        """Do what a worker does, all of it."""
        self.keeper.follow(self.collection)
        return self.keeper.fold(self.collection, self.encoder)

    def manifest(self):
        with self.database.read() as connection:
            return generations.active(connection, collections.get(connection, "notes"))

    def lexical_row(self):
        with self.database.read() as connection:
            return lexical_caches.row_of(connection, 1)

    def folder(self, what="vectors"):
        """Return where the files of a cache lie that readers open."""
        if what == "vectors":
            return self.caches / self.manifest().folder
        return max((self.caches / self.lexical_row().folder).glob("0*"))

    def snapshot(self, given=None, picture=None, patient=True):
        with self.database.read() as connection:
            found = collections.get(connection, "notes")
            found_now = (picture or self.picture).snapshot(connection, found, given, patient)
        (picture or self.picture).report()
        return found_now

    def assert_right(self, picture=None):
        """Compare a snapshot with the rows: vectors to the last bit, words by their passages."""
        with self.database.read() as connection:
            found = collections.get(connection, "notes")
            snapshot = (picture or self.picture).snapshot(connection, found, None)
            blocks = list(passages.vector_blocks(connection, found))
            texts = list(passages.all_indexed_texts(connection, found.id))
            chinese = passages.chinese_ids(connection, found.id)
            manifest = generations.active(connection, found)
        (picture or self.picture).report()
        ids = np.array([text.id for text in texts], dtype=np.int64)
        rows = np.concatenate([block[1] for block in blocks]) if blocks else np.empty((0, 16), np.float32)
        share = manifest.chinese_share if manifest else UNKNOWN_SHARE
        oracle = ExactIndex(ids, centred(rows, passage_mean(self.encoder.passage_means, share)))
        for word in WORDS[:3]:
            query = self.encoder.vector(word)
            answered, scores, exact = snapshot.vectors.search(query, 8, None)
            if exact:
                np.testing.assert_array_equal(answered, oracle.search(query, 8)[0])
                np.testing.assert_array_equal(scores, oracle.search(query, 8)[1])
            assert answered.size == min(8, ids.size)
        for word in WORDS:
            holding = [text.id for text in texts if word in lexical_caches.terms_of(self.analyzer, text)]
            assert sorted(snapshot.words.search([word], 1000, None)[0].tolist()) == holding
        np.testing.assert_array_equal(snapshot.vectors.all_ids(), ids)
        np.testing.assert_array_equal(snapshot.languages.chinese, chinese)
        np.testing.assert_array_equal(snapshot.languages.all, ids)
        return snapshot


@pytest.fixture
def home(database, tmp_path, analyzer):
    new_collection(database)
    return Home(database, tmp_path / "caches", analyzer)


@pytest.fixture
def filled(home):
    """A home of 12 passages whose caches cover them all, and three passages that came later."""
    home.put(*(document(f"{number}", f"{WORDS[number % 6]} {number}") for number in range(12)))
    home.keep()
    home.put(*(document(f"late {number}", f"{WORDS[number]} late") for number in range(3)))
    home.remove("3")
    return home


# Building and following


@on_sqlite
@pytest.mark.parametrize(("count", "kind_of_index"), [(0, "flat"), (1, "flat"), (30, "flat"), (31, "hnsw")])
def test_a_generation_is_a_folder_of_immutable_files_that_its_manifest_describes(home, count, kind_of_index):
    languages = ["zh" if number % 4 == 0 else "en" for number in range(count)]
    home.put(
        *(
            document(f"{number}", passages=[passage(f"text {number}", language=language)])
            for number, language in enumerate(languages)
        )
    )
    made = home.keep()
    manifest, folder = home.manifest(), home.folder()
    assert manifest == generations.Manifest(
        id=made,
        folder=folder.name,
        covers=count,
        kind=kind_of_index,
        count=count,
        dimension=16,
        fingerprint="toy-1",
        centring="toy-means-1",
        chinese_share=languages.count("zh") / max(count, 1),
        files=manifest.files,
        damaged=False,
    )
    assert sorted(manifest.files) == sorted(path.name for path in folder.iterdir()) == FILES
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o222 == 0
        assert path.stat().st_size == manifest.files[path.name]["bytes"]
    assert home.collection.active_generation_id == made
    snapshot = home.assert_right()
    assert (snapshot.degraded, snapshot.vectors.generation) == ((), made)
    assert snapshot.vectors.tail.ids.size == 0 and snapshot.vectors.live is None


@on_sqlite
def test_a_generation_holds_what_the_rows_hold_less_their_mean(filled):
    manifest = filled.manifest()
    index = generations.open_generation(filled.caches, manifest, ENCODER)
    expected = centred(
        np.array([ENCODER.vector(f"{WORDS[n % 6]} {n}") for n in range(12)]), ENCODER.passage_means["en"]
    )
    np.testing.assert_array_equal(index.vectors(index.ids), expected)


@pytest.mark.parametrize("seed", [1, 2, 3])
@on_sqlite
def test_whatever_order_things_happen_in_a_search_sees_the_rows(home, seed):
    chooser = random.Random(seed)
    keys = [f"key {number}" for number in range(12)]

    def write():
        texts = [" ".join(chooser.choices(WORDS, k=3)) for _ in range(chooser.randrange(1, 4))]
        parts = [passage(text, language=chooser.choice(["en", "zh"])) for text in texts]
        home.put(document(chooser.choice(keys), text="\n".join(texts), passages=parts))

    steps = {
        write: 10,
        lambda: home.remove(*chooser.sample(keys, 2)): 3,
        lambda: home.keeper.follow(home.collection): 2,
        lambda: home.keeper.fold(home.collection, ENCODER): 2,
        home.start_again: 1,
    }
    looking = home.another_picture()
    for step in chooser.choices(list(steps), list(steps.values()), k=40):
        step()
        if chooser.random() < 0.7:
            assert home.assert_right().degraded == ()
        if chooser.random() < 0.2:
            assert home.assert_right(looking).degraded == ()
    assert home.assert_right(home.another_picture()).degraded == ()


def test_writers_readers_and_a_keeper_at_once(home):
    """Every snapshot is of one state: it has all passages of a document or none."""
    stop = threading.Event()

    def write():
        for number in range(25):
            home.put(document(f"{number % 6}", *(f"{word} {number}" for word in WORDS[:4])))
            if number % 5 == 4:
                home.remove(f"{number % 6}")

    def keep():
        while not stop.is_set():
            home.keep()

    def read(picture):
        looked = 0
        while not stop.is_set() or not looked:
            try:
                snapshot = home.assert_right(picture)
            except Behind:
                continue
            assert snapshot.degraded == () and snapshot.vectors.all_ids().size % 4 == 0
            looked += 1
        return looked

    shared = home.another_picture()
    with ThreadPoolExecutor(5) as pool:
        reading = [pool.submit(read, picture) for picture in (shared, shared, home.another_picture())]
        keeping = pool.submit(keep)
        try:
            pool.submit(write).result(timeout=60)
        finally:
            stop.set()
        assert all(work.result(timeout=60) > 0 for work in reading)
        keeping.result(timeout=60)
    home.keep()
    assert home.assert_right().degraded == ()


@on_sqlite
def test_a_tail_is_folded_when_it_is_worth_it(home):
    def due():
        return home.keeper.due(home.collection)

    assert not due()  # nothing there, nothing to fold
    home.put(document("0"))
    assert due()  # the first generation is made at once
    home.keep()
    assert not due()
    home.put(document("1"))
    assert due()  # as many again as there are
    for number in range(2, 9):
        home.put(document(f"{number}"))
    home.keep()
    home.put(document("9"))
    home.remove("0")
    assert not due()
    home.remove("1")
    assert due()  # three changes, the threshold; what went weighs as much as what came
    with home.database.write() as connection:
        connection.execute(sa.update(GenerationRow).values(count=1000))
    assert not due()  # a fiftieth of a thousand has not come yet
    home.put(*(document(f"more {number}") for number in range(17)))
    assert due()


@on_sqlite
def test_old_generations_are_swept_and_the_one_before_is_kept(home):
    other = new_collection(home.database, "other")
    put(home.database, other, document("x"))
    home.keeper.fold(other, ENCODER)
    home.put(document("a"))
    (home.caches / "vectors-1-leftover.tmp").mkdir()
    (home.caches / "vectors-1-unnamed").mkdir()
    folders = []
    for _ in range(4):
        home.keep()
        folders.append(home.manifest().folder)
    left = {path.name for path in home.caches.glob("vectors-1-*")}
    assert left == set(folders[-2:])
    assert len(list(home.caches.glob(f"vectors-{other.id}-*"))) == 1
    with home.database.read() as connection:
        named = connection.execute(sa.select(GenerationRow.folder).where(GenerationRow.collection_id == 1))
        assert set(named.scalars()) == left


@on_sqlite
def test_folders_of_deleted_collections_are_swept(home):
    other = new_collection(home.database, "other")
    for collection in (home.collection, other):
        put(home.database, collection, document("x"))
        home.keeper.follow(current(home.database, collection.name))
        home.keeper.fold(collection, ENCODER)
    with home.database.write() as connection:
        collections.delete(connection, other)
    home.keeper.sweep_deleted()
    kept = {path.name.rsplit("-", 1)[0] for path in home.caches.iterdir()}
    assert kept == {"vectors-1", "lexical-1"}


def test_a_collection_that_is_deleted_meanwhile_is_said_to_be_so(filled):
    collection = filled.collection
    with filled.database.write() as connection:
        collections.delete(connection, collection)
    for work in (filled.keeper.follow, lambda it: filled.keeper.fold(it, ENCODER)):
        with pytest.raises(UnknownCollection, match="'notes' was deleted in the meantime"):
            work(collection)
    assert not list(filled.caches.glob("*.tmp"))


def test_a_collection_deleted_while_its_index_is_written_is_said_to_be_so(filled, monkeypatch):
    collection = filled.collection
    analysed = lexical_caches._analysed

    def deleting(analyzer, texts):
        yield from analysed(analyzer, texts)
        with filled.database.write() as connection:
            collections.delete(connection, collection)

    monkeypatch.setattr(lexical_caches, "_analysed", deleting)
    with pytest.raises(UnknownCollection):
        filled.keeper.follow(collection)


@on_sqlite
def test_a_generation_that_fails_half_way_leaves_nothing(filled, monkeypatch):
    before, files = filled.manifest(), set(filled.caches.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generations, "publish", full)
    with pytest.raises(OSError, match="No space left"):
        filled.keeper.fold(filled.collection, ENCODER)
    assert filled.manifest() == before and set(filled.caches.iterdir()) == files
    assert filled.assert_right().degraded == ()


# Damage


def rewritten(path, content):
    """Write ``content`` in place, as root or anybody with a text editor could."""
    path.chmod(0o600)
    path.write_bytes(content)


def truncate(path):
    rewritten(path, path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    rewritten(path, b"")


def flip_a_bit(path):
    """Change one bit in the middle and put the time back: only the checksum tells."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    rewritten(path, content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def remove_file(path):
    path.unlink()


def remove_folder(path):
    shutil.rmtree(path.parent)


def rename_over(path):
    """Put another file of the same size in its place, as a careless restore would."""
    other = path.with_name("other")
    other.write_bytes(bytes(reversed(path.read_bytes())))
    other.rename(path)


def rename_away(path):
    path.parent.rename(path.parent.with_name("moved"))


DAMAGES = [truncate, empty, flip_a_bit, remove_file, remove_folder, rename_over, rename_away]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
@on_sqlite
def test_damage_found_on_opening_degrades_and_heals(filled, damage, name):
    broken = filled.manifest()
    damage(filled.folder() / name)
    snapshot = filled.assert_right()
    (told,) = snapshot.degraded
    assert told.startswith(f"vector generation {broken.id} is out of use (")
    assert told.endswith("); the rows are searched instead")
    assert str(filled.caches) not in told
    assert snapshot.vectors.generation is None
    assert filled.picture.problems() == (told,)
    filled.put(document("later", "heron again"))
    assert filled.assert_right().degraded == (told,)

    assert filled.manifest().damaged and filled.keeper.due(filled.collection)
    other = filled.another_picture()
    assert "found damaged before" in filled.assert_right(other).degraded[0]
    made = filled.keep()
    for picture in (filled.picture, other):
        healed = filled.assert_right(picture)
        assert (healed.degraded, healed.vectors.generation) == ((), made)
    assert made > broken.id and not filled.keeper.due(filled.collection)


@pytest.mark.parametrize("damage", [remove_file, remove_folder, rename_over, rename_away, truncate])
@pytest.mark.parametrize("name", FILES)
@on_sqlite
def test_damage_done_while_in_use_degrades_and_heals(filled, damage, name):
    broken = filled.assert_right()
    assert broken.degraded == ()
    damage(filled.folder() / name)
    snapshot = filled.assert_right()
    (told,) = snapshot.degraded
    assert "its files were changed while they were in use" in told
    assert filled.manifest().damaged
    made = filled.keep()
    healed = filled.assert_right()
    assert (healed.degraded, healed.vectors.generation) == ((), made)


@pytest.mark.parametrize("damage", [remove_file, remove_folder, rename_over, rename_away])
@on_sqlite
def test_a_search_under_way_keeps_the_files_it_has_mapped(filled, damage):
    snapshot = filled.snapshot()
    query = ENCODER.vector("otter")
    before = snapshot.vectors.search(query, 8, None)[0].tolist()
    words = snapshot.words.search(["otter"], 8, None)[0].tolist()
    damage(filled.folder() / "vectors.faiss")
    if damage in (remove_file, rename_over):
        damage(filled.folder() / "vectors.coarse.faiss")
    damage(next(filled.folder("lexical").glob("*.term")))
    assert snapshot.vectors.search(query, 8, None)[0].tolist() == before
    assert snapshot.words.search(["otter"], 8, None)[0].tolist() == words


LEXICAL_DAMAGES = [
    *((damage, name, False) for damage in DAMAGES for name in ("*.term", "meta.json")),
    *((damage, "*.term", True) for damage in (truncate, remove_file, remove_folder, rename_over)),
]


@pytest.mark.parametrize(("damage", "name", "in_use"), LEXICAL_DAMAGES)
@on_sqlite
def test_a_damaged_lexical_index_degrades_and_heals(filled, damage, name, in_use):
    if in_use:
        filled.assert_right()
    damage(next(filled.folder("lexical").glob(name)))
    (told,) = filled.assert_right().degraded
    assert told.startswith("the lexical index is out of use (")
    assert str(filled.caches) not in told
    assert filled.lexical_row().damaged
    filled.put(document("later", "heron again"))
    filled.assert_right()
    assert filled.keeper.follow(filled.collection)
    assert filled.assert_right().degraded == ()
    assert not filled.lexical_row().damaged
    assert filled.assert_right(filled.another_picture()).degraded == ()
    assert len(list(filled.caches.glob("lexical-1-*"))) == 1


@pytest.mark.parametrize("what", ["vectors", "lexical"])
@on_sqlite
def test_an_inspection_finds_what_no_search_has_met(filled, what):
    filled.keeper.inspect(filled.collection, lambda _: ENCODER)
    assert not filled.manifest().damaged and not filled.lexical_row().damaged
    flip_a_bit(max(path for path in filled.folder(what).iterdir() if path.stat().st_size > 100))
    filled.keeper.inspect(filled.collection, lambda _: ENCODER)
    assert filled.manifest().damaged is (what == "vectors")
    assert filled.lexical_row().damaged is (what == "lexical")
    filled.keep()
    assert filled.assert_right().degraded == ()


@pytest.mark.parametrize(
    "facts", [{"count": 11}, {"dimension": 8}, {"fingerprint": "other"}, {"centring": "other"}, {"files": {}}]
)
@on_sqlite
def test_a_manifest_that_says_something_else_is_not_believed(filled, facts):
    with filled.database.write() as connection:
        connection.execute(sa.update(GenerationRow).values(**facts))
    if facts == {"files": {}}:
        shutil.rmtree(filled.folder())
    with pytest.raises(DamagedArtifact):
        generations.open_generation(filled.caches, filled.manifest(), ENCODER)
    assert len(filled.assert_right().degraded) == 1
    filled.keep()
    assert filled.assert_right().degraded == ()


class OtherMeans(ToyEncoder):
    """The same vectors, held against other means."""

    centring = "toy-means-2"
    passage_means = {"en": np.full(16, -0.1, np.float32), "zh": np.zeros(16, np.float32)}  # noqa: RUF012


@on_sqlite
def test_other_means_are_another_generation(filled):
    renewed = replace(filled, encoder=OtherMeans())
    (told,) = renewed.assert_right().degraded
    assert "made by another encoder or with other means" in told
    assert renewed.keeper.due(renewed.collection)
    renewed.keep()
    assert renewed.assert_right().degraded == ()


@on_sqlite
def test_an_index_of_another_analyzer_is_made_anew(filled):
    with filled.database.write() as connection:
        connection.execute(sa.update(LexicalCacheRow).values(analyzer="older"))
    (told,) = filled.assert_right().degraded
    assert "made by another analyzer" in told
    filled.keep()
    assert filled.assert_right().degraded == ()


@on_sqlite
def test_damage_to_an_index_that_was_replaced_says_nothing_of_the_new_one(filled):
    """A reader that began before the rebuild misses the old folder; the new one is not at fault."""
    with filled.database.read() as connection:
        found = collections.get(connection, "notes")
        with filled.database.write() as writing:
            writing.execute(sa.update(LexicalCacheRow).values(damaged=True))
        filled.keeper.follow(filled.collection)
        with pytest.raises(Behind):  # and so it begins again, in a transaction that sees the new one
            filled.picture.snapshot(connection, found, None)
        assert len(filled.picture.snapshot(connection, found, None, patient=False).degraded) == 1
    filled.picture.report()
    assert not filled.lexical_row().damaged
    assert filled.assert_right().degraded == ()


@on_sqlite
def test_a_search_does_not_wait_to_report_damage_and_a_later_one_reports_it(filled):
    remove_folder(filled.folder() / "ids.npy")
    remove_folder(filled.folder("lexical") / "meta.json")
    with filled.database.write():  # a writer that is stuck: waiting for it would never end
        assert len(filled.assert_right().degraded) == 2
        assert (filled.manifest().damaged, filled.lexical_row().damaged) == (False, False)
    assert len(filled.assert_right().degraded) == 2
    assert (filled.manifest().damaged, filled.lexical_row().damaged) == (True, True)
    filled.keep()
    assert filled.assert_right().degraded == ()


@on_sqlite
def test_a_late_report_says_nothing_of_an_index_that_went_on(filled):
    before = filled.lexical_row()
    filled.put(document("late"))
    filled.keeper.follow(filled.collection)
    lexical_caches.mark_damaged(filled.database, before)
    assert not filled.lexical_row().damaged
    lexical_caches.mark_damaged(filled.database, filled.lexical_row())
    assert filled.lexical_row().damaged


def test_a_document_changed_again_and_again_leaves_nothing_in_memory(filled):
    removed = filled.snapshot().words.removed.tolist()
    for number in range(30):
        filled.put(document("again", f"word{number}"))
        filled.assert_right()
    words = filled.snapshot().words
    words.search(["word29"], 1, None)
    assert words.removed.tolist() == removed
    assert set(words._counted) == set(words.tail_ids.tolist())


# States that do not fit together


def test_a_picture_older_than_the_log_starts_from_the_rows(filled):
    filled.assert_right()
    filled.put(document("unlogged", "badger badger"))
    filled.remove("0", "late 1")
    with filled.database.write() as connection:
        connection.execute(sa.delete(ChangeRow))
    with pytest.raises(changes.LogPruned), filled.database.read() as connection:
        changes.since(connection, 1, filled.manifest().covers, filled.collection.change_number)
    for picture in (filled.picture, filled.another_picture()):
        snapshot = filled.assert_right(picture)
        assert (snapshot.degraded, snapshot.vectors.generation) == ((), None)
        filled.put(document(f"logged again {id(picture)}", "willow"))
        filled.assert_right(picture)
    filled.keep()
    assert filled.assert_right().vectors.generation == filled.manifest().id


def test_a_transaction_older_than_the_picture_begins_again(filled):
    with filled.database.read() as connection, ThreadPoolExecutor(1) as pool:
        older = collections.get(connection, "notes")
        pool.submit(filled.put, document("newer", "otter")).result()
        pool.submit(filled.assert_right).result()
        with pytest.raises(Behind):
            filled.picture.snapshot(connection, older, None)
    assert filled.assert_right().degraded == ()


def test_a_transaction_older_than_the_lexical_index_begins_again(filled):
    with filled.database.read() as connection, ThreadPoolExecutor(1) as pool:
        older = collections.get(connection, "notes")
        assert older.id == 1
        pool.submit(filled.put, document("newer", "otter")).result()
        pool.submit(filled.keeper.follow, filled.collection).result()
        with pytest.raises(Behind):
            filled.picture.snapshot(connection, older, None)
    assert filled.assert_right().degraded == ()


def test_a_transaction_older_than_the_generation_begins_again(filled):
    """Even where no row has changed: or an old search would bring back a generation that may be swept."""
    with filled.database.read() as connection, ThreadPoolExecutor(1) as pool:
        older = collections.get(connection, "notes")
        pool.submit(filled.keep).result()
        pool.submit(filled.keep).result()
        newest = pool.submit(filled.assert_right).result()
        with pytest.raises(Behind):
            filled.picture.snapshot(connection, older, None)
    assert filled.assert_right().vectors.generation == newest.vectors.generation


@on_sqlite
def test_a_database_put_back_in_time_is_answered_from_and_its_caches_heal(filled, tmp_path):
    """Its folders may hold an index of what came later, under numbers that are given out again."""
    filled.database.close()  # so that all of it is in its one file
    shutil.copy(tmp_path / "xunyi.db", tmp_path / "older.db")
    filled.put(document("lost", "heron lost"))
    filled.keeper.follow(filled.collection)
    filled.database.close()
    for path in tmp_path.glob("xunyi.db*"):
        path.unlink()
    shutil.copy(tmp_path / "older.db", tmp_path / "xunyi.db")
    filled.put(document("other", "willow, and no heron"), document("another", "reed"))

    picture = filled.another_picture()
    with pytest.raises(Behind):  # it looks as if the keeper had not noted yet what it wrote
        filled.snapshot(picture=picture)
    (told,) = filled.snapshot(picture=picture, patient=False).degraded
    assert "goes to change 17, its row says 12" in told
    assert filled.assert_right(picture).degraded == (told,)
    filled.keep()
    assert filled.assert_right(picture).degraded == ()


# Filters


@on_sqlite
def test_a_remembered_filter_follows_the_rows(filled):
    def found(**given):
        ids = filled.snapshot(given).selection.ids
        with filled.database.read() as connection:
            keys = passages.under(connection, 1, [f"{n}" for n in range(20)] + [f"m{n}" for n in range(9)])
        return sorted(key for key, held in keys.items() if held[0] in ids)

    filled.put(document("m0", metadata={"colour": "red"}), document("m1", metadata={"colour": "blue"}))
    assert found(colour="red") == ["m0"]
    assert filled.snapshot({"colour": "red"}).selection is filled.snapshot({"colour": "red"}).selection
    filled.put(document("m2", metadata={"colour": "red"}), document("m0", metadata={"colour": "blue"}))
    assert found(colour="red") == ["m2"]
    assert found(**{"document.source": "api/new"}) == []
    filled.put(
        replace(document("m2", metadata={"colour": "red"}), source="api/new")
    )  # unchanged but for this
    assert found(**{"document.source": "api/new"}) == ["m2"]
    assert found(**{"$or": [{"document.source": "api/new"}]}) == ["m2"]
    assert filled.snapshot(None).selection is None and filled.snapshot({}).selection is None


@on_sqlite
def test_no_more_filters_are_remembered_than_there_is_room_for(filled, monkeypatch):
    monkeypatch.setattr("indexer.snapshots.SELECTIONS_MAX", 3)
    filled.put(document("m", metadata={"n": 5}))
    for number in [*range(10), 5]:
        assert filled.snapshot({"n": number}).selection.ids.size == (number == 5)
    assert len(filled.picture._selections) == 3


def test_the_log_is_pruned_as_caches_follow(filled):
    with filled.database.read() as connection:
        numbers = sorted(connection.execute(sa.select(ChangeRow.number)).scalars())
        assert numbers == list(range(13, 17))  # what came after the caches
    filled.keeper.follow(filled.collection)
    filled.keeper.fold(filled.collection, ENCODER)
    with filled.database.read() as connection:
        assert connection.execute(sa.select(ChangeRow.number)).all() == []
        assert connection.execute(sa.select(CollectionRow.change_number)).scalar_one() == 16
