"""metrics.json is strict JSON."""

import json

from hybrid_sbir.callbacks.run_record import _write_json


def test_null_stands_for_what_is_no_number(tmp_path):
    _write_json(tmp_path / "m.json", {"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": (2,)}})
    assert json.loads((tmp_path / "m.json").read_text()) == {"a": None, "b": [1.5, None], "c": {"d": [2]}}
