"""``features`` over a real store: fit, compared by, and following the fields as they change."""

import json

import pytest

from indexer.cli import run
from indexer.fitting import fit
from indexer.records import NewDocument
from indexer.service import Service
from indexer.settings import Settings
from indexer.systems import checked_systems
from indexer.worker import Worker
from search.errors import InvalidInput
from search.model import SearchRequest, SimilarRequest

FIELDS = [{"name": "price", "kind": "number", "weight": 2.0}, {"name": "tags", "kind": "tags"}]
WINES = {
    "table red": (8, ["red", "dry"]),
    "house red": (9, ["red", "dry"]),
    "grand red": (400, ["red", "dry"]),
    "table white": (8, ["white"]),
    "白葡萄酒": (500, ["white"]),
}


def document(key, price, tags, text=None):
    return NewDocument(key, text or f"This bottle is called {key}.", metadata={"price": price, "tags": tags})


@pytest.fixture
def service(home, models_opened_once):
    service = Service.open(Settings.from_environment({}, home=home))
    for key, (price, tags) in WINES.items():
        service.put_document("cellar", document(key, price, tags))
    fit(service, "cellar", "features", fields=FIELDS)
    yield service
    service.close()


def alike(service, *like, **more):
    request = SimilarRequest(like=like, encoder="features", **more)
    return [hit.key for hit in service.similar("cellar", request).hits]


def test_documents_are_compared_by_their_fields_whatever_they_say(service):
    assert alike(service, "table red") == ["house red", "table white", "grand red", "白葡萄酒"]
    result = service.similar("cellar", SimilarRequest(like=["白葡萄酒"], encoder="features"))
    assert result.hits[0].key in ("grand red", "table white") and result.mode == "dense" and result.exact
    assert set(result.hits[0].parts) == {"dense"}
    assert alike(service, "table red", unlike=["house red"], filter={"tags": "white"})[0] in WINES


def test_a_document_that_changes_its_fields_changes_its_vector(service):
    text = f"This bottle is called {'白葡萄酒'}."
    service.put_document("cellar", document("白葡萄酒", 8, ["red", "dry"], text))
    assert alike(service, "table red", limit=2)[0] in ("house red", "白葡萄酒")
    assert "白葡萄酒" in alike(service, "table red", limit=2)
    service.put_document("cellar", document("late", 8.5, ["red", "dry"]))
    assert "late" in alike(service, "table red", limit=2) + alike(service, "house red", limit=2)


def test_all_passages_of_a_document_are_one_example(service):
    long = "\n\n".join(f"Paragraph {number} tells of a bottle. " * 40 for number in range(4))
    service.put_document("cellar", document("long", 8, ["red", "dry"], long))
    passages = service.document("cellar", "long").passages
    assert len(passages) > 1
    request = SimilarRequest(like=[passages[0].id], encoder="features", group_by="passage")
    assert "long" not in [hit.key for hit in service.similar("cellar", request).hits]


def test_the_same_declaration_gives_the_same_encoder_and_another_replaces_it(service):
    assert fit(service, "cellar", "features", fields=FIELDS).unchanged
    other = fit(service, "cellar", "features", fields=FIELDS[:1])
    assert not other.unchanged and other.dimension == 2
    assert [info.dimension for info in service.encoders("cellar") if info.name == "features"] == [2]


def test_a_worker_fits_it_as_it_was_declared(service):
    service.remove_encoder("cellar", "features")
    task = service.fit_encoder("cellar", "features", fields=FIELDS)
    assert task.options["fields"][0] == {"name": "price", "kind": "number", "weight": 2.0}
    with service.cache_lock.held("a test", service.clock()):
        Worker(service).run_until_idle()
    assert service.task(task.id).state == "succeeded"
    assert alike(service, "table red")[0] == "house red"


def test_a_question_in_words_is_refused_and_so_is_its_evaluation(service):
    for mode in (None, "dense", "lexical"):
        with pytest.raises(InvalidInput, match="features has no words"):
            service.search("cellar", SearchRequest("red wine", mode=mode, encoder="features"))
    with pytest.raises(InvalidInput, match="answers no questions"):
        checked_systems(["lexical", "features"])
    with pytest.raises(InvalidInput, match="lsi reads words and takes none"):
        service.fit_encoder("cellar", "lsi", fields=FIELDS)
    with pytest.raises(InvalidInput, match="1 to 50 declared fields"):
        service.fit_encoder("cellar", "features")
    with pytest.raises(InvalidInput, match="no document has a field 'prise'"):
        fit(service, "cellar", "features", fields=[{"name": "prise", "kind": "number"}])


def test_other_encoders_compare_too(service):
    fit(service, "cellar", "lsi")
    found = service.similar("cellar", SimilarRequest(like=["table red"], encoder="lsi")).hits
    assert len(found) == 4 and {hit.key for hit in found} == set(WINES) - {"table red"}


def test_the_shell_declares_fits_and_compares(service, home, capsys):
    train = ["--home", str(home), "train", "features", "-c", "cellar", "--json"]
    assert run([*train, "--field", "price:number:2", "--field", "tags:tags"]) == 0
    assert json.loads(capsys.readouterr().out)["unchanged"] is True
    asked = ["--home", str(home), "similar", "table red", "-c", "cellar", "--encoder", "features", "--json"]
    assert run(asked) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["key"] == "house red"
    for field, told in (
        ("price", "is not NAME:KIND"),
        ("price:x:y", "is not NAME:KIND"),
        ("a:b:2", "cannot be 'b'"),
    ):
        assert run([*train, "--field", field]) == 2
        assert told in capsys.readouterr().err
    assert run(["--home", str(home), "train", "lsi", "-c", "cellar", "--field", "price:number"]) == 2
    assert "takes none" in capsys.readouterr().err
