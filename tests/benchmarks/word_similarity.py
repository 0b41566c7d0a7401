"""What word vectors that learned from the documentation on this machine know of the world's words.

The texts of ``word_corpus.py`` are cut into passages as an ingest cuts them, and each kind is fit on them by
the trainer and in the child process that ``xunyi train`` uses.  What is left out is the Transformer, which
would read them for hours and from which no word vector learns.

Likeness: Spearman's rank correlation between the cosines and people's scores, over the pairs of which both
words are known.  Analogies: the share answered right (3CosAdd over the whole vocabulary, the three words
apart) of those whose four words are known and, to the analysis, four different ones: a stem is one word, so
"quick, quickly" asks nothing.  Coverage is the share that could be asked.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from indexer.chunking import chunk, context
from indexer.pipeline import text_of
from indexer.readers.base import Extracted
from indexer.service import OVERLAP_TOKENS, PASSAGE_TOKENS
from search.arrays import Matrix, unit_rows
from search.encoders.base import TextTokenizer
from search.encoders.catalog import DEFAULT_ENCODER, open_encoder
from search.encoders.fitted.base import LearningPassage
from search.encoders.fitted.fitting import run as fit
from search.encoders.fitted.fitting import write_passages
from search.encoders.fitted.word_vectors import WordVectors
from search.encoders.fitted.words import Words
from search.errors import UnknownWord
from search.text.analyzer import Analyzer
from tests.benchmarks.report import Options, Outcome, Target
from tests.benchmarks.timing import Times
from tests.benchmarks.word_corpus import gathered

KINDS = ("word2vec-cbow", "word2vec-skipgram", "cooccurrence")
SEED = 0
CORPUS_BYTES_MIN = 10_000_000
LOOKED_AT = ("file", "memory", "thread", "password", "matrix", "king", "car", "文件", "错误", "密码", "用户")
NEIGHBOURS = 8
ANALOGIES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of words and how alike people find them."""

    words: Sequence[tuple[str, str]]
    scores: Sequence[float]


Analogies = Sequence[tuple[str, str, str, str]]
"""a is to b as c is to d."""


def run(options: Options) -> Outcome:
    """Gather and cut texts, fit every kind on them, and ask each."""
    sources = gathered()
    size = sum(source.bytes for source in sources.values())
    tokenizer = open_encoder(DEFAULT_ENCODER, options.models, print).tokenizer
    order = options.work / "word-similarity"
    shutil.rmtree(order, ignore_errors=True)
    documents = list(chain.from_iterable(source.documents for source in sources.values()))
    write_passages(order, _passages(documents, tokenizer))
    del documents
    sets = {path.stem: _read(path) for path in sorted(options.words.iterdir())} if options.words else {}
    analyzer = Analyzer(options.work / "dictionaries")
    told = {kind: _measured(order, kind, analyzer, options.work, sets) for kind in KINDS}
    shutil.rmtree(order)
    return Outcome(
        settings={"kinds": KINDS, "seed": SEED, "sets": {name: _size(each) for name, each in sets.items()}},
        measured={
            "corpus": {
                "bytes": size,
                "sources": {
                    name: {"documents": len(source.documents), "bytes": source.bytes}
                    for name, source in sources.items()
                },
            },
            "encoders": told,
        },
        targets=[Target("bytes of text learned from", size, CORPUS_BYTES_MIN, at_most=False)],
    )


def _passages(documents: Sequence[Extracted], tokenizer: TextTokenizer) -> Iterator[LearningPassage]:
    """Yield the passages of all documents, each once: licences and notices stand in many of them."""
    seen: set[str] = set()
    for number, document in enumerate(documents):
        for piece in chunk(document, tokenizer.count, PASSAGE_TOKENS, OVERLAP_TOKENS):
            text = text_of(document, piece)
            if text not in seen:
                seen.add(text)
                heading = "\n".join(filter(None, context(document.title, piece.heading)))
                yield LearningPassage(number, heading, text)


