"What the tests of whole runs work on."
import pytest


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    "Twelve scenes as an own folder, so that no preset applies. To be read only: tests that change it take a copy."
    from wsss_nb.scenes import write_scenes
    return write_scenes(tmp_path_factory.mktemp("world")/"tiny", train=8, val=4, seed=1)
