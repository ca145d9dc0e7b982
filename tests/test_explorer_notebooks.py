"The notebooks of the explorers as a reader of JupyterLab finds them."
import json
import re
from pathlib import Path

import pytest

from wsss_nb.files import explorer_notebooks

NOTEBOOKS = explorer_notebooks(Path(__file__).resolve().parents[1]/"nbs"/"explorers")


def cells(path): return [("".join(c["source"]), c["metadata"].get("tags", [])) for c in json.loads(path.read_text(encoding="utf-8"))["cells"]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_last_cell_leads_to_the_neighbours(path):
    "In the order of the start page; on the page, which has links of its own, that cell is left out."
    i, (text, tags) = NOTEBOOKS.index(path), cells(path)[-1]
    wanted = [p.name for p in (*NOTEBOOKS[max(0, i - 1):i], path.with_name("e0_start.ipynb"), *NOTEBOOKS[i + 1:i + 2])]
    assert re.findall(r"\]\((.*?)\)", text) == wanted and tags == ["lab"], f"{path.name} must end in a cell with the tag lab that links {wanted}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_theory_is_open_here_and_can_be_folded(path):
    "The page folds it by replacing these very words."
    texts = [text for text, _ in cells(path)]
    assert texts[0].startswith("# ") and texts[0].count("\n") == 2, "title and sentence only: the first picture stands high"
    assert texts[1].startswith("<details open>\n<summary>") and texts[1].endswith("\n\n</details>")
