"""Query expansion: further words for BM25, which the passages that answer a question best say most.

A relevance model: what words the texts that are wanted are made of is estimated by the passages found first,
each as likely as another, and its most likely words are asked for beside the question's own.

Where meaning has a say in that first ranking, they are words of the other language, too.

Mode lexical on three judged collections, nDCG@10: words of 5 passages gain as much as those of 10, which cost
twice the time; 10 words gain less than 20.  Neighbours of the question's words by vectors that were fit on
the collection (``cooccurrence``, ``word2vec-skipgram``) gain nothing that is more than chance.

Sources:
    Lavrenko and Croft, Relevance-based language models, SIGIR 2001, method 1.
    Abdul-Jaleel et al., UMass at TREC 2004: Novelty and HARD, section 2: the mixture with the question (RM3).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from search.lexical.bm25 import Statistics, distinct
from search.model import FurtherWord, Mode
from search.text.analyzer import Analyzer

EXPANDED: tuple[Mode, ...] = ("lexical", "attention")
"""Modes that further words take part in; in ``hybrid`` they gain nothing."""
PASSAGES = 5
"""How many of the best passages are believed to be what is wanted."""
WORDS = 20
"""How many further words there are at most."""
COMMON = 0.1
"""Share of all passages; a word that more of them hold says nothing of one question."""


def likely_words(
    asked: Sequence[str],
    texts: Sequence[str],
    analyzer: Analyzer,
    statistics: Callable[[Sequence[str]], Statistics],
) -> list[FurtherWord]:
    """Return the likeliest words of ``texts`` that were not asked for, likeliest first; they weigh 1 in all.

    P(word | wanted) = mean over the texts of the word's share of a text

    Args:
        asked: terms of the question.
        texts: passages that are believed to be what is wanted.
        analyzer: that gave the terms.
        statistics: terms -> how many passages of the collection hold them.
    """
    chances: defaultdict[str, float] = defaultdict(float)
    written: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        tokens = analyzer.tokens(text)
        for token in tokens:
            chances[token.term] += 1 / (len(tokens) * len(texts))
            written[token.term][text[token.start : token.end]] += 1
    known = statistics(list(chances))
    few = COMMON * known.documents
    kept = [term for term in chances if known.frequencies[term] <= few and term not in asked]
    best = sorted(kept, key=lambda term: (-chances[term], term))[:WORDS]
    total = sum(chances[term] for term in best)
    return [FurtherWord(_usual(written[term]), term, chances[term] / total) for term in best]


def weighed(words: Sequence[FurtherWord], asked: Sequence[str], share: float) -> list[FurtherWord]:
    """Return further words that weigh ``share`` of all words in all, each of the question's own weighing 1.

    Args:
        words: weigh 1 in all.
        asked: terms of the question.
        share: from 0 to below 1.
    """
    scale = share / (1 - share) * len(distinct(asked))
    return [replace(word, weight=scale * word.weight) for word in words]


def _usual(written: Counter[str]) -> str:
    """Return how a term is written most often."""
    return min(written, key=lambda surface: (-written[surface], surface))
