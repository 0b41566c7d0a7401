"""What became of a switch to another encoder, in a terminal."""

from indexer.records import SwitchSummary
from indexer.shell import options


def print_switch(summary: SwitchSummary) -> None:
    """Print what became of a switch, and what can be done now."""
    console = options.Output(highlight=False)
    read = options.counted(summary.passages, "passage")
    console.print(f"{summary.collection}: {summary.after} has read {read}", markup=False)
    if summary.cut:
        console.print(f"of {summary.cut} it does not read the end, since they are too long for it")
    if summary.ndcg_before is not None:
        source = "judged questions" if summary.source == "judgements" else "questions in its own texts"
        console.print(
            f"nDCG@10 on {summary.held_out} {source}: {summary.before} {summary.ndcg_before:.4f}, "
            f"{summary.after} {summary.ndcg_after:.4f}, p = {summary.p_value:.4f}",
            markup=False,
        )
    console.print(summary.reason, markup=False)
    name, collection = summary.after, summary.collection
    if summary.adopted:
        console.print(f"back to {summary.before}: xunyi encoders rollback -c {collection}", markup=False)
    else:
        console.print(
            f"it stays beside {summary.before}: xunyi encoders switch {name} --force -c {collection} adopts "
            f"it, xunyi encoders --remove {name} -c {collection} drops it",
            markup=False,
        )
