"""Does cutting a text into passages take time in proportion to it, whatever the text?

Tests count lines of Python; what regular expressions and slices do inside one line only a clock shows.
"""

import re
from collections.abc import Mapping

from indexer.chunking import chunk
from indexer.readers.base import Extracted
from tests.benchmarks.report import Options, Outcome, Target
from tests.benchmarks.timing import Times

UNITS = ("字", "a", "word ", "a,", ".", "!\n", "\n", "今天天气很好，我们去公园。", "A b. C d? ", "- x\n", "“")
CHARACTERS = 40_000
TIMES_MORE = 8
GROWTH_MAX = 2 * TIMES_MORE
"""In proportion would be once, by the square eight times ``TIMES_MORE``."""
REPEATS = 5
BUDGET_TOKENS, OVERLAP_TOKENS = 256, 40
TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+")


def run(options: Options) -> Outcome:
    """Cut texts of one size and of a larger one, each made of one unit again and again."""
    measured = {unit: _growth(unit) for unit in UNITS}
    worst = max(found["growth"] for found in measured.values())
    return Outcome(
        settings={"characters": CHARACTERS, "times_more": TIMES_MORE, "repeats": REPEATS},
        measured=measured,
        targets=[Target(f"time for {TIMES_MORE} times the text, worst unit", worst, GROWTH_MAX)],
    )


def _growth(unit: str) -> Mapping[str, float]:
    less, more = _seconds(unit, CHARACTERS), _seconds(unit, CHARACTERS * TIMES_MORE)
    return {"seconds": more, "growth": more / less}


def _seconds(unit: str, characters: int) -> float:
    document = Extracted("x " + unit * (characters // len(unit)), "", "text/plain")
    times = Times()
    for _ in range(REPEATS):
        times.of(lambda: chunk(document, _count, BUDGET_TOKENS, OVERLAP_TOKENS))
    return min(times.processor)


def _count(text: str) -> int:
    return len(TOKEN.findall(text))
