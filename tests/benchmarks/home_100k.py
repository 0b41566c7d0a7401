"""A home of 100,000 passages, made through the real store, and kept from one run to the next.

Encoding 100,000 texts would take half an hour, so their vectors are made of real ones: every sentence of
the demo's articles, and every pair of neighbouring ones, is encoded by the default model; a passage is
one to three of these with words of the same corpus between them, and its vector is the unit sum of
theirs, moved a little by seeded noise.  So there are clusters as in real collections (random vectors
would be the worst case of any index), no two passages tie, and words and vectors speak of the same
things.  Words are drawn as often as the corpus uses them, which is Zipf's law well enough.

Documents carry fields that hold for 50, 10, 1 and .01 % of the passages whatever they say, and two that go
with what they say: their language and their subject.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexer.service import Service
from indexer.settings import Settings
from indexer.store import documents
from indexer.store.collections import Collection
from indexer.store.documents import PreparedDocument, PreparedPassage
from search.arrays import Matrix, unit_rows
from search.encoders.base import Encoder
from search.encoders.catalog import DEFAULT_ENCODER, open_encoder
from search.text.analyzer import Analyzer
from search.text.language import language
from tests.benchmarks.demo_corpus import Unit, units, words
from tests.benchmarks.report import Options

COLLECTION = "bench"
PASSAGES = 100_000
SEED = 20
NOISE = 0.15
"""Length of the noise beside unit vectors, which lie about .5 from their mean."""
SEVERAL_SHARE = 0.02
"""Share of documents of two to eight passages; the others have one."""
EXTRA_WORDS_MAX = 30
BATCH = 500

FILTERS: dict[str, dict[str, Any]] = {
    "50 %": {"half": True},
    "10 %": {"tenth": "a"},
    "1 %": {"hundredth": 7},
    ".01 %": {"lot": {"$lt": 10}},
    "language": {"document.language": "zh"},
    "subject": {"subject": "tea"},
}
"""Name -> filter; the first four are those of the promise, the last two go with what passages say."""


@dataclass(frozen=True, slots=True)
class Made:
    """One passage before it is stored."""

    text: str
    unit: Unit
    vector: bytes


def opened(options: Options) -> Service:
    """Return the service of the home, made first where that was not done yet.

    Its models folder is a link to that of the options, so that a served home finds the same model.
    """
    home = options.work / "home-100k"
    recipe = {"recipe": _recipe(options)}
    note = home / "made.json"
    if not note.is_file() or json.loads(note.read_text("utf-8")) != recipe:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "models").symlink_to(options.models)
        _make(home)
        note.write_text(json.dumps(recipe), "utf-8")
    return Service.open(Settings.from_environment({}, home))


def copied(options: Options, name: str) -> Service:
    """Return the service of a copy of the home that a benchmark may change."""
    opened(options).close()
    target = options.work / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(options.work / "home-100k", target, symlinks=True)
    return Service.open(Settings.from_environment({}, target))


def _recipe(options: Options) -> str:
    """Digest of all that the home is made by: this code, the tables, the encoder and the analyzer."""
    root = Path(__file__).parents[2]
    sources = [Path(__file__), Path(__file__).with_name("demo_corpus.py")]
    sources += sorted((root / "migrations" / "versions").glob("*.py"))
    state = hashlib.sha256()
    for source in sources:
        state.update(source.read_bytes())
    encoder = open_encoder(DEFAULT_ENCODER, options.models, print)
    state.update(f"{encoder.fingerprint} {encoder.centring}".encode())
    state.update(Analyzer(options.work / "dictionaries").version.encode())
    return state.hexdigest()


def _make(home: Path) -> None:
    service = Service.open(Settings.from_environment({}, home))
    service.create_collection(COLLECTION)
    collection = service.ensure_collection(COLLECTION)
    store_passages(service, collection, PASSAGES, SEED, prefix="")
    with service.cache_lock.held("bench", service.clock()):
        service.keeper.follow(collection_now(service))
        service.keeper.fold(collection_now(service), service.models.encoder_of(collection))
    service.close()


def collection_now(service: Service) -> Collection:
    """Return the collection with its newest change number."""
    return service.ensure_collection(COLLECTION)


def store_passages(service: Service, collection: Collection, count: int, seed: int, prefix: str) -> None:
    """Store ``count`` seeded passages in documents whose keys begin with ``prefix``."""
    made = passages(service.models.encoder_of(collection), service.analyzer, count, seed)
    rng = np.random.default_rng(seed + 1)
    batch: list[PreparedDocument] = []
    for document in _documents(list(made), rng, prefix):
        batch.append(document)
        if len(batch) >= BATCH:
            _commit(service, collection, batch)
            batch = []
    _commit(service, collection, batch)


def _commit(service: Service, collection: Collection, batch: Sequence[PreparedDocument]) -> None:
    with service.database.write() as connection:
        documents.store(connection, collection, batch, service.clock())


def passages(encoder: Encoder, analyzer: Analyzer, count: int, seed: int) -> Iterator[Made]:
    """Yield seeded passages."""
    rng = np.random.default_rng(seed)
    known = units()
    rows = encoder.encode([unit.text for unit in known], "passage")
    stream = words(analyzer)
    popularity = 1 / (rng.permutation(len(known)) + 30)
    chosen = rng.choice(len(known), (count, 3), p=popularity / popularity.sum())
    parts = rng.choice([1, 2, 3], count, p=[0.5, 0.3, 0.2])
    for row in range(count):
        members = chosen[row, : parts[row]]
        first = known[members[0]]
        between = rng.choice(stream[first.language], rng.integers(3, EXTRA_WORDS_MAX))
        gap = "" if first.language == "zh" else " "
        texts = [known[member].text for member in members]
        text = " ".join([texts[0], gap.join(between) + ".", *texts[1:]])
        yield Made(text, first, _vector(rows[members], rng))


def _vector(rows: Matrix, rng: np.random.Generator) -> bytes:
    weights = np.array([1, 0.5, 0.5])[: len(rows)]
    mixed = unit_rows((weights @ rows)[None, :].astype(np.float32))
    noise = unit_rows(rng.standard_normal((1, rows.shape[1])).astype(np.float32))
    return unit_rows(mixed + np.float32(NOISE) * noise)[0].astype("<f4").tobytes()


def _documents(made: Sequence[Made], rng: np.random.Generator, prefix: str) -> Iterator[PreparedDocument]:
    lots = rng.permutation(len(made))
    start = 0
    while start < len(made):
        several = rng.random() < SEVERAL_SHARE
        length = int(rng.integers(2, 9)) if several else 1
        yield _document(made[start : start + length], f"{prefix}{start:06d}", int(lots[start]), rng)
        start += length


def _document(parts: Sequence[Made], key: str, lot: int, rng: np.random.Generator) -> PreparedDocument:
    text = "\n\n".join(part.text for part in parts)
    first = parts[0].unit
    return PreparedDocument(
        key=key,
        title=first.title,
        source=key,
        origin=None,
        media_type="text/plain",
        language=language(text),
        text=text,
        content_hash=_digest(key, text, 64),
        metadata={
            "half": bool(rng.integers(2)),
            "tenth": "abcdefghij"[rng.integers(10)],
            "hundredth": int(rng.integers(100)),
            "lot": lot,
            "subject": first.subject,
        },
        passages=list(_passages_of(parts, first.title)),
    )


def _passages_of(parts: Sequence[Made], title: str) -> Iterator[PreparedPassage]:
    start = 0
    for part in parts:
        end = start + len(part.text)
        yield PreparedPassage(
            start=start,
            end=end,
            text=part.text,
            heading="",
            page=None,
            language=language(part.text),
            input_hash=_digest(title, part.text, 32),
            vector=part.vector,
        )
        start = end + len("\n\n")


def _digest(name: str, text: str, characters: int) -> str:
    return hashlib.sha256(f"{name}\0{text}".encode()).hexdigest()[:characters]
