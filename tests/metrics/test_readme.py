"""The README's example of ranking metrics runs as it stands there."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_example_runs():
    section = README.read_text().split("## Ranking metrics")[1].split("\n## ")[0]
    names = {}
    exec(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1], names)
    assert 0 < names["found"].mean()["ap"] < 0.1  # random embeddings of 33 classes
    assert names["found"].remarks() == []
