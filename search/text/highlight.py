"""Where the words of a query stand in a passage: what a page marks and the API returns.

The engine calls it for the passages it is about to show.
"""

from collections.abc import Iterable

from search.model import Highlight
from search.text.analyzer import Analyzer


def highlights(text: str, query_terms: Iterable[str], analyzer: Analyzer, offset: int) -> list[Highlight]:
    """Return the ranges of ``text`` whose terms are among ``query_terms``, ascending and disjoint.

    Ranges that overlap or touch become one: neighbouring Chinese words, the pairs of an unspaced
    script, the parts of a compound.

    Args:
        text: a passage.
        query_terms: terms by the same ``analyzer``.
        analyzer: what both were analysed by.
        offset: where the passage begins in its document; the ranges are the document's.
    """
    wanted = frozenset(query_terms)
    if not wanted:
        return []
    found = sorted((token.start, token.end) for token in analyzer.tokens_among(text, wanted))
    merged: list[tuple[int, int]] = []
    for start, end in found:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return [Highlight(start + offset, end + offset) for start, end in merged]
