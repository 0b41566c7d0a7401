"""The main job through the real shell: files in, answers out, in both languages."""

import json
import os
import re
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest

from indexer.chunking import passage_input
from indexer.cli import run
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import token_states
from indexer.token_states import codec_of
from search.centring import mean_of_all
from search.ranking.token_codec import packed, unpacked

HALFTONE = "A press knows no grey. Photographs in newspapers are broken up into dots of many sizes."
BREAD = "面包放在桌上会变硬，因为淀粉重新结晶，把水挤了出来。放进冰箱反而硬得更快。"
TIDES = "The moon pulls the sea towards it, so most coasts see two high waters a day."
ENGLISH_ON_BREAD = "Flour, water and salt are all that a baker needs besides patience and a hot oven."


@pytest.fixture(scope="module")
def home(tmp_path_factory, models_folder):
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(models_folder)
    folder = tmp_path_factory.mktemp("files") / "notes"
    (folder / "print").mkdir(parents=True)
    (folder / "print" / "halftone.md").write_text(f"# Grey made of dots\n\n{HALFTONE}\n", "utf-8")
    (folder / "bread.txt").write_text(BREAD, "gb18030")
    (folder / "tides.jsonl").write_text(
        json.dumps({"_id": "tides", "title": "Tides", "text": TIDES, "year": 1687}) + "\n", "utf-8"
    )
    (folder / "oven.html").write_text(f"<html><body><p>{ENGLISH_ON_BREAD}</p></body></html>", "utf-8")
    assert run(["ingest", str(folder), "--home", str(home)]) == 0
    return home


