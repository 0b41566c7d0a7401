"""Where the words of a query stand in a passage: what a page marks and the API returns.

The engine calls it for the passages it is about to show.
"""

from collections.abc import Mapping

from search.model import Highlight
from search.text.analyzer import Analyzer


def highlights(
    text: str, query_terms: Mapping[str, float], analyzer: Analyzer, offset: int
) -> list[Highlight]:
    """Return the ranges of ``text`` whose terms are among ``query_terms``, ascending and disjoint.

    Ranges that overlap or touch become one: neighbouring Chinese words, the pairs of an unspaced
    script, the parts of a compound.  It weighs as much as the weightiest term in it.

    Args:
        text: a passage.
        query_terms: terms by the same ``analyzer`` -> what each weighs.
        analyzer: what both were analysed by.
        offset: where the passage begins in its document; the ranges are the document's.
    """
    if not query_terms:
        return []
    found = sorted(
        (token.start, token.end, query_terms[token.term])
        for token in analyzer.tokens_among(text, query_terms.keys())
    )
    merged: list[tuple[int, int, float]] = []
    for start, end, weight in found:
        if merged and start <= merged[-1][1]:
            first, last, before = merged[-1]
            merged[-1] = (first, max(end, last), max(weight, before))
        else:
            merged.append((start, end, weight))
    strongest = max((weight for _, _, weight in merged), default=1.0)
    return [
        Highlight(start + offset, end + offset, round(weight / strongest, 3)) for start, end, weight in merged
    ]
