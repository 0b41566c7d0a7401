"""``xunyi evaluate --calibration`` through the real shell, over the demo's texts."""

import json
from pathlib import Path

import pytest

from indexer.cli import run
from indexer.reliability import Asked, cross_fitted
from search.relevance import Calibration

DEMO = Path(__file__).parents[2] / "indexer" / "demo"


@pytest.mark.slow
def test_the_diagram_and_what_nothing_relevant_costs_belong_together(home, tmp_path, capsys):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    texts = ["contango in crude oil futures", "显卡驱动安装失败怎么办", "how do I rebase a branch"]
    lines = [json.dumps({"_id": f"{place}", "text": text}) for place, text in enumerate(texts)]
    (foreign / "queries.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    judged = "".join(f"{place}\tx\t1\n" for place in range(len(texts)))
    (foreign / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged, "utf-8")
    command = ["evaluate", str(DEMO), "--systems", "lexical", "--home", str(home)]
    assert run([*command, "--calibration", "--foreign", str(foreign), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["calibration"]
    assert (found["questions"], found["foreign"], found["foreign_from"]) == (80, 3, "foreign")
    points = {point["relevance"]: point for point in found["diagram"]}
    assert list(points) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    for kind in ("foreign_below", "judged_below"):
        shares = [point[kind] for point in found["diagram"]]
        assert shares == sorted(shares)
    assert found["usual"]["level"] == {"en": 0.9, "zh": 0.9}
    # Nothing in the demo is about these; every question has one answer, nearly always on its page.
    assert found["usual"]["rejected"] == points[0.9]["foreign_below"] == 1.0
    assert found["usual"]["recall_cost"] == pytest.approx(points[0.9]["judged_below"], abs=0.05)
    assert found["refined"] is None or found["refined"]["recall_cost"] < found["usual"]["recall_cost"]


def test_foreign_questions_are_for_calibration_alone(tmp_path, capsys):
    assert run(["evaluate", str(DEMO), "--foreign", str(tmp_path)]) == 2
    assert "--calibration" in capsys.readouterr().err


def asked(best, recall=1.0):
    return Asked(spoken="en", best=best, answer=best, recall=recall)


def test_a_question_is_held_against_levels_it_had_no_say_in():
    own = [asked(0.1, recall=0.5), *(asked(0.5 + place / 100) for place in range(29))]
    foreign = [asked(0.05), asked(0.504), asked(0.508), asked(0.6)]
    found = cross_fitted({"en": Calibration(0.0, 1.0)}, own, foreign)
    # All thirty: a twentieth of the way from the lowest is .45 of the step from .50 to .51.
    assert found.level == {"en": pytest.approx(0.5045)}
    # Without the lowest and two others the level is .513, which loses it; without .50 it is .513 too.
    assert found.recall_cost == pytest.approx((0.5 + 1) / 29.5)
    # Levels of the ten folds: .513 twice, .506 once, else .503.
    assert found.rejected == pytest.approx((2 * 3 + 1 * 2 + 7 * 1) / (10 * 4))


def test_levels_by_too_few_answers_are_not_measured():
    own = [asked(0.5 + place / 100) for place in range(21)]
    assert cross_fitted({"en": Calibration(0.0, 1.0)}, own, [asked(0.1)]) is None
    own += [asked(0.9), asked(0.9)]
    assert cross_fitted({"en": Calibration(0.0, 1.0)}, own, [asked(0.1)]) is not None
