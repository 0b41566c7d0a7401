"""Segmentation equals jieba's own, and the dictionary's file proves itself."""

import logging
import math
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest

from search.artifacts import MANIFEST
from search.text import word_trie
from search.text.chinese import Segmenter
from search.text.word_trie import WordTrie

TEXTS = (
    "我来到北京清华大学",
    "他来到了网易杭研大厦",
    "研究生命的起源",
    "乒乓球拍卖完了",
    "结婚的和尚未结婚的",
    "南京市长江大桥",
    "工信处女干事每月经过下属科室都要亲口交代二十四口交换机等技术性器件的安装工作",
    "㐀㐁龘靐齉爩𠀀𠀁",
    "〇二四年々",
)


@pytest.fixture(scope="module")
def jieba():
    """The package itself, which our code never imports: it warns, logs and writes where it likes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba as package
    package.setLogLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = package.Tokenizer()
        tokenizer.tmp_dir = folder
        tokenizer.initialize()
    return tokenizer


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(None)


@pytest.mark.parametrize("text", TEXTS)
def test_equals_jieba_without_its_hidden_markov_model(text, jieba, segmenter):
    assert list(segmenter.words(text)) == list(jieba.cut(text, HMM=False))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("我来到北京清华大学", ["我", "来到", "北京", "清华", "大学"]),
        ("南京市长江大桥", ["南京", "市", "长江", "大桥"]),
        ("北京大学图书馆", ["北京", "大学", "图书", "馆"]),
        ("研究生命", ["研究", "生命"]),
    ],
)
def test_long_words_are_cut_inside_their_own_bounds(run, words, segmenter):
    assert list(segmenter.short_words(run)) == words


def test_equals_jieba_on_random_runs_of_dictionary_words(jieba, segmenter):
    rng = np.random.default_rng(5)
    words = [word for word, count in jieba.FREQ.items() if count and min(word) > "\u3400"]
    for _ in range(300):
        run = "".join(words[place] for place in rng.integers(len(words), size=12))
        assert list(segmenter.words(run)) == list(jieba.cut(run, HMM=False))


def test_the_trie_holds_the_dictionary(tmp_path):
    dictionary = tmp_path / "dict.txt"
    dictionary.write_text("大 5 a\n大学 3 n\n大学生 2 n\n学生 4 n\n生 6 v\n", "utf-8")
    trie = WordTrie(word_trie.build(dictionary))
    points = [ord(character) for character in "大学生x"]
    assert [(end, round(math.exp(weight) * 20, 6)) for end, weight in trie.words_at(points, 0, 4)] == [
        (1, 5),
        (2, 3),
        (3, 2),
    ]
    assert [end for end, _ in trie.words_at(points, 1, 4)] == [3]
    assert trie.words_at(points, 3, 4) == []
    assert [end for end, _ in trie.words_at(points, 0, 2)] == [1, 2]
    assert math.exp(trie.unknown) * 20 == pytest.approx(1)


def test_the_path_of_highest_probability_is_taken(tmp_path, monkeypatch):
    dictionary = tmp_path / "dict.txt"
    monkeypatch.setattr("search.text.chinese.dictionary_path", lambda: dictionary)
    # 研究 | 生命: 10/32 x 8/32 > 研究生 | 命: 6/32 x 8/32
    dictionary.write_text("研究 10 v\n研究生 6 n\n生命 8 n\n命 8 n\n", "utf-8")
    assert list(Segmenter(None).words("研究生命")) == ["研究", "生命"]
    dictionary.write_text("研究 1 v\n研究生 23 n\n生命 1 n\n命 7 n\n", "utf-8")
    assert list(Segmenter(None).words("研究生命")) == ["研究生", "命"]


class TestFile:
    @pytest.fixture(autouse=True)
    def small_dictionary(self, tmp_path_factory, monkeypatch):
        dictionary = tmp_path_factory.mktemp("source") / "dict.txt"
        dictionary.write_text("南京市 9 n\n长江大桥 9 n\n江大桥 1 n\n市长 9 n\n大学 9 n\n", "utf-8")
        monkeypatch.setattr("search.text.chinese.dictionary_path", lambda: dictionary)
        return dictionary

    def made(self, folder):
        list(Segmenter(folder).words("大学"))
        (made,) = folder.iterdir()
        return made

    def test_is_made_once_and_mapped(self, tmp_path, small_dictionary):
        made = self.made(tmp_path)
        before = (made / "nodes.npy").stat().st_ino
        assert self.made(tmp_path) == made
        assert (made / "nodes.npy").stat().st_ino == before
        trie = WordTrie.open(small_dictionary, tmp_path)
        assert isinstance(trie._nodes, np.memmap)

    def test_another_dictionary_has_another_file(self, tmp_path, small_dictionary):
        self.made(tmp_path)
        small_dictionary.write_text("南京 9 n\n", "utf-8")
        assert list(Segmenter(tmp_path).words("南京市")) == ["南京", "市"]
        assert len(list(tmp_path.iterdir())) == 2

    @pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest"])
    def test_heals_itself(self, tmp_path, damage):
        made = self.made(tmp_path)
        nodes = made / ("nodes.npy" if damage != "manifest" else MANIFEST)
        nodes.chmod(0o600)
        content = bytearray(nodes.read_bytes())
        content[len(content) // 2] ^= 1
        if damage == "remove":
            nodes.unlink()
        else:
            nodes.write_bytes(content[:100] if damage == "truncate" else content)
        assert list(Segmenter(tmp_path).words("南京市长江大桥")) == ["南京市", "长江大桥"]
        assert self.made(tmp_path) == made

    def test_a_folder_that_cannot_be_written_is_done_without(self, tmp_path, caplog):
        (tmp_path / "file").write_text("in the way")
        folder: Path = tmp_path / "file" / "dictionaries"
        assert list(Segmenter(folder).words("南京市长江大桥")) == ["南京市", "长江大桥"]
        assert "stays in memory" in caplog.text
