import tracemalloc

from indexer.seen_keys import SeenKeys


def test_a_key_is_new_once():
    with SeenKeys() as seen:
        assert seen.add("a") and seen.add("键") and seen.add("A") and seen.add("")
        assert not seen.add("a") and not seen.add("键")
        assert "a" in seen and "" in seen and "b" not in seen


def test_two_runs_know_nothing_of_each_other():
    with SeenKeys() as one, SeenKeys() as other:
        assert one.add("a") and other.add("a")


def test_many_keys_lie_outside_of_python_s_memory():
    tracemalloc.start()
    try:
        with SeenKeys() as seen:
            for number in range(50_000):
                assert seen.add(f"folder/of/some/depth/document number {number}")
            assert "folder/of/some/depth/document number 49999" in seen
            assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()
