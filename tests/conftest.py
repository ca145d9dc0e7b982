"""What several tests share."""
import os
import signal
from pathlib import Path

import pytest

# Triton reads this once, when it is first imported, by whomever: without a card its kernels are interpreted.
if not Path("/dev/nvidiactl").exists(): os.environ["TRITON_INTERPRET"] = "1"

REPO = Path(__file__).resolve().parents[1]


def pytest_configure(config):
    "A job in the background is born deaf to Ctrl-C, and so would be the programs whose end by Ctrl-C is tested."
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repo(): return REPO


@pytest.fixture(scope="session")
def shared_data():
    "The folder with real photographs; tests that need it are skipped, and say so, where there is none."
    folder = Path(os.environ.get("WSSS_NB_SHARED") or REPO.parent/"shared"/"data")
    if not folder.is_dir(): pytest.skip("no real photographs: set WSSS_NB_SHARED to their folder, or put it at ../shared/data")
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    "A cache of our own for the whole session, so that tests neither read nor fill the user's."
    old, new = os.environ.get("WSSS_NB_HOME"), tmp_path_factory.mktemp("home")
    os.environ["WSSS_NB_HOME"] = str(new)
    yield new
    os.environ.pop("WSSS_NB_HOME")
    if old is not None: os.environ["WSSS_NB_HOME"] = old


@pytest.fixture(scope="session")
def scenes(home):
    "A small built-in dataset: 24 scenes to train on, 12 to judge with."
    from wsss_nb.datasets import open_dataset
    return open_dataset("scenes:train=24,val=12,seed=0")


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    "The packaged clustering run with a segmenter, that of the masking run, on scenes of which twelve are held out. To be read only: tests that change it take a copy."
    import json
    import shutil

    from wsss_nb.artefacts import demo_folder
    folder = shutil.copytree(demo_folder(), tmp_path_factory.mktemp("whole")/"run")
    for p in (demo_folder("demo-masking")/"segmenter").glob("model.*"): shutil.copy(p, folder/"segmenter")
    record = json.loads((folder/"run.json").read_text())
    record["data"].update(spec="scenes:train=400,val=12,seed=0", val=12)
    (folder/"run.json").write_text(json.dumps(record))
    return folder
