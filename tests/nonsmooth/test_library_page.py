"""The page on the library as a user follows it (docs/library.md): its code, from top to bottom."""

import math
import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()


def test_the_code_of_the_page_runs_and_does_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope: dict = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, scope)
    printed = capsys.readouterr().out
    assert "finished after 50 iterations" in printed
    assert re.search(r"^(stopped|finished) \d+$", printed, re.MULTILINE)
    validated = [loss for loss in scope["training"].history["validation_loss"][1:] if not math.isnan(loss)]
    assert scope["best"]["loss"] == min(validated)
    assert scope["predicted"].shape == (200,)
