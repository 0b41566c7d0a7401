"""Four rows for four kinds of attention: each ranks by its own weights, learned from the texts alone."""

import json

import pytest

from indexer.cli import run

PLACES = "harbour orchard station chapel market valley".split()
THINGS = "kettle lantern saddle anchor violin candle ladder mirror bucket hammer".split()
SYSTEMS = ["attention:simple", "attention:trainable", "attention:causal", "attention:multihead"]


@pytest.fixture
def judged(tmp_path):
    folder = tmp_path / "judged"
    folder.mkdir()
    rows = [(thing, place) for thing in THINGS for place in PLACES]
    texts = [
        f"The {thing} in the {place} was mended with wire.\n\nA storm took the {thing} to the {place}."
        for thing, place in rows
    ]
    corpus = [
        {"_id": str(n), "title": f"{thing} of the {place}", "text": text}
        for n, ((thing, place), text) in enumerate(zip(rows, texts, strict=True))
    ]
    queries = [{"_id": f"q{n}", "text": f"mended {rows[n][0]} {rows[n][1]}"} for n in range(0, 60, 12)]
    for name, lines in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    judgements = ["query-id\tcorpus-id\tscore", *(f"q{n}\t{n}\t1" for n in range(0, 60, 12))]
    (folder / "qrels.tsv").write_text("\n".join(judgements) + "\n", "utf-8")
    return folder


@pytest.mark.slow
def test_each_kind_has_a_row_and_evaluating_puts_none_into_use(judged, home, capsys):
    command = ["evaluate", str(judged), "--home", str(home), "--systems", ",".join(SYSTEMS), "--json"]
    assert run(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["systems"]) == SYSTEMS
    assert list(found["trained"]) == SYSTEMS[1:]
    for test in found["trained"].values():
        assert test["source"] == "texts" and test["before"] == "simple"
        assert isinstance(test["adopted"], bool) and test["held_out"] >= 20
    assert all(0 <= row["nDCG@10"] <= 1 for row in found["systems"].values())
    assert run(command) == 0  # what is trained is not trained again
    again = json.loads(capsys.readouterr().out)
    assert again["trained"] == found["trained"]
    measures = ("nDCG@10", "R@100", "RR@10")
    for system in SYSTEMS:
        assert [again["systems"][system][name] for name in measures] == [
            found["systems"][system][name] for name in measures
        ]
    assert (
        run(["train", "attention", "--kind", "simple", "-c", "evaluation", "--home", str(home), "--json"])
        == 0
    )
    assert json.loads(capsys.readouterr().out)["before"] == "simple"
