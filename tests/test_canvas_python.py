"The Python half of the canvas and of the charts: what is sent, and what is refused."
import numpy as np
import pytest

from wsss_nb.canvas import Canvas, Chart, pack, parse_key
from wsss_nb.core import DataError, ParameterError


@pytest.fixture
def canvas():
    c = Canvas()
    c.sent = []
    c.send = lambda content, buffers=None: c.sent.append((content, buffers))
    return c


@pytest.mark.parametrize("a,dtype", [(np.arange(6).reshape(2, 3), "uint8"), (np.array([0, 256]), "uint16"), (np.array([0, 70000]), "int32"), (np.array([-1]), "int32"),
                                     (np.array([True]), "uint8"), (np.ones(2, np.float16), "float32"), (np.ones(2), "float64")])
def test_an_array_arrives_as_it_was(a, dtype):
    info, raw = pack("a", a)
    assert info == dict(shape=list(a.shape), dtype=dtype)
    np.testing.assert_array_equal(np.frombuffer(raw, dtype).reshape(a.shape), a)


def test_a_view_with_gaps_is_sent_whole():
    a = np.arange(24).reshape(4, 6)[::2, ::-3]
    assert (np.frombuffer(pack("a", a)[1], np.uint8).reshape(2, 2) == a).all()


@pytest.mark.parametrize("a,words", [(np.array([np.nan]), "NaN or infinite"), (np.zeros((0, 3)), "shape \\(0, 3\\)"), (np.array(["x"]), "must hold numbers")])
def test_what_no_browser_can_draw_is_refused(canvas, a, words):
    with pytest.raises(DataError, match=words): canvas.put("a", a)


def test_keys():
    assert parse_key("other|method=1|count=28") == ("other", dict(method=1, count=28)) and parse_key("sp|tau=-0.05") == ("sp", dict(tau=-.05))


def test_only_the_news_is_announced_and_answers_carry_its_number(canvas):
    canvas.put("image", np.zeros((2, 2, 3), np.uint8)); canvas.put("image", np.ones((2, 2, 3), np.uint8))
    assert [m for m, _ in canvas.sent] == [dict(type="fresh", names=dict(image=1)), dict(type="fresh", names=dict(image=2))] and not any(b for _, b in canvas.sent)
    canvas._receive(canvas, dict(type="need", key="image"), [])
    assert canvas.sent[-1] == (dict(type="array", key="image", version=2, shape=[2, 2, 3], dtype="uint8"), [b"\x01"*12])


def test_held_changes_are_announced_together_even_after_an_error(canvas):
    with pytest.raises(ZeroDivisionError), canvas.hold():
        canvas.put("a", np.ones(1)); canvas.put("b", np.ones(1))
        1/0
    assert [m["names"] for m, _ in canvas.sent] == [dict(a=1, b=1)]
    canvas.put("a", np.ones(1))
    assert canvas.sent[-1][0]["names"] == dict(a=2)


def test_a_provider_is_asked_with_parameters_and_its_errors_are_sentences(canvas):
    def fn(tau):
        if tau > 1: raise ParameterError("tau must lie in [-1, 1]")
        return (None, {}) if tau < 0 else (np.full((1, 2), tau), dict(count=3))
    canvas.provide("sp", fn)
    for tau, kind in ((.5, "array"), (-.5, "none"), (2, "none")):
        canvas._receive(canvas, dict(type="need", key=f"sp|tau={tau}"), [])
        assert canvas.sent[-1][0]["type"] == kind
    assert canvas.sent[-1][0]["text"] == "tau must lie in [-1, 1]" and canvas.sent[-3][0]["meta"] == dict(count=3) and canvas.sent[-2][0]["text"] == ""


def test_what_is_not_there_is_said_to_be_absent(canvas):
    for name in ("nothing", "gt"):
        if name == "gt": canvas.put("gt", None)
        canvas._receive(canvas, dict(type="need", key=name), [])
        assert canvas.sent[-1][0]["type"] == "none"


def test_a_saved_notebook_holds_no_arrays(canvas):
    canvas.put("image", np.random.default_rng(0).integers(0, 256, (375, 500, 3), dtype=np.uint8))
    state = {k: v for k, v in canvas.get_state().items() if k not in ("_esm", "_css")}
    assert len(str(state)) < 10_000


def test_wrong_use(canvas):
    with pytest.raises(ParameterError, match="knows no taus"): Canvas(taus=.3)
    with pytest.raises(ParameterError, match="cannot name an array"): canvas.put("sp|tau", np.ones(1))
    canvas.derived = dict(seed=dict(op="seed"))
    with pytest.raises(ParameterError, match="derived"): canvas.put("seed", np.ones(1))


def test_clicks_and_lassos(canvas):
    got = []
    canvas.on_click(lambda *a: got.append(a)); canvas.on_lasso(lambda *a: got.append(a))
    canvas._receive(canvas, dict(type="click", pane=1, x=3, y=4), [])
    canvas._receive(canvas, dict(type="lasso", pane=0, points=[[0, 0], [1, 0], [1, 1]]), [])
    assert got == [(1, 3, 4), (0, [[0, 0], [1, 0], [1, 1]])]


@pytest.mark.parametrize("kw,words", [(dict(kind="pie"), "lines, bars, histogram, map"), (dict(data=dict(x=[0, 1], series=[dict(name="cat", y=[1])])), "'cat' has 1"),
                                      (dict(data=dict(x=[1, 0], series=[dict(y=[1, 2])])), "must ascend"), (dict(kind="map", data=dict(x=[0, 1], y=[0], z=[[1]])), "row 0"),
                                      (dict(kind="bars", data=dict(names=[], series=[])), "names"), (dict(x_range=[1, 0]), "x_range")])
def test_charts_refuse_what_does_not_fit(kw, words):
    with pytest.raises(ParameterError, match=words): Chart(**kw)


def test_charts_keep_gaps_and_six_digits():
    d = Chart(data=dict(x=np.arange(3), series=[dict(name="p", y=np.array([1/3, np.nan, np.inf]))])).data
    assert d == dict(x=[0, 1, 2], series=[dict(name="p", y=[.333333, None, None])])
