"""The two tables of WordNet's nouns: what they hold, where they come from, and that nobody reads them too early."""
import gzip
import subprocess
import sys
from pathlib import Path

import pytest

import wsss_nb
from wsss_nb.core import DataError
from wsss_nb.wordnet import read_wordnet, with_ancestors, wordnet_table, write_tables

TABLES = Path(wsss_nb.__file__).parent/"data"/"wordnet"
WORDNET = Path("/usr/share/wordnet")


def test_counts():
    t = wordnet_table()
    assert list(t.classes.values()) == list(range(1000)) and len(t.synsets) == 1860
    assert len(t.below["n00001740"]) == 1000
    assert [s.id for s in t.synsets.values() if not s.parents] == ["n00001740"]  # entity
    for id in t.classes: assert "n00001740" in with_ancestors(id, t.synsets), id
    assert all(t.below[id] == {k} for id, k in t.classes.items()), "no class lies below another"


def test_same_order_as_timm():
    from timm.data import ImageNetInfo
    assert list(wordnet_table().classes) == list(ImageNetInfo().label_names())


def test_licence_lies_beside_the_tables():
    text = (TABLES/"LICENSE").read_text()
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text and "Permission to use, copy, modify and distribute" in text


@pytest.mark.skipif(not (WORDNET/"data.noun").exists(), reason="WordNet 3.0 is not installed (Debian: wordnet-base)")
def test_training_notebook_makes_the_tables_again(repo, tmp_path):
    import papermill
    made = {}
    for run in ("one", "two"):
        if run == "one":
            papermill.execute_notebook(repo/"nbs/training/t04_names.ipynb", tmp_path/"out.ipynb", dict(wordnet=str(WORDNET), to=str(tmp_path/run)),
                                       cwd=str(repo), progress_bar=False)
        else: write_tables(read_wordnet(WORDNET), list(wordnet_table().classes), tmp_path/run)
        made[run] = {p.name: p.read_bytes() for p in (tmp_path/run).iterdir()}
    assert made["one"] == made["two"] and set(made["one"]) == {"imagenet.tsv", "nouns.tsv.gz"}
    assert made["one"]["imagenet.tsv"] == (TABLES/"imagenet.tsv").read_bytes()
    kept = (TABLES/"nouns.tsv.gz").read_bytes()
    assert gzip.decompress(made["one"]["nouns.tsv.gz"]) == gzip.decompress(kept)
    assert kept[4:8] == bytes(4), "a time in the gzip header"
    if gzip.compress(gzip.decompress(kept), 9, mtime=0) == kept: assert made["one"]["nouns.tsv.gz"] == kept  # zlib's builds differ


def test_wordnet_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="data.noun is not there: give the folder of WordNet 3.0"): read_wordnet(tmp_path)


def test_ids_of_another_wordnet(tmp_path):
    with pytest.raises(DataError, match="n99999999.*version 3.0"): write_tables({}, ["n99999999"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_torch_and_no_table_at_import():
    code = "import sys, wsss_nb.names as n, wsss_nb.wordnet; assert 'torch' not in sys.modules and not wsss_nb.wordnet.wordnet_table.cache_info().currsize; n.understand('mouse'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(wsss_nb.__file__).parents[1])
