"""A home of 100,000 passages, made through the real store, and kept from one run to the next.

Encoding 100,000 texts would take half an hour, so their vectors are made of real ones: every sentence of
the demo's articles, and every pair of neighbouring ones, is encoded by the default model; a passage is
one to three of these with words of the same corpus between them, and its vector is the unit sum of
theirs, moved a little by seeded noise.  So there are clusters as in real collections (random vectors
would be the worst case of any index), no two passages tie, and words and vectors speak of the same
things.  Words are drawn as often as the corpus uses them, which is Zipf's law well enough, and as many as
make a passage as long as the chunker's are, some 180 pieces.  Its token states, one for each of its pieces,
are drawn from those of its sentences, each with noise of its own.

Documents carry fields that hold for 50, 10, 1 and .01 % of the passages whatever they say, and two that go
with what they say: their language and their subject.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from indexer.chunking import passage_input
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import documents
from indexer.store.collections import Collection
from indexer.store.documents import PackedStates, PreparedDocument, PreparedPassage
from indexer.token_states import codec_of
from search.arrays import Matrix, unit_rows
from search.centring import mean_of_all
from search.encoders.base import Encoder, TokenEncoder, TokenStates, token_encoder
from search.encoders.catalog import DEFAULT_ENCODER, open_encoder
from search.ranking.token_codec import packed
from search.text.analyzer import Analyzer
from search.text.language import language
from tests.benchmarks.demo_corpus import Unit, units, words
from tests.benchmarks.report import Options

COLLECTION = "bench"
PASSAGES = 100_000
SEED = 20
NOISE = 0.15
"""Length of the noise beside unit vectors, which lie about .5 from their mean."""
STATE_NOISE = 0.3
"""Deviation of the noise in each number of a token state, beside that of the state's own numbers."""
NOISE_ROWS = 4096
SEVERAL_SHARE = 0.02
"""Share of documents of two to eight passages; the others have one."""
EXTRA_WORDS = (20, 100)
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
    draw: Callable[[str], PackedStates]
    """Draws the token states of what the encoder reads of it."""


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
    for document in _documents(made, count, rng, prefix):
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
    teller = token_encoder(encoder)
    if teller is None:
        raise ValueError("the benchmark's encoder has token states")
    rows, tokens = teller.encode_tokens([unit.text for unit in known], "passage")
    states = _States(teller, rng)
    stream = words(analyzer)
    popularity = 1 / (rng.permutation(len(known)) + 30)
    chosen = rng.choice(len(known), (count, 3), p=popularity / popularity.sum())
    parts = rng.choice([1, 2, 3], count, p=[0.5, 0.3, 0.2])
    for row in range(count):
        members = chosen[row, : parts[row]]
        first = known[members[0]]
        between = rng.choice(stream[first.language], rng.integers(*EXTRA_WORDS))
        gap = "" if first.language == "zh" else " "
        texts = [known[member].text for member in members]
        text = " ".join([texts[0], gap.join(between) + ".", *texts[1:]])
        draw = partial(states.of, members=[tokens[member] for member in members])
        yield Made(text, first, _vector(rows[members], rng), draw)


class _States:
    """Draws token states for texts that were never read."""

    def __init__(self, encoder: TokenEncoder, rng: np.random.Generator) -> None:
        self._encoder = encoder
        self._rng = rng
        self._centre = mean_of_all(encoder.token_passage_means)
        self._noise = rng.standard_normal((NOISE_ROWS, encoder.dimension)).astype(np.float32)

    def of(self, text: str, members: Sequence[TokenStates]) -> PackedStates:
        """Return states for the pieces of ``text``, drawn from those of its sentences."""
        spans = self._encoder.tokenizer.spans(text)[: self._encoder.max_tokens]
        pool = np.concatenate([member.states for member in members])
        chosen = pool[self._rng.integers(len(pool), size=len(spans))]
        at = self._rng.integers(NOISE_ROWS - len(spans))
        noise = self._noise[at : at + len(spans)] * (STATE_NOISE * chosen.std(axis=1, keepdims=True))
        return PackedStates(codec_of(self._encoder), packed(chosen + noise, spans, text, self._centre))


def _vector(rows: Matrix, rng: np.random.Generator) -> bytes:
    weights = np.array([1, 0.5, 0.5])[: len(rows)]
    mixed = unit_rows((weights @ rows)[None, :].astype(np.float32))
    noise = unit_rows(rng.standard_normal((1, rows.shape[1])).astype(np.float32))
    return unit_rows(mixed + np.float32(NOISE) * noise)[0].astype("<f4").tobytes()


def _documents(
    made: Iterator[Made], count: int, rng: np.random.Generator, prefix: str
) -> Iterator[PreparedDocument]:
    lots = rng.permutation(count)
    start = 0
    while start < count:
        several = rng.random() < SEVERAL_SHARE
        parts = list(islice(made, int(rng.integers(2, 9)) if several else 1))
        yield _document(parts, f"{prefix}{start:06d}", int(lots[start]), rng)
        start += len(parts)


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
            states=part.draw(passage_input(title, "", part.text)),
        )
        start = end + len("\n\n")


def _digest(name: str, text: str, characters: int) -> str:
    return hashlib.sha256(f"{name}\0{text}".encode()).hexdigest()[:characters]
