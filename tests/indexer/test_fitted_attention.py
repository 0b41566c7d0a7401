"""Attention by the states of an encoder that was fit on the collection: ranked, explained, kept, measured."""

import json
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from indexer import keeping
from indexer.cli import run
from indexer.keeping import keep_caches
from indexer.records import NewDocument
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import collections, passages
from indexer.systems import systems_of
from indexer.verifying import verify
from indexer.worker import Worker
from search.arrays import unit_rows
from search.errors import InvalidInput
from search.model import SearchRequest, SimilarRequest
from search.ranking.token_codec import packed, unpacked

KIND = "rnn"
BIRDS = "heron stork crane eagle falcon sparrow swallow robin thrush raven".split()
PLACES = "marsh meadow forest harbour garden cliff".split()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, models_folder):
    """A home with sixty short documents, an encoder that has states and one that has none."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(models_folder)
    lines = [
        json.dumps(
            {
                "key": f"{bird}-{place}",
                "title": bird.title(),
                "text": f"The {bird} nests in the {place}, where the {bird} feeds its young in spring.",
            }
        )
        for bird in BIRDS
        for place in PLACES
    ]
    (home / "birds.jsonl").write_text("\n".join(lines), "utf-8")
    assert run(["ingest", str(home / "birds.jsonl"), "-c", "birds", "--home", str(home)]) == 0
    for kind in (KIND, "tfidf"):
        assert run(["train", kind, "-c", "birds", "--home", str(home)]) == 0
    return home


@pytest.fixture
def service(fitted, tmp_path):
    shutil.copytree(fitted, tmp_path / "home", symlinks=True)
    service = Service.open(Settings.from_environment({}, tmp_path / "home"), new=False)
    yield service
    service.close()


def asked(service, query, **options):
    return service.search("birds", SearchRequest(query, encoder=KIND, **options))


def changed(service, statement, *values):
    with closing(sqlite3.connect(service.settings.home / "xunyi.db")) as connection, connection:
        return connection.execute(statement, values).fetchall()


def seen_through(service, encoder=KIND):
    with service.database.read() as connection:
        return collections.through(connection, collections.get(connection, "birds"), encoder)


def states(service):
    """Return passage -> states by the fitted encoder."""
    theirs = "SELECT passage_id, states FROM token_states WHERE encoder_id = ?"
    return dict(changed(service, theirs, seen_through(service).encoder_id))


def kept(service):
    with service.cache_lock.held("a test", service.clock()):
        Worker(service).run_until_idle()


def test_attention_is_the_default_and_its_parts_add_up(service):
    found = asked(service, "where does the raven nest by the harbour", explain=True)
    assert (found.mode, found.exact, found.degraded, found.nothing_relevant) == ("attention", True, [], None)
    assert found.hits[0].key == "raven-harbour"
    for hit in found.hits:
        assert set(hit.parts) == {"attention", "dense", "lexical"} and hit.relevance is None
        assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-6)
        carried = hit.explanation["attention"]["carried"]
        assert sum(map(sum, carried)) == pytest.approx(hit.parts["attention"], abs=1e-6)
        assert hit.explanation["dense"]["factor"] == 1.0


def test_the_parts_beside_attention_are_those_of_hybrid(service):
    query = "a raven at the harbour"
    first = {hit.key: hit.parts for hit in asked(service, query, mode="hybrid", limit=60).hits}
    for hit in asked(service, query, mode="attention").hits:
        beside = {name: part for name, part in hit.parts.items() if name != "attention"}
        assert beside == pytest.approx(first[hit.key], abs=1e-6)


def test_the_attention_of_a_hit_is_that_of_its_encoder_s_own_states(service):
    query = "raven harbour"
    hit = asked(service, query, mode="attention").hits[0]
    with service.database.read() as connection:
        found = passages.StoredPassages(connection, seen_through(service).encoder_id, None)
        encoded = found.passages([hit.passage.id])[hit.passage.id].encoded
    encoder = service.models.encoder_of(seen_through(service))
    (question,), (passage,) = (encoder.encode_tokens([text], "query")[1] for text in (query, encoded))
    nothing = np.zeros(encoder.dimension, dtype=np.float32)
    said = unpacked(packed(passage.states, passage.spans, encoded, nothing)).states()
    similar = unit_rows(question.states) @ said.T
    shares = np.exp(similar / 0.03)
    each = (shares / shares.sum(axis=1, keepdims=True) * similar).sum(axis=1)
    rarity = np.log(1 + (60 - np.array([6, 10]) + 0.5) / (np.array([6, 10]) + 0.5))  # ravens, harbours
    assert hit.parts["attention"] == pytest.approx(float(each @ rarity / rarity.sum()), abs=1e-4)


def test_highlights_stand_at_the_words_that_carry_the_score(service):
    hit = asked(service, "raven by the harbour", explain=True).hits[0]
    text, begin = hit.passage.text, hit.passage.start
    marked = [text[mark.start - begin : mark.end - begin] for mark in hit.highlights]
    assert {"raven", "harbour"} <= set(marked) and max(mark.weight for mark in hit.highlights) == 1
    told = hit.explanation["attention"]
    assert {word["text"] for word in told["query"]} == {"raven", "harbour"}
    inside = [word for word in told["passage"] if word["start"] is not None]
    assert inside and all(
        text[word["start"] - begin : word["end"] - begin] == word["text"] for word in inside
    )
    assert any(word["text"] == "Raven" and word["start"] is None for word in told["passage"])  # the title


def test_a_question_of_which_no_word_is_known_finds_nothing(service):
    found = asked(service, "zeppelin", explain=True)
    assert (found.mode, list(found.hits), found.degraded) == ("attention", [], [])


def test_likeness_is_by_its_states_too(service):
    assert service.similar("birds", SimilarRequest(["raven-harbour"], encoder=KIND)).mode == "dense"
    request = SimilarRequest(["raven-harbour"], encoder=KIND, mode="attention", explain=True)
    found = service.similar("birds", request)
    assert found.mode == "attention" and not found.degraded
    assert found.hits[0].key.startswith("raven-")
    assert set(found.hits[0].parts) == {"attention", "dense", "language"}
    assert found.hits[0].score == pytest.approx(sum(found.hits[0].parts.values()), abs=1e-6)


def test_what_has_no_states_or_no_relevance_is_refused_with_what_has(service):
    with pytest.raises(
        InvalidInput, match=r"choose mode hybrid or dense, .*collection's own or one of rnn, lstm"
    ):
        service.search("birds", SearchRequest("heron", encoder="tfidf", mode="attention"))
    with pytest.raises(InvalidInput, match=r"choose mode dense, .*collection's own or one of rnn, lstm"):
        service.similar("birds", SimilarRequest(["raven-harbour"], encoder="tfidf", mode="attention"))
    with pytest.raises(InvalidInput, match=r"leave min_relevance out, or the encoder rnn"):
        asked(service, "heron", min_relevance=0.5)
    assert service.search("birds", SearchRequest("heron", encoder="tfidf")).mode == "hybrid"


def test_what_is_stored_brings_its_states_and_what_goes_takes_them(service):
    assert len(states(service)) == 60
    service.put_document("birds", NewDocument("new", "A raven in the garden feeds a robin."))
    assert len(states(service)) == 61
    assert "new" in [hit.key for hit in asked(service, "raven garden robin").hits[:2]]
    service.delete_documents("birds", ["new"])
    assert len(states(service)) == 60
    service.remove_encoder("birds", KIND)
    assert changed(service, "SELECT DISTINCT encoder_id FROM token_states") == [
        (seen_through(service, "transformer").encoder_id,)
    ]


def test_states_of_an_encoder_that_an_older_version_fitted_are_made_later(service, monkeypatch):
    right, encoder = states(service), seen_through(service).encoder_id
    changed(service, "DELETE FROM token_states WHERE encoder_id = ?", encoder)
    found = asked(service, "raven harbour")
    assert found.mode == "hybrid" and "have no token states yet" in found.degraded[0]
    missing = "60 passages {}have no token states by the encoder rnn yet; "
    assert verify(service).notes == [f"birds: {missing.format('')}`xunyi worker --once` makes them"]
    monkeypatch.setattr(keeping, "FILLED_MAX", 59)
    assert keep_caches(service, "birds") == [
        "60 passages of birds have no token states by the encoder rnn yet; "
        "the worker of `xunyi serve`, or `xunyi worker --once`, makes them"
    ]
    kept(service)
    assert states(service) == right
    assert verify(service).notes == []
    assert asked(service, "raven harbour").mode == "attention"


def test_damaged_states_are_told_and_made_anew(service):
    right = states(service)
    first = min(right)
    cut = "UPDATE token_states SET states = ? WHERE passage_id = ? AND encoder_id = ?"
    changed(service, cut, right[first][:-1], first, seen_through(service).encoder_id)
    found = asked(service, "heron marsh", limit=60)
    assert found.mode == "hybrid" and "damaged" in found.degraded[0]
    (problem,) = verify(service).problems
    assert (problem.where, problem.code) == (f"birds, encoder rnn, passage {first}", "states_damaged")
    kept(service)
    assert states(service) == right and verify(service).problems == []


def test_an_encoder_whose_files_are_damaged_keeps_no_other_from_being_filled(service, caplog):
    changed(service, "DELETE FROM token_states")
    for path in service.settings.encoders_folder.glob(f"{KIND}-*/weights.safetensors"):
        path.write_bytes(b"")
    own = seen_through(service, "transformer").encoder_id
    counted = "SELECT encoder_id, count(*) FROM token_states GROUP BY 1"
    with service.cache_lock.held("a test", service.clock()):
        worker = Worker(service)
        worker.run_until_idle()
        assert changed(service, counted) == [(own, 60)]
        service.put_document("birds", NewDocument("new", "A raven in the garden."))
        changed(service, "DELETE FROM token_states WHERE passage_id = (SELECT max(id) FROM passages)")
        worker.run_until_idle()
    assert changed(service, counted) == [(own, 61)]
    assert "makes them anew" in caplog.text and "rnn" in caplog.text


def test_a_fitted_mix_is_of_the_own_encoder_and_leaves_others_alone(service):
    weights, made_of = json.dumps({"dense": 5.0}), json.dumps({"transformer": "gone"})
    changed(
        service,
        "INSERT INTO mixes (collection_id, weights, made_of, figures, adopted, in_use, created_at) "
        "VALUES (?, ?, ?, '{}', 1, 1, '2024-05-01 00:00:00')",
        seen_through(service).id,
        weights,
        made_of,
    )
    assert "the fitted mix is out of use" in service.search("birds", SearchRequest("raven")).degraded[0]
    assert asked(service, "raven").degraded == []


def test_it_is_measured_as_a_system(service, capsys, tmp_path):
    with service.database.read() as connection:
        there = systems_of(connection, collections.get(connection, "birds"))
    assert "rnn:attention" in there and "lstm:attention" not in there and "tfidf:attention" not in there
    folder = tmp_path / "judged"
    folder.mkdir()
    questions = [(f"{bird}-{place}", f"{bird} {place}") for bird in BIRDS[:3] for place in PLACES]
    lines = [json.dumps({"_id": key, "text": text}) for key, text in questions]
    (folder / "queries.jsonl").write_text("\n".join(lines), "utf-8")
    rows = [f"{key}\t{key}\t1" for key, _ in questions]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]), "utf-8")
    home = ["--home", str(service.settings.home)]
    assert run(["judgements", "mine", "-c", "birds", "--from", str(folder), *home]) == 0
    capsys.readouterr()
    assert run(["evaluate", "birds", "--systems", "rnn:attention,rnn", "--json", *home]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["systems"]["rnn:attention"]["nDCG@10"] == 1.0
    assert run(["evaluate", "birds", "--systems", "lstm:attention", *home]) == 2
    assert "unknown_encoder" in capsys.readouterr().err
    assert run(["evaluate", "birds", "--systems", "tfidf:attention", *home]) == 2
    assert "there is no system 'tfidf:attention'" in capsys.readouterr().err


def test_the_shell_searches_by_it(service, capsys):
    home = ["-c", "birds", "--home", str(service.settings.home), "--json"]
    capsys.readouterr()
    assert run(["search", "raven", "harbour", "--encoder", KIND, "--mode", "attention", *home]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["mode"], found["hits"][0]["key"]) == ("attention", "raven-harbour")
