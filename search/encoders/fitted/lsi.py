"""``lsi``: latent semantic indexing, the directions in which TF-IDF rows differ most.

X ≈ U Σ Vᵀ, and a text with row x becomes x V (Deerwester et al., JASIS 41(6), 1990, section 4.2).  Words that
come together share directions, so a text is near others whose words it lacks.
"""

from pathlib import Path

from safetensors.numpy import load_file

from search.encoders.fitted.counted_words import CountedVocabulary
from search.encoders.fitted.tfidf import tfidf_terms
from search.encoders.fitted.weighted_terms import ProjectedTerms
from search.text.analyzer import Analyzer

FILE = "directions.safetensors"


def open_lsi(folder: Path, analyzer: Analyzer) -> ProjectedTerms:
    """Return the encoder over vocabulary and directions."""
    vocabulary = CountedVocabulary.open(folder)
    return ProjectedTerms(tfidf_terms(vocabulary, analyzer), load_file(folder / FILE)["directions"])
