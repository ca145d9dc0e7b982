"A run's record and what its stages left: written at once, merged, looked at before anything is skipped."
import subprocess

import pytest

from wsss_nb.core import RunError, read_json, write_json
from wsss_nb.record import RunRecord, clear_damage, content_key, damage, git_commit, note_made, stage_folder, stage_key


def test_fields_are_laid_over_fields(tmp_path):
    r = RunRecord(tmp_path/"run")
    assert r.data == {}
    r.create(method="toy", data=dict(name="a", train=3), versions={}, commit=None)
    created = r.data["created"]
    r.update(data=dict(train=4), init=dict(net=dict(source="random")))
    assert r.data["data"] == dict(name="a", train=4) and r.data["status"] == "queued"
    r.create(method="toy", versions={}, commit=None)  # taken up again
    assert r.data["created"] == created and r.data["data"]["train"] == 4


@pytest.mark.parametrize("error,status,said", [(None, "done", None), (ValueError("no seed"), "failed", "ValueError: no seed"), (RunError("a sentence"), "failed", "a sentence"), (KeyboardInterrupt(), "killed", "KeyboardInterrupt: ")])
def test_a_stage_says_how_it_ended(tmp_path, error, status, said):
    r = RunRecord(tmp_path)
    try:
        with r.stage("t1", "key", params=dict(a=1)) as notes:
            assert r.data["status"] == r.data["stages"]["t1"]["status"] == "running"
            notes["bytes"] = 7
            if error: raise error
    except type(error) as e:
        assert e is error
    s = r.data["stages"]["t1"]
    assert (s["status"], s["error"], s["key"], s["bytes"], s["params"]) == (status, said, "key", 7, dict(a=1)) and s["seconds"] >= 0
    assert r.data["status"] == ("running" if status == "done" else status)  # other stages are to come


@pytest.fixture
def made(tmp_path):
    "A run's folder whose stage t1 has made two files."
    for name in ("a.txt", "b.txt"): (tmp_path/"maps"/name).parent.mkdir(exist_ok=True); (tmp_path/"maps"/name).write_text(name)
    (tmp_path/"maps"/".lock").touch()
    with RunRecord(tmp_path).stage("t1", "key"): assert note_made(tmp_path, "t1", ["maps"]) == 10  # bytes; what is hidden is nobody's result
    return tmp_path


def done(folder, key="key"): return RunRecord(folder).stage_done("t1", key, "maps")


def test_done_with_these_inputs_and_whole(made):
    assert done(made) and not done(made, "another key") and not RunRecord(made).stage_done("t2", "key", "maps")


@pytest.mark.parametrize("hurt,what", [(lambda f: f.unlink(), "is missing"), (lambda f: f.write_text("A.txt"), "has changed"), (lambda f: f.write_text(""), "has changed")], ids=["gone", "other", "cut"])
def test_what_is_not_as_it_was_is_made_again(made, hurt, what):
    file = made/"maps"/"a.txt"
    hurt(file)
    assert damage(made, "t1") == [(file, what)] and not done(made)
    said, = clear_damage(made, "t1")
    assert f"a.txt {what} since it was made: made again" in said and not file.exists() and (made/"maps"/"b.txt").exists()


def test_a_list_that_cannot_be_read_vouches_for_nothing(made):
    listed = made/"notebooks"/"t1.made.json"
    for text in ("{", '{"maps/a.txt": []}', '[1]'):
        listed.write_text(text)
        assert damage(made, "t1") == [(listed, "has changed")] and not done(made)


def test_a_stages_folder_is_kept_for_the_same_inputs_and_else_emptied(tmp_path):
    folder = stage_folder(tmp_path/"cam", alpha=.5)
    (folder/"a.npz").touch()
    (folder/".b.npz.123.part").touch()
    key = stage_key(folder)
    assert stage_folder(folder, alpha=.5) == folder and (folder/"a.npz").exists()
    assert not (stage_folder(folder, alpha=.6)/"a.npz").exists() and stage_key(folder) != key


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path):
    (tmp_path/"mine.txt").touch()
    with pytest.raises(RunError, match="holds files that no stage wrote"): stage_folder(tmp_path, alpha=.5)
    assert (tmp_path/"mine.txt").exists() and not (tmp_path/"inputs.json").exists()


def test_files_that_no_stage_made_are_known_by_their_content(tmp_path):
    (tmp_path/"a").write_text("1")
    before = stage_key(tmp_path)
    assert before == content_key(tmp_path)
    (tmp_path/"a").write_text("2")
    assert stage_key(tmp_path) != before
    with pytest.raises(RunError, match="nothing is not there: run the stage that makes it first"): stage_key(tmp_path/"nothing")


def test_the_commit_and_whether_files_differ_from_it(tmp_path):
    assert git_commit(tmp_path) is None
    git = lambda *a: subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *a], cwd=tmp_path, check=True, capture_output=True)
    git("init"); (tmp_path/"x").write_text("1"); git("add", "x"); git("commit", "-m", "x")
    head = git_commit(tmp_path)
    (tmp_path/"x").write_text("2")
    assert len(head) == 12 and git_commit(tmp_path) == f"{head}+changes"


def test_a_record_that_is_none(tmp_path):
    (tmp_path/"run.json").write_text("{")
    with pytest.raises(RunError, match="run.json"): RunRecord(tmp_path).data
    write_json(tmp_path/"run.json", dict(status=3))
    with pytest.raises(RunError, match="status"): RunRecord(tmp_path).data
    assert read_json(tmp_path/"run.json") == dict(status=3)
