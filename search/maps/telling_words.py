"""Names for clusters: the words that tell one from the others, by class-based TF-IDF.

A word weighs tf(t, c) log(1 + A / tf(t)): how many passages of cluster c have it, times how rare it is in
all of them; A is the mean number of passages of a cluster.  Source: Grootendorst, BERTopic: neural topic
modeling with a class-based TF-IDF procedure, arXiv:2203.05794, section 3.4, where a word counts as often as
it is said; that favours the small words of which no list is complete.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log1p

from search.text.analyzer import Analyzer

PASSAGES_MIN = 5
"""From this many passages on, a word that one of them alone has tells nothing of their cluster."""


@dataclass
class CountedCluster:
    """The words of a cluster as they were read."""

    passages: int = 0
    held: Counter[str] = field(default_factory=Counter)
    """Term -> passages."""
    spellings: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, text: str, analyzer: Analyzer) -> None:
        """Count the words of a passage; a term without a letter is no word."""
        self.passages += 1
        tokens = [token for token in analyzer.tokens(text) if any(map(str.isalpha, token.term))]
        for token in tokens:
            self.spellings.setdefault(token.term, Counter())[text[token.start : token.end].lower()] += 1
        self.held.update({token.term for token in tokens})


def counted(texts: Iterable[str], analyzer: Analyzer) -> CountedCluster:
    """Return the words of a cluster's passages."""
    cluster = CountedCluster()
    for text in texts:
        cluster.add(text, analyzer)
    return cluster


def telling_words(clusters: Sequence[CountedCluster], count: int) -> list[list[str]]:
    """Return the ``count`` words of greatest weight of each cluster, as they are usually spelt."""
    everywhere: Counter[str] = Counter()
    for cluster in clusters:
        everywhere.update(cluster.held)
    mean = sum(cluster.passages for cluster in clusters) / max(len(clusters), 1)
    return [
        [_usual(cluster.spellings[term]) for term in _heaviest(cluster, everywhere, mean, count)]
        for cluster in clusters
    ]


def _heaviest(cluster: CountedCluster, everywhere: Counter[str], mean: float, count: int) -> list[str]:
    shared = 2 if cluster.passages >= PASSAGES_MIN else 1
    weights = {
        term: times * log1p(mean / everywhere[term])
        for term, times in cluster.held.items()
        if times >= shared
    }
    return sorted(weights, key=lambda term: (-weights[term], term))[:count]


def _usual(spelt: Counter[str]) -> str:
    return min(spelt, key=lambda spelling: (-spelt[spelling], spelling))
