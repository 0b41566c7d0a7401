"""Compares the served tokenizer of multilingual-e5-small with reference ones, on real texts.

    python tests/benchmarks/tokenizer_parity.py MODELS_FOLDER FOLDER...

Each FOLDER holds ``corpus.jsonl`` and ``queries.jsonl``; every title and text is cut.  The reference is a
Unigram of the tokenizers library over the same pieces and scores, with NMT and NFKC normalisation and
white space collapsed.  A text whose ids differ is explained where it can be:

``normalisation``  the ids are those of the same Unigram with the model's published character map, which
                   differs from NFKC in a few characters (it keeps the full-width tilde, a piece of its own)
``tie``            both cut the text into pieces of equal total score, in another order

Exit status 1 if any difference is left unexplained; those are shown.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as messages
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from search.encoders.packages import packed_e5_file
from search.encoders.packed_e5 import PackedModel, read_packed_e5
from search.encoders.sentencepiece_model import CONTROL_PIECES
from search.encoders.tokenization import TOKENIZER_FILES, PieceTokenizer

COLLAPSED = [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
# Float32 sums of some hundred scores in another order.
TIE_TOLERANCE = 1e-2
NEVER = -200.0


def reference(packed: PackedModel, *characters: normalizers.Normalizer) -> Tokenizer:
    # A text that speaks of <s> or <mask> is text: those pieces are given a score nobody chooses.
    scores = [
        NEVER if piece in {*CONTROL_PIECES, "<unk>"} else score
        for piece, score in zip(packed.pieces, packed.scores.tolist(), strict=True)
    ]
    vocabulary = list(zip(packed.pieces, scores, strict=True))
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=packed.special_ids.unknown))
    tokenizer.normalizer = normalizers.Sequence([*characters, *COLLAPSED])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return tokenizer


def published_character_map() -> normalizers.Normalizer:
    rule = messages.ModelProto()
    rule.ParseFromString(sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc").serialized_model_proto())
    return normalizers.Precompiled(rule.normalizer_spec.precompiled_charsmap)


class Comparison:
    """The served tokenizer beside both references."""

    def __init__(self, models_folder: Path) -> None:
        self.packed = read_packed_e5(packed_e5_file())
        file = models_folder / "multilingual-e5-small" / TOKENIZER_FILES["sentencepiece"]
        self.served = PieceTokenizer(file)
        self.plain = reference(self.packed, normalizers.Nmt(), normalizers.NFKC())
        self.published = reference(self.packed, published_character_map())

    def verdict(self, text: str) -> str:
        ids = self.served.ids(text)
        if ids == self.plain.encode(text, add_special_tokens=False).ids:
            return "equal"
        expected = self.published.encode(text, add_special_tokens=False).ids
        if ids == expected:
            return "normalisation"
        if len(ids) == len(expected) and abs(self.score(ids) - self.score(expected)) < TIE_TOLERANCE:
            return "tie"
        return f"unexplained: {self.first_difference(ids, expected)}"

    def score(self, ids: list[int]) -> float:
        return float(self.packed.scores[ids].sum())

    def first_difference(self, ids: list[int], expected: list[int]) -> str:
        pairs = enumerate(zip(ids, expected, strict=False))
        place = next((i for i, (a, b) in pairs if a != b), min(len(ids), len(expected)))
        ours, theirs = (
            [self.packed.pieces[id_] for id_ in cut[place : place + 6]] for cut in (ids, expected)
        )
        return f"at piece {place} {ours} instead of {theirs}"


def texts(folder: Path) -> Iterator[str]:
    for name in ("corpus.jsonl", "queries.jsonl"):
        with (folder / name).open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                yield from (record[field] for field in ("title", "text") if record.get(field))


def main() -> int:
    models_folder, *folders = map(Path, sys.argv[1:])
    comparison = Comparison(models_folder)
    unexplained = 0
    for folder in folders:
        verdicts = Counter(comparison.verdict(text) for text in texts(folder))
        print(f"{folder.name}: {dict(verdicts)}", flush=True)
        unexplained += sum(count for verdict, count in verdicts.items() if verdict.startswith("unexplained"))
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
