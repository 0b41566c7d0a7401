"""The texts that come with xunyi, cut small: what the benchmarks make large collections and queries of."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

from search.encoders.built_in_texts import questions
from search.text.analyzer import Analyzer
from search.text.language import language

_SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])\s*")


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence of an article, or two neighbouring ones."""

    text: str
    title: str
    subject: str
    language: str


def articles() -> list[dict[str, str]]:
    """Return the demo's articles as their lines have them."""
    lines = files("indexer.demo").joinpath("corpus.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def units() -> list[Unit]:
    """Return all sentences and pairs of neighbouring sentences, in the order of the corpus."""
    found: list[Unit] = []
    for article in articles():
        sentences = [text.strip() for text in _SENTENCE_ENDS.split(article["text"]) if text.strip()]
        gap = "" if article["language"] == "zh" else " "
        pairs = [gap.join(pair) for pair in pairwise(sentences)]
        facts = (article["title"], article["subject"], article["language"])
        found += [Unit(text, *facts) for text in [*sentences, *pairs]]
    return found


def words(analyzer: Analyzer) -> Mapping[str, list[str]]:
    """Return language -> every running word of the corpus that counts for search, repeats and all."""
    found: dict[str, list[str]] = {"en": [], "zh": []}
    for article in articles():
        text = article["text"]
        written = [text[token.start : token.end] for token in analyzer.tokens(text)]
        for word in written:
            found[language(word)].append(word)
    return found


def judged_questions() -> list[str]:
    """Return the demo's questions, in both languages."""
    lines = files("indexer.demo").joinpath("queries.jsonl").read_text("utf-8").splitlines()
    return [str(json.loads(line)["text"]) for line in lines]


def many_questions() -> list[str]:
    """Return over a thousand distinct questions of many forms, the two languages taking turns."""
    return [text for pair in zip(questions("en"), questions("zh"), strict=False) for text in pair]
