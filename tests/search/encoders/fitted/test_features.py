"""Vectors of fields: scikit-learn's standardisation and multi-hot, and what their cosines say."""

from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

from search.encoders.fitted.base import Fit, LearningPassage
from search.encoders.fitted.document_fields import read, written
from search.encoders.fitted.features import KINDS, VALUES_MAX, declared, fit_features, open_features
from search.errors import InvalidInput
from search.text.analyzer import Analyzer

WINES = [
    {"price": 10, "tags": ["red", "dry"], "organic": True, "picked": datetime(2020, 9, 1, tzinfo=UTC)},
    {"price": 12.5, "tags": ["red", "sweet"], "organic": False, "picked": datetime(2021, 9, 1, tzinfo=UTC)},
    {"price": 100, "tags": ["white"], "organic": True, "picked": datetime(2010, 9, 1, tzinfo=UTC)},
    {"price": 800, "tags": ["white", "dry"], "organic": True, "picked": datetime(2010, 9, 20, tzinfo=UTC)},
]


def features(folder, documents, *fields):
    passages = [LearningPassage(number, "", written(one)) for number, one in enumerate(documents)]
    given = [dict(zip(("name", "kind", "weight"), field, strict=False)) for field in fields]
    folder.mkdir(exist_ok=True)
    fit_features(Fit(passages, None, 0, folder, folder, None, lambda *_: None, options={"fields": given}))
    return open_features(folder, Analyzer())


def rows(encoder, documents):
    return encoder.encode([written(one) for one in documents], "passage")


def test_numbers_are_standardised_as_by_scikit_learn(tmp_path):
    vectors = rows(features(tmp_path / "fit", WINES, ("price", "number")), WINES)
    expected = StandardScaler().fit_transform([[wine["price"]] for wine in WINES])[:, 0]
    np.testing.assert_allclose(vectors[:, 1] / vectors[:, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    times = rows(features(tmp_path / "times", WINES, ("picked", "time")), WINES)
    seconds = [[wine["picked"].timestamp()] for wine in WINES]
    expected = StandardScaler().fit_transform(seconds)[:, 0]
    np.testing.assert_allclose(times[:, 1] / times[:, 0], expected, rtol=1e-5)


def test_tags_are_multi_hot_as_by_scikit_learn(tmp_path):
    vectors = rows(features(tmp_path / "fit", WINES, ("tags", "tags")), WINES)
    expected = MultiLabelBinarizer().fit_transform([wine["tags"] for wine in WINES])
    assert ((vectors > 0) == expected).all()
    np.testing.assert_allclose(vectors[0], np.array([1, 1, 0, 0]) / np.sqrt(2), atol=1e-6)


def test_what_is_nearer_in_a_number_is_more_alike_on_either_side_of_the_mean(tmp_path):
    numbers = [{"price": price} for price in (1, 2, 40, 60, 99)]
    vectors = rows(features(tmp_path / "fit", numbers, ("price", "number")), numbers)
    for likeness in (vectors @ vectors[0], (vectors @ vectors[-1])[::-1]):
        assert (np.diff(likeness) < 0).all()


def test_the_cosine_is_the_weighted_mean_of_what_the_fields_say(tmp_path):
    fields = [("price", "number", 3), ("tags", "tags", 1), ("organic", "boolean", 2)]
    alone = [features(tmp_path / field[0], WINES, field[:2]) for field in fields]
    each = np.stack([rows(encoder, WINES) @ rows(encoder, WINES).T for encoder in alone])
    both = rows(features(tmp_path / "all", WINES, *fields), WINES)
    np.testing.assert_allclose(both @ both.T, np.tensordot([3, 1, 2], each, 1) / 6, atol=1e-5)


def test_what_is_missing_or_of_another_kind_counts_neither_way(tmp_path):
    encoder = features(tmp_path / "fit", WINES, ("price", "number"), ("tags", "tags"), ("organic", "boolean"))
    bare, other, unheard = rows(encoder, [{}, {"price": "dear", "organic": 1, "tags": 7}, {"tags": ["rosé"]}])
    assert not bare.any() and not other.any() and not unheard.any()
    [partly] = rows(encoder, [{"organic": True}])
    assert (rows(encoder, WINES) @ partly > 0).tolist() == [True, False, True, True]


def test_a_number_that_all_share_divides_by_nothing(tmp_path):
    same = [{"price": 5}, {"price": 5}]
    assert rows(features(tmp_path / "fit", same, ("price", "number")), same).tolist() == [[1, 0], [1, 0]]


def test_only_the_most_frequent_tags_have_a_place(tmp_path):
    documents = [{"tags": [f"tag {number}", "common"]} for number in range(VALUES_MAX + 50)]
    assert features(tmp_path / "fit", documents, ("tags", "tags")).dimension == VALUES_MAX


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ([], "1 to 50 declared fields"),
        ([("price", "numbr")], "did you mean 'number'.*one of: number, time, boolean, tags"),
        ([("price", "number", 0)], "weight 0"),
        ([("price", "number", float("nan"))], "weight nan"),
        ([("price", "number"), ("price", "tags")], "declared twice"),
        ([("prize", "number")], "no document has a field 'prize' \\(did you mean 'price'"),
        ([("tags", "number")], "holds no number anywhere, but such as"),
        ([("price", "tags")], "holds no tags anywhere"),
    ],
)
def test_what_is_declared_wrongly_is_told(tmp_path, fields, told):
    with pytest.raises(InvalidInput, match=told):
        features(tmp_path / "fit", WINES, *fields)


def test_fields_read_back_as_they_were_written():
    fields = {
        "time": "2020-01-01",
        "at": datetime(2020, 1, 1),
        "many": ["a", "b"],
        "n": 1,
        "x": 1.5,
        "yes": True,
    }
    assert read(written(fields)) == fields | {"at": datetime(2020, 1, 1, tzinfo=UTC)}
    assert written(fields) == written(dict(reversed(fields.items())))
    assert [one.kind for one in declared([{"name": kind, "kind": kind} for kind in KINDS])] == list(KINDS)
