"Every figure's notebook draws from the packaged samples, with few pictures; all in one process, since kernels and imports would take most of the time."
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

REPO = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((REPO/"nbs"/"figures").glob("f[1-3]_*.ipynb"), key=lambda p: [*map(int, re.findall(r"\d+", p.stem)[:2])])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_draws(path, tmp_path, monkeypatch, home):
    monkeypatch.chdir(tmp_path)
    name, space = "_".join(path.stem.split("_")[:2]), dict(display=lambda *a: None)
    for c in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if c["cell_type"] != "code": continue
        exec(compile("".join(c["source"]), str(path), "exec"), space)
        if "parameters" in c["metadata"].get("tags", []): space.update(out=str(tmp_path), n=2)
    plt.close("all")
    made = {p.name: p.stat().st_size for p in tmp_path.glob("f*")}
    assert made.keys() >= {f"{name}.{e}" for e in ("png", "pdf", "svg", "md")} and all(made.values())