def answer(capsys, *arguments):
    status = run([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("question", "key"),
    [
        ("报纸上的照片为什么是由小点组成的", "notes/print/halftone.md"),
        ("why does a loaf go hard", "notes/bread.txt"),
        ("海水为什么每天涨落两次", "tides"),
    ],
)
def test_a_question_finds_its_answer_in_the_other_language(home, capsys, question, key):
    status, found = answer(capsys, "search", question, "--home", str(home))
    assert status == 0
    assert found["hits"][0]["key"] == key
    assert found["exact"] is True
    assert found["degraded"] == []


def test_a_question_needs_no_quotes(home, capsys):
    quoted = answer(capsys, "search", "why does a loaf go hard", "--home", str(home))[1]
    bare = answer(capsys, "search", "why", "does", "a", "loaf", "go", "hard", "--home", str(home))[1]
    assert bare["hits"] == quoted["hits"]


def test_parts_add_up_and_passages_are_what_their_offsets_name(home, capsys):
    _, found = answer(capsys, "search", "why is old bread hard in the fridge", "--home", str(home))
    assert len(found["hits"]) == 4
    for hit in found["hits"]:
        assert sum(hit["parts"].values()) == pytest.approx(hit["score"], abs=1e-9)
        assert hit["passage"]["end"] - hit["passage"]["start"] == len(hit["passage"]["text"])
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("mode", ["attention", "hybrid", "dense", "lexical"])
def test_every_hit_is_shown_with_all_parts_of_its_score(home, capsys, mode):
    _, found = answer(capsys, "search", "bread oven", "--mode", mode, "--home", str(home))
    run(["search", "bread oven", "--mode", mode, "--home", str(home)])
    shown = re.findall(
        r"^ *\d+\. .*  (-?[\d.]+)\n(?:    .*\n)?    = (.*)$", capsys.readouterr().out, re.MULTILINE
    )
    assert shown == [
        (f"{hit['score']:z.3f}", " + ".join(f"{name} {part:z.3f}" for name, part in hit["parts"].items()))
        for hit in found["hits"]
    ]


def test_of_a_long_passage_the_shell_shows_the_part_that_answers(home, tmp_path, capsys):
    scratch = tmp_path / "home"
    scratch.mkdir()
    (scratch / "models").symlink_to((home / "models").resolve())
    dull = "早上起来，村里的人都去河边打水，孩子们在路上跑来跑去，谁也不着急。"
    (tmp_path / "long.txt").write_text(5 * dull + BREAD + 3 * dull, "utf-8")
    run(["ingest", str(tmp_path / "long.txt"), "--home", str(scratch)])
    capsys.readouterr()
    run(["search", "面包为什么会变硬", "--home", str(scratch)])
    [extract] = re.findall(r"…(.*)…", "".join(line.strip() for line in capsys.readouterr().out.splitlines()))
    assert BREAD in extract and len(extract) == 160


def test_explain_has_a_line_for_each_part_whose_numbers_multiply_to_it(home, capsys):
    assert run(["search", "old bread", "--home", str(home), "-n", "1", "--explain"]) == 0
    out = capsys.readouterr().out
    lines = dict(re.findall(r"^ +(attention|dense|lexical|language) +([+-]\S+)  \(.+\)", out, re.MULTILINE))
    score = float(re.search(r"^ 1\. .*?  (-?[\d.]+)", out, re.MULTILINE)[1])
    assert sum(map(float, lines.values())) == pytest.approx(score, abs=1e-3)
    bm25, factor = map(float, re.search(r"\(bm25 (\S+), factor (\S+), terms ", out).groups())
    assert bm25 * factor == pytest.approx(float(lines["lexical"]), abs=1e-4)
    assert "{" not in out
    words = re.findall(r"^ +(old|bread) +█* +(-?[\d.]+)  \S+ [\d.]+, ", out, re.MULTILINE)
    assert [word for word, _ in words] == ["old", "bread"]
    assert sum(float(found) for _, found in words) == pytest.approx(float(lines["attention"]), abs=2e-3)


def test_one_thing_is_told_as_one(home, tmp_path, capsys):
    scratch = tmp_path / "home"
    scratch.mkdir()
    (scratch / "models").symlink_to((home / "models").resolve())
    record = {"key": "tides", "title": "tides", "text": TIDES}
    (tmp_path / "one.jsonl").write_text(json.dumps(record) + "\n", "utf-8")
    for command, told in (
        (["ingest", str(tmp_path / "one.jsonl")], "1 created (1 passage, "),
        (["search", "moon"], "1 hit, "),
        (["verify"], "clean: 1 document, 1 passage\n"),
        (["search", "moon", "--filter", '{"document.key": "x"}'], "0 hits, "),
    ):
        run([*command, "--home", str(scratch)])
        out = capsys.readouterr().out
        assert told in out and out.count(record["key"]) <= 1  # a title that is the key, too


def test_highlights_point_at_the_words_of_the_question(home, capsys):
    _, found = answer(capsys, "search", "photographs in newspapers", "--home", str(home), "-n", "1")
    passage, marked = found["hits"][0]["passage"], found["hits"][0]["highlights"]
    words = [
        passage["text"][span["start"] - passage["start"] : span["end"] - passage["start"]] for span in marked
    ]
    assert " ".join(words) in {"Photographs newspapers", "Photographs in newspapers"}


def test_a_filter_keeps_the_rest_out(home, capsys):
    wanted = json.dumps({"year": {"$lt": 1700}})
    _, found = answer(capsys, "search", "bread", "--home", str(home), "--filter", wanted)
    assert [hit["key"] for hit in found["hits"]] == ["tides"]
    assert found["hits"][0]["metadata"] == {"year": 1687}


def test_similar_leaves_the_examples_out(home, capsys):
    _, found = answer(capsys, "similar", "notes/bread.txt", "--home", str(home))
    keys = [hit["key"] for hit in found["hits"]]
    assert keys[0] == "notes/oven.html"
    assert "notes/bread.txt" not in keys


def test_what_was_ingested_is_folded_and_verified(home, capsys):
    status, found = answer(capsys, "collections", "--home", str(home))
    assert status == 0
    [info] = found["collections"]
    assert (info["documents"], info["passages"], info["unfolded"]) == (4, 4, 0)
    status, found = answer(capsys, "verify", "--home", str(home))
    assert (status, found["problems"]) == (0, [])


def test_every_word_of_a_passage_has_its_state(home):
    """Bytes, counts and places are those of the model at hand, and each place cuts its word out."""
    with closing(Service.open(Settings.from_environment({}, home=home))) as service:
        found = service.ensure_collection("default")
        encoder = service.models.encoder_of(found)
        with service.database.read() as connection:
            stored = token_states.having(connection, found, codec_of(encoder), 0, 100)
    assert len(stored) == 4
    for passage in stored:
        text = passage_input(passage.title, passage.heading, passage.text)
        spans = encoder.tokenizer.spans(text).tolist()
        said = [place for place in spans if any(map(str.isalnum, text[slice(*place)]))]
        states = unpacked(passage.states)
        assert len(states.codes) == len(said) > 10
        assert states.spans.tolist() == said
        cut = [text[start:end] for start, end in states.spans.tolist()]
        letters = "".join(filter(str.isalnum, "".join(cut)))
        assert letters == "".join(filter(str.isalnum, text))
        ((vector,), (tokens,)) = encoder.encode_tokens([text], "passage")
        assert vector.tobytes() == encoder.encode([text], "passage").tobytes()
        centre = mean_of_all(encoder.token_passage_means)
        assert passage.states == packed(tokens.states, tokens.spans, text, centre)


def test_nothing_found_is_status_1(home, capsys):
    status, found = answer(capsys, "search", "zyzzyva", "--mode", "lexical", "--home", str(home))
    assert (status, found["hits"]) == (1, [])


def test_a_search_imports_no_torch(home):
    program = (
        "import sys; from indexer.cli import run; status = run(sys.argv[1:]);"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'gensim', 'onnx'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    command = [sys.executable, "-c", program, "search", "bread", "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_search_multiplies_on_its_own_thread_alone(home):
    program = (
        "import sys; from indexer.cli import run; status = run(sys.argv[1:]);"
        "from threadpoolctl import threadpool_info;"
        "found = {pool['num_threads'] for pool in threadpool_info() if pool['user_api'] == 'blas'};"
        "sys.exit(status or (found != {1} and f'BLAS threads: {found}'))"
    )
    command = [sys.executable, "-c", program, "search", "bread", "--home", str(home)]
    several = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=several)
    assert done.returncode == 0, done.stderr


def test_evaluate_prints_its_contract_and_right_measures(tmp_path, capsys, home):
    folder = tmp_path / "judged"
    folder.mkdir()
    rows = [("a", "Tides", TIDES), ("b", "Dots", HALFTONE), ("c", "面包", BREAD)]
    (folder / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": key, "title": title, "text": text}) + "\n" for key, title, text in rows)
    )
    queries = [("q1", "what moves the sea"), ("q2", "why does bread go hard"), ("q3", "unjudged")]
    (folder / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": key, "text": text, "kind": key[1]}) + "\n" for key, text in queries)
    )
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\ta\t1\nq2\tc\t1\nq2\tz\t1\n")
    scratch = tmp_path / "home"
    scratch.mkdir()
    (scratch / "models").symlink_to((home / "models").resolve())
    arguments = [
        "evaluate",
        str(folder),
        "--systems",
        "lexical,dense,hybrid,attention,dense:raw",
        "--home",
        str(scratch),
    ]
    status, found = answer(capsys, *arguments)
    assert status == 0
    assert set(found) == {"collection", "documents", "queries", "systems", "ingest", "p_values"}
    assert set(found["p_values"]["attention"]) == {"lexical", "dense", "hybrid", "dense:raw"}
    assert (found["collection"], found["documents"], found["queries"]) == ("judged", 3, 2)
    assert set(found["systems"]) == {"lexical", "dense", "hybrid", "attention", "dense:raw"}
    assert set(found["ingest"]) == {"seconds", "documents_per_second"}
    dense = found["systems"]["dense"]
    assert set(dense) == {"nDCG@10", "R@100", "RR@10", "ms_per_query_p50"}
    # q1 has its one answer first; of q2's two answers one is first and the other does not exist.
    second = 1 / (1 + 1 / np.log2(3))
    assert dense["nDCG@10"] == pytest.approx((1 + second) / 2)
    assert (dense["RR@10"], dense["R@100"]) == (1.0, 0.75)