def _measured(
    order: Path, kind: str, analyzer: Analyzer, work: Path, sets: Mapping[str, Pairs | Analogies]
) -> Mapping[str, Any]:
    before, times = getrusage(RUSAGE_CHILDREN), Times()
    folder = times.of(lambda: fit(order, kind, SEED, work / "dictionaries", None, lambda _: None, {}))
    spent = getrusage(RUSAGE_CHILDREN)
    vectors, words = WordVectors.open(folder), Words(folder, analyzer)
    return {
        "seconds": times.wall[0],
        "processor_seconds": spent.ru_utime + spent.ru_stime - before.ru_utime - before.ru_stime,
        "words": len(vectors.vocabulary.terms),
        "words_read": sum(vectors.vocabulary.counts),
        "passages": vectors.vocabulary.passages,
        "sets": {
            name: _likeness(vectors, analyzer, each)
            if isinstance(each, Pairs)
            else _analogies(vectors, analyzer, each)
            for name, each in sets.items()
        },
        "neighbours": {word: _neighbours(words, word) for word in LOOKED_AT},
    }


def _neighbours(words: Words, word: str) -> list[str]:
    try:
        return [f"{near.word} {near.score:.2f}" for near in words.neighbours(word, NEIGHBOURS)]
    except UnknownWord:
        return []


def _number(vectors: WordVectors, analyzer: Analyzer, word: str) -> int | None:
    """Return the number of a word; None of what is unknown, or not one word to the analysis."""
    terms = analyzer.terms(word)
    return vectors.vocabulary.numbers.get(terms[0]) if len(terms) == 1 else None


def _likeness(vectors: WordVectors, analyzer: Analyzer, pairs: Pairs) -> Mapping[str, float | None]:
    rows = unit_rows(vectors.vectors)
    cosines, scores = [], []
    for words, score in zip(pairs.words, pairs.scores, strict=True):
        one, other = (_number(vectors, analyzer, word) for word in words)
        if one is not None and other is not None:
            cosines.append(float(rows[one] @ rows[other]))
            scores.append(score)
    found = float(spearmanr(cosines, scores).statistic) if len(scores) > 2 else None
    return {"spearman": found, "asked": len(scores), "coverage": len(scores) / len(pairs.scores)}


def _analogies(vectors: WordVectors, analyzer: Analyzer, analogies: Analogies) -> Mapping[str, float | None]:
    known = {word: _number(vectors, analyzer, word) for word in set(chain.from_iterable(analogies))}
    read = ([known[word] for word in each] for each in analogies)
    asked = [each for each in read if None not in each and len(set(each)) == len(each)]
    if not asked:
        return {"right": None, "asked": 0, "coverage": 0.0}
    rows = unit_rows(vectors.vectors)
    right = sum(
        _right(rows, np.array(asked[start : start + ANALOGIES_AT_ONCE]))
        for start in range(0, len(asked), ANALOGIES_AT_ONCE)
    )
    return {"right": right / len(asked), "asked": len(asked), "coverage": len(asked) / len(analogies)}


def _right(rows: Matrix, asked: NDArray[np.int64]) -> int:
    """Return how many of ``asked (n, 4)`` are answered by the word expected."""
    given = asked[:, :3]
    scores = (rows[given[:, 1]] - rows[given[:, 0]] + rows[given[:, 2]]) @ rows.T
    np.put_along_axis(scores, given, -np.inf, axis=1)
    return int(np.count_nonzero(scores.argmax(axis=1) == asked[:, 3]))


def _read(path: Path) -> Pairs | Analogies:
    """Read pairs with scores, or analogies in sections that begin with a colon."""
    lines = [line.split() for line in path.read_text("utf-8").splitlines()]
    lines = [line for line in lines if line and not line[0].startswith(("#", ":"))]
    if all(len(line) == 4 for line in lines):
        return [(a, b, c, d) for a, b, c, d in lines]
    return Pairs([(one, other) for one, other, _ in lines], [float(score) for _, _, score in lines])


def _size(each: Pairs | Analogies) -> int:
    return len(each.scores) if isinstance(each, Pairs) else len(each)
