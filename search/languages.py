"""Which passages are in which language, so that no language is favoured for its words.

A question shares words with passages of its own language only.  In a collection of two languages a plain
sum of meaning and words would therefore lift every passage of the question's language over better ones of
the other.  The engine asks here and holds a passage against those it can be compared with.
"""

from dataclasses import dataclass, field

import numpy as np

from search.arrays import Ids
from search.encoders.base import Language
from search.vectors.base import Mask
from search.views import Selection


@dataclass(frozen=True, slots=True)
class LanguageView:
    """The languages of a collection's passages, as one search sees them."""

    all: Ids
    """Every passage that can be found, ascending."""
    chinese: Ids
    """Those in Chinese, ascending; all others count as English."""
    _remembered: dict[Language, Selection] = field(default_factory=dict)

    def among(self, ids: Ids, language: Language) -> Mask:
        """Return which of ``ids (n,)`` are in ``language``."""
        chinese = np.isin(ids, self.chinese)
        return chinese if language == "zh" else ~chinese

    def selection(self, language: Language, within: Selection | None) -> Selection:
        """Return the passages in ``language`` that a filter lets through."""
        if within is not None:
            return Selection(within.ids[self.among(within.ids, language)])
        if language not in self._remembered:
            chinese = language == "zh"
            ids = self.chinese if chinese else np.setdiff1d(self.all, self.chinese, assume_unique=True)
            self._remembered[language] = Selection(ids)
        return self._remembered[language]
