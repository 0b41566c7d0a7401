"""Texts of our own that ship with the program: questions and passages in both languages.

Their vectors give the query means and the passage mean that side-wise centring needs, and the
fidelity of an exported model is measured on them.  Preparation is the only caller; what serving
needs of them is stored in the prepared folder.
"""

from importlib.resources import files

from search.encoders.base import Language

LANGUAGES: tuple[Language, ...] = ("en", "zh")


def questions(language: Language) -> list[str]:
    """Return the shipped questions of one language."""
    return _lines(f"questions/{language}.txt")


def passages(language: Language) -> list[str]:
    """Return the shipped passages of one language, each of 40 to 100 words."""
    return _lines(f"sentences/{language}.txt")


def _lines(name: str) -> list[str]:
    text = (files("search.encoders") / name).read_text("utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
