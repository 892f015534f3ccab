"""What a verb prints when it has ended."""

from pathlib import Path

from hybrid_sbir.cli.outcome import ending, score_lines


def test_a_line_a_set_and_group_with_shares_in_percent():
    found = {
        "test/p10": 0.0638,
        "test/map": 0.0494,
        "test/seen_map": 0.05,
        "test_reranked/map": 0.0562,
        "val/loss": 3.25,
    }
    assert score_lines(found) == [
        "test           map  4.94 %  p10  6.38 %",
        "test seen      map  5.00 %",
        "test_reranked  map  5.62 %",
        "val            loss 3.25",
    ]
    assert score_lines({}) == []


def test_a_finished_run_says_where_it_is_and_how_to_go_on():
    lines = ending(Path("runs/own"), "val/map", 0.16049)
    assert lines[0] == "run: runs/own; best val/map 16.05 % (runs/own/checkpoints/best.ckpt)"
    assert "hybrid-sbir validate --config runs/own/config.yaml" in lines[1]
    assert ending(Path("runs/own"), "val/map", None)[0] == "run: runs/own (runs/own/checkpoints/last.ckpt)"
