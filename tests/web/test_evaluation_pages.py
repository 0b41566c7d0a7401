"""The pages for judging and for evaluations, read as a browser without script reads them."""

import hashlib
import html
import io
import re

import pytest

from tests.web.test_pages import HOSTILE, form_token, text_of

BIRDS = "heron stork crane eagle falcon sparrow swallow robin thrush raven".split()


@pytest.fixture(scope="module")
def rookery(app):
    client = app.test_client()
    for bird in BIRDS:
        body = {
            "title": bird,
            "text": f"The {bird} nests near the marsh, where a young {bird} learns to fly.",
        }
        assert client.put(f"/v1/collections/rookery/documents/{bird}", json=body).status_code == 201
    return "/collections/rookery"


@pytest.fixture
def post(client):
    def post(address, **fields):
        return client.post(address, data={"form_token": form_token(client), **fields})

    return post


def shown(page):
    """Return the keys that are to be judged, in the order of the page."""
    return re.findall(r'name="document" value="([^"]*)"', page.text)


def table(page):
    """Return the rows of the first table, without its head."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.text, re.S)[1:]
    return [
        [
            " ".join(html.unescape(re.sub("<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)
        ]
        for row in rows
    ]


def test_a_set_is_made_judged_and_measured(client, rookery, post, work):
    made = post(f"{rookery}/judgements", name=" mine ")
    assert (made.status_code, made.headers["Location"]) == (303, f"{rookery}/judgements/mine")
    for bird in ("heron", "falcon", "raven"):
        added = post(f"{rookery}/judgements/mine/questions", text=f"where does a young {bird} fly")
        assert added.status_code == 303
    page = client.get(added.headers["Location"])
    assert page.status_code == 200 and "where does a young raven fly" in text_of(page)
    assert sorted(shown(page)) == sorted(BIRDS)
    assert not re.search(r"lexical|dense|attention|hybrid", page.text)
    # Question and key alone make the order: neither who found a document nor at what place has a say in it.
    assert shown(page) == sorted(BIRDS, key=lambda bird: hashlib.sha256(f"q3\0{bird}".encode()).digest())

    for number, bird in enumerate(("heron", "falcon", "raven"), start=1):
        given = {"question": f"q{number}", "document": bird, "grade": "3", "place": "4"}
        graded = post(f"{rookery}/judgements/mine/grades", **given)
        assert graded.headers["Location"] == f"{rookery}/judgements/mine?question=q{number}#d4"
    page = client.get(graded.headers["Location"])
    assert len(re.findall(r'value="3" aria-pressed="true">✓ 3 best', page.text)) == 1
    taken = post(f"{rookery}/judgements/mine/grades", question="q3", document="raven", grade="")
    assert 'aria-pressed="true"' not in client.get(taken.headers["Location"]).text
    post(f"{rookery}/judgements/mine/grades", question="q3", document="raven", grade="2")
    assert "3 questions 3 judged 3 grades" in text_of(client.get(f"{rookery}/judgements"))

    ordered = post(f"{rookery}/evaluations", judgements="mine", system=["lexical", "dense:raw"])
    assert ordered.status_code == 303
    assert "Measuring systems of rookery" in text_of(client.get(ordered.headers["Location"]))
    work()
    ended = client.get(ordered.headers["Location"])
    assert f'href="{rookery}/evaluations?judgements=mine"' in ended.text
    runs = {run["system"]: run for run in client.get(f"/v1{rookery}/evaluations").json["evaluations"]}
    page = client.get(f"{rookery}/evaluations")
    rows = {row[0]: row for row in table(page)}
    assert set(rows) == {"lexical", "dense:raw"}
    for system, run in runs.items():
        figures = [f"{value:.4f}" for value in run["measures"].values()]
        assert [cell.split()[0] for cell in rows[system][1:4]] == figures
    worse = min(runs.values(), key=lambda run: run["measures"]["nDCG@10"])["system"]
    better = next(system for system in runs if system != worse)
    held = f"/v1{rookery}/evaluations/{runs[better]['id']}/comparison/{runs[worse]['id']}"
    compared = client.get(held).json
    assert rows[worse][5] == "● baseline"
    assert rows[better][1].endswith(f"{compared['difference']:+.4f} p = {compared['p_value']:.4f}")
    turned = client.get(f"{rookery}/evaluations", query_string={"baseline": runs[better]["id"]})
    assert {row[0]: row[5] for row in table(turned)} == {better: "● baseline", worse: "compare with this"}

    one = client.get(f"{rookery}/evaluations/{runs[better]['id']}?baseline={runs[worse]['id']}&measure=RR@10")
    differences = [float(row[3]) for row in table(one)]
    assert len(differences) == 3 and differences == sorted(differences, reverse=True)
    assert f'href="{rookery}/judgements/mine?question=q1"' in one.text
    alone = client.get(f"{rookery}/evaluations/{runs[better]['id']}")
    assert [row[1] for row in table(alone)] == [
        f"{question['measures']['nDCG@10']:.4f}"
        for question in client.get(f"/v1{rookery}/evaluations/{runs[better]['id']}").json["questions"]
    ]
    chinese = client.get(f"{rookery}/evaluations?lang=zh")
    assert "集合 rookery 的评测" in text_of(chinese) and "● 基准" in text_of(chinese)
    client.get("/?lang=en")

    gone = post(f"{rookery}/evaluations/remove", evaluation=str(runs[worse]["id"]))
    assert gone.status_code == 303
    assert [row[0] for row in table(client.get(f"{rookery}/evaluations"))] == [better]
    assert post(f"{rookery}/judgements/mine/questions/remove", question="q3").status_code == 303
    assert post(f"{rookery}/judgements/remove", name="mine").status_code == 303
    assert "Nothing is judged yet" in text_of(client.get(f"{rookery}/evaluations"))


QUERIES = '{"_id": "a", "text": "young herons"}\n{"_id": "b", "text": "falcons by the marsh"}\n'
QRELS = "query-id\tcorpus-id\tscore\na\theron\t2\nb\tfalcon\t1\nb\traven\t0\n"
TOPICS, TREC_QRELS = "a\tyoung herons\nc\tthrushes\n", "a 0 heron 3\nc 0 thrush 1\n"


def brought(post, rookery, form, questions, grades, name="files", /, **fields):
    files = {
        field: (io.BytesIO(text.encode()), f"my {field}.txt")
        for field, text in (("questions", questions), ("grades", grades))
    }
    return post(f"{rookery}/judgements/import", form=form, name=name, **(files | fields))


def test_files_of_both_forms_are_imported_into_a_set(client, rookery, post):
    page = client.get(f"{rookery}/judgements").text
    assert f'action="{rookery}/judgements/import" enctype="multipart/form-data"' in page
    assert "Import two files" in page and "导入两个文件" in client.get(f"{rookery}/judgements?lang=zh").text
    client.get("/?lang=en")
    first = brought(post, rookery, "beir", QUERIES, QRELS, " files ")
    assert (first.status_code, first.headers["Location"]) == (303, f"{rookery}/judgements/files")
    assert brought(post, rookery, "trec", TOPICS, TREC_QRELS).status_code == 303
    assert client.get(f"/v1{rookery}/judgements/files").json["questions"] == [
        {"id": "a", "text": "young herons", "judgements": {"heron": 3}},
        {"id": "b", "text": "falcons by the marsh", "judgements": {"falcon": 1, "raven": 0}},
        {"id": "c", "text": "thrushes", "judgements": {"thrush": 1}},
    ]
    assert '<option value="files">' in client.get(f"{rookery}/judgements").text
    client.delete(f"/v1{rookery}/judgements/files")


@pytest.mark.parametrize(
    ("given", "status", "told"),
    [
        (("beir", QUERIES + "{}\n", QRELS), 422, "queries.jsonl, line 3: give"),
        (("beir", QUERIES, QRELS + "z\theron\t1\n"), 422, "qrels.tsv, line 5:"),
        (("beir", QUERIES, TREC_QRELS), 422, "qrels.tsv must begin with the header"),
        (("trec", TOPICS + "no tab\n", TREC_QRELS), 422, "topics.tsv, line 3:"),
        (("trec", TOPICS, "a 0 heron\n"), 422, "qrels.txt, line 1:"),
        (("bier", QUERIES, QRELS), 422, "one of these forms: beir, trec"),
        (("beir", QUERIES, QRELS, "../x"), 422, "the name of judgements has"),
        (("beir", "x" * 60_001, QRELS), 413, "is over the limit of 60000 bytes"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_nothing_is_stored(
    client, rookery, post, given, status, told
):
    refused = brought(post, rookery, *given)
    assert refused.status_code == status and told in text_of(refused)
    assert client.get(f"/v1{rookery}/judgements").json["judgements"] == []


def test_the_two_files_must_be_there_each_once_and_in_utf8(client, rookery, post):
    latin = (io.BytesIO("1\tHéron\n".encode("latin-1")), "latin.tsv")
    wrong = {
        "latin.tsv is not UTF-8: see its byte 4": {"questions": latin},
        "no file was sent": {"grades": (io.BytesIO(), "")},
        "choose one": {"grades": [(io.BytesIO(b"1"), "a"), (io.BytesIO(b"2"), "b")]},
        "holds text and no file": {"grades": "a 0 heron 3"},
    }
    for told, fields in wrong.items():
        refused = brought(post, rookery, "trec", TOPICS, TREC_QRELS, **fields)
        assert refused.status_code == 422 and told in text_of(refused)
    assert client.post(f"{rookery}/judgements/import", data={"name": "x", "form": "beir"}).status_code == 403
    assert client.get(f"/v1{rookery}/judgements").json["judgements"] == []


def test_a_deleted_document_is_told_and_its_grade_can_be_taken_back(client, rookery, post):
    asked = [{"id": "1", "text": "a heron", "judgements": {"gone/for ever": 1, "heron": 7}}]
    client.post(f"/v1{rookery}/judgements", json={"name": "old", "questions": asked})
    page = client.get(f"{rookery}/judgements/old?question=1")
    assert "not stored any more" in text_of(page) and "graded 7" in text_of(page)
    post(f"{rookery}/judgements/old/grades", question="1", document="gone/for ever", grade="")
    assert "gone/for ever" not in client.get(f"{rookery}/judgements/old?question=1").text
    client.delete(f"/v1{rookery}/judgements/old")


def test_what_is_wrong_is_told_and_nothing_hostile_runs(client, rookery, post):
    assert post(f"{rookery}/judgements", name="../x").status_code == 422
    assert client.post(f"{rookery}/judgements", data={"name": "x"}).status_code == 403
    assert post(f"{rookery}/judgements", name="remove").status_code == 303
    assert client.get(f"{rookery}/judgements/remove").status_code == 200
    asked = [{"id": HOSTILE, "text": HOSTILE, "judgements": {"heron": 1}}]
    client.post(f"/v1{rookery}/judgements", json={"name": "remove", "questions": asked})
    run = "heron".join(["1 Q0 ", " 1 2 <script>alert(1)</script>"])
    client.post(
        f"/v1{rookery}/judgements", json={"name": "remove", "questions": [{"id": "1", "text": "heron"}]}
    )
    brought = client.post(f"/v1{rookery}/evaluations/runs", json={"judgements": "remove", "run": run}).json
    addresses = (
        "judgements/remove",
        "evaluations?judgements=remove",
        f"evaluations/{brought['id']}",
    )
    pages = [client.get(f"{rookery}/{address}") for address in addresses]
    pages.append(client.get(f"{rookery}/judgements/remove", query_string={"question": HOSTILE}))
    for page in pages:
        assert page.status_code == 200
        assert HOSTILE not in page.text and "<script>alert" not in page.text
    assert post(f"{rookery}/evaluations", judgements="remove").status_code == 422
    assert post(f"{rookery}/evaluations", judgements="no", system="dense").status_code == 404
    bad = {"question": "1", "document": "heron", "grade": "9"}
    assert post(f"{rookery}/judgements/remove/grades", **bad).status_code == 422
    assert post(f"{rookery}/judgements/remove/grades", question="1").status_code == 422
    for wrong in ("-1", "x", "²", "9" * 30):
        assert client.get(f"{rookery}/evaluations?judgements=remove&baseline={wrong}").status_code == 422
    assert client.get(f"{rookery}/judgements/no").status_code == 404
    assert client.get(f"{rookery}/judgements/remove?question=no").status_code == 404
    assert client.get(f"{rookery}/evaluations/{2**62}").status_code == 404
    assert client.get("/collections/no-such/evaluations").status_code == 404
    client.delete(f"/v1{rookery}/judgements/remove")
