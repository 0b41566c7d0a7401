"""Which words of a passage answer which words of a question, from the very numbers of its score.

Pieces are joined to words; nothing is searched or scored anew.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.arrays import Spans
from search.attending import Links
from search.model import FoundPassage, Highlight
from search.ranking.pieces import words_of_pieces
from search.text.analyzer import Analyzer, Token

FAINTEST = 0.15
"""Words that carry less, beside the strongest of their passage, are not highlighted."""
PIECE_SHARE = 0.5
"""What a piece carries at least, of what its word has to, for its word to be looked up."""

_STRETCH = re.compile(r"[^\s。！？；，、：]+")
"""What holds every token that begins in it: none has white space or a mark of Chinese punctuation inside."""


def speaking_words(links: Links, found: FoundPassage, analyzer: Analyzer) -> list[Highlight]:
    """Return the words of a passage's own text that carry its score, by place in the document."""
    carried, spans = links.carried.sum(axis=0), links.passage.spans
    strong = spans[carried >= PIECE_SHARE * FAINTEST * carried.max(initial=0.0)]
    tokens = _tokens_around(found.encoded, strong, analyzer)
    words, first = words_of_pieces(found.encoded, spans, tokens)
    weights = _by_words(carried, first)
    strongest = float(weights.max(initial=0.0))
    begin = len(found.encoded) - len(found.passage.text)
    moved = found.passage.start - begin
    shown = (words[:, 0] >= begin) & (weights >= FAINTEST * strongest) & (strongest > 0)
    return [
        Highlight(start + moved, end + moved, round(weight / strongest, 3))
        for (start, end), weight in zip(words[shown].tolist(), weights[shown].tolist(), strict=True)
    ]


def links_told(links: Links, query: str, found: FoundPassage, analyzer: Analyzer) -> dict[str, Any]:
    """Return the words of both sides and what each pair carries; the table adds up to the attention score.

    Words of the passage that stand in its title or headings have no place in the document.
    """
    asked, of_query = words_of_pieces(query, links.query.spans, analyzer.tokens(query))
    words, of_passage = words_of_pieces(found.encoded, links.passage.spans, analyzer.tokens(found.encoded))
    carried = _by_words(_by_words(links.carried, of_query).T, of_passage).T
    begin = len(found.encoded) - len(found.passage.text)
    moved = found.passage.start - begin
    return {
        "query": [
            {"text": query[start:end], "start": start, "end": end, "score": score}
            for (start, end), score in zip(asked.tolist(), carried.sum(axis=1).tolist(), strict=True)
        ],
        "passage": [_told(start, end, found.encoded, begin, moved) for start, end in words.tolist()],
        "carried": carried.tolist(),
    }


def _told(start: int, end: int, encoded: str, begin: int, moved: int) -> dict[str, Any]:
    inside = start >= begin
    return {
        "text": encoded[start:end],
        "start": start + moved if inside else None,
        "end": end + moved if inside else None,
    }


def _tokens_around(text: str, spans: Spans, analyzer: Analyzer) -> list[Token]:
    """Return the tokens of the stretches of text in which ``spans`` begin."""
    stretches = np.array([stretch.span() for stretch in _STRETCH.finditer(text)]).reshape(-1, 2)
    before = np.searchsorted(np.sort(spans[:, 0]), stretches)
    shown, at = [], 0
    for start, end in stretches[before[:, 0] < before[:, 1]].tolist():
        shown += [" " * (start - at), text[start:end]]
        at = end
    return analyzer.tokens("".join(shown))


def _by_words(table: NDArray[np.float64], first: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the rows of a table, one for each piece, summed over the words that begin with the ``first``."""
    if not first.size:
        return table[:0]
    summed: NDArray[np.float64] = np.add.reduceat(table, first, axis=0)
    return summed
