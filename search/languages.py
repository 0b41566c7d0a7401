"""Which passages are in which language, so that no language is favoured for its words.

A question shares words with passages of its own language only.  In a collection of two languages a plain
sum of meaning and words would therefore lift every passage of the question's language over better ones of
the other.  The engine asks here and holds a passage against those it can be compared with.
"""

from dataclasses import dataclass, field

from search.arrays import Ids
from search.encoders.base import Language
from search.vectors.base import Mask
from search.views import Selection, contained


@dataclass(frozen=True, slots=True)
class LanguageView:
    """The languages of a collection's passages, as one search sees them."""

    all: Ids
    """Every passage that can be found, ascending."""
    chinese: Ids
    """Those in Chinese, ascending; all others count as English."""
    _everything: Selection = field(init=False)

    def __post_init__(self) -> None:
        """Keep what all passages are in one selection, which remembers its halves."""
        object.__setattr__(self, "_everything", Selection(self.all))

    def among(self, ids: Ids, language: Language) -> Mask:
        """Return which of ``ids (n,)`` are in ``language``."""
        chinese = contained(ids, self.chinese)
        return chinese if language == "zh" else ~chinese

    def selection(self, language: Language, within: Selection | None) -> Selection:
        """Return the passages in ``language`` that a filter lets through."""
        chinese, others = (self._everything if within is None else within).halves(self.chinese)
        return chinese if language == "zh" else others
