"""What a model reads for a text: special tokens, the prompt of its role, and the pieces of the text.

One place for serving and preparation, so that an export is judged on the very ids it will be served.
"""

from pathlib import Path

import numpy as np

from search.arrays import Spans
from search.encoders.base import Role
from search.encoders.prepared import Settings
from search.encoders.tokenization import encodable, open_tokenizer


class ModelInput:
    """The tokenizer of a prepared folder, with the settings that dress a text."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.settings = settings
        self.tokenizer = open_tokenizer(settings.tokenizer, folder)
        self._prompt_ids = {role: self.tokenizer.ids(prompt) for role, prompt in settings.prompts.items()}

    def ids(self, text: str, role: Role) -> list[int]:
        """Return the ids of ``text``, cut after ``max_tokens`` pieces; nothing where it has no piece.

        Raises:
            InvalidInput: the text has a lone surrogate.
        """
        settings, prompt_ids = self.settings, self._prompt_ids[role]
        ids = self.tokenizer.ids(settings.prompts[role] + encodable(text))
        if len(ids) <= len(prompt_ids):
            return []
        return [*settings.begin_ids, *ids[: len(prompt_ids) + settings.max_tokens], *settings.end_ids]

    def spans(self, text: str, role: Role) -> Spans:
        """Return where in ``text`` the pieces of ``ids(text, role)`` stand that are the text's own.

        The first of these is id number ``begin(role)``.
        """
        prompt = self.settings.prompts[role]
        first = len(self._prompt_ids[role])
        own = self.tokenizer.spans(prompt + encodable(text))[first : first + self.settings.max_tokens]
        return np.maximum(own - len(prompt), 0, dtype=np.int32)

    def begin(self, role: Role) -> int:
        """Return how many special tokens and pieces of the prompt stand before a text."""
        return len(self.settings.begin_ids) + len(self._prompt_ids[role])
