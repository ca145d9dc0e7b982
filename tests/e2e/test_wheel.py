"""A wheel built from the tree works in an environment that has the dependencies but not the tree."""
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PARTS = ("nbs/training", "nbs/explorers", "nbs/figures", "wsss_nb", "setup.py", "settings.ini", "pyproject.toml", "LICENSE", "README.md", "MANIFEST.in")


def run(*words, cwd, **env):
    r = subprocess.run([str(w) for w in words], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True)
    assert r.returncode == 0, f"{words}\n{r.stdout}\n{r.stderr}"
    return r.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    "Built from a copy, so that nothing is left in the tree."
    src, out = tmp_path_factory.mktemp("src"), tmp_path_factory.mktemp("dist")
    for part in PARTS:
        p = REPO/part
        if p.is_dir(): shutil.copytree(p, src/part, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
        elif p.exists(): shutil.copy(p, src/part)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, src, cwd=src)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def venv(wheel, tmp_path_factory):
    "An empty environment; a .pth file lends it the dependencies, and a path of its own comes first."
    home = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", home, cwd=home)
    site = next(home.glob("lib/python*/site-packages"))
    lent = sysconfig.get_path("purelib")
    # addsitedir would also run the .pth files there, one of which points back at the tree
    (site/"lent.pth").write_text(f"{lent}\n")
    run(home/"bin/python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--force-reinstall", wheel, cwd=home)
    return home


def test_carries_what_it_needs(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    tree = {f"wsss_nb/{p.relative_to(REPO/'wsss_nb')}" for d in ("data", "static") for p in (REPO/"wsss_nb"/d).rglob("*") if p.is_file()}
    assert any(n.startswith("wsss_nb/data/mini") and n.endswith(".safetensors") for n in names)
    assert tree <= names, tree - names
    for folder, to in (("training", "training"), ("explorers", "explorers"), ("figures", "figure_notebooks")): assert {f"wsss_nb/{to}/{p.name}" for p in (REPO/"nbs"/folder).glob("*.ipynb")} <= names
    assert not [n for n in names if n.startswith(("nbs/", "tests/"))]


def test_is_not_the_tree(venv):
    where = run(venv/"bin/python", "-c", "import wsss_nb.cli; print(wsss_nb.cli.__file__)", cwd=venv, PYTHONPATH="").strip()
    assert Path(where).resolve().is_relative_to(venv.resolve())


def test_help_and_one_map(venv, tmp_path):
    from skimage import data
    from wsss_nb.images import write_image
    from wsss_nb.masks_of_ids import read_labels
    assert "superpixels" in run(venv/"bin/wsss-nb", "--help", cwd=tmp_path, PYTHONPATH="")
    write_image(tmp_path/"cat.png", data.chelsea()[::2, ::2])
    said = run(venv/"bin/wsss-nb", "superpixels", tmp_path/"cat.png", "--out", tmp_path/"out", "--device", "cpu", cwd=tmp_path, PYTHONPATH="", OMP_NUM_THREADS="1")
    sp = read_labels(tmp_path/"out/cat.png")
    assert "1 made" in said and sp.shape == (150, 226) and sp.max() >= 1
    assert (tmp_path/"out/pictures/cat.jpg").stat().st_size > 1000


def test_runs_a_method_from_the_wheel(venv, tmp_path):
    said = run(venv/"bin/wsss-nb", "run", "clustering", "--data", "scenes:train=6,val=3,seed=0", "--out", tmp_path/"run", "--dry-run",
               cwd=tmp_path, PYTHONPATH="", WSSS_NB_HOME=str(tmp_path/"home"))
    assert "t23_growing" in said and not (tmp_path/"run").exists()


def test_draws_a_figure_and_plans_a_table_from_the_wheel(venv, tmp_path):
    there = dict(cwd=tmp_path, PYTHONPATH="", WSSS_NB_HOME=str(tmp_path/"home"))
    assert "1 figure drawn" in run(venv/"bin/wsss-nb", "figures", "1.2", "--out", tmp_path/"drawn", **there) and (tmp_path/"drawn/f1_2.pdf").exists()
    assert "6 runs" in run(venv/"bin/wsss-nb", "reproduce", "table-3.7", "--seeds", "0", "--data", "scenes:train=6,val=3", "--dry-run", **there)
