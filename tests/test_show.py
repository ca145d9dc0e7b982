import base64
import io

import cv2
import hypothesis.strategies as st
import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageSequence
from skimage.color import rgb2lab
from skimage.data import astronaut
from skimage.segmentation import find_boundaries
from wsss_nb.show import (PALETTE, boundaries, colorize, data_uri, golden_colors, grid, heatmap, hex_color, legend_handles,
                          overlay, save_animation, style, superpixel_picture)

PHOTO = np.ascontiguousarray(astronaut()[:90, 150:270])  # (90,120,3)
LABELS = np.zeros((90, 120), np.uint8)
LABELS[10:40, 10:40], LABELS[50:80, 50:90], LABELS[:, 100:] = 1, 7, 255
SP = (np.arange(90)//30)[:, None]*4 + np.arange(120)//30  # 12 blocks


def simulated(rgb, kind):
    "Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB"
    M = dict(deutan=[[.367322, .860646, -.227968], [.280085, .672501, .047413], [-.01182, .04294, .968881]],
             protan=[[.152286, 1.052583, -.204868], [.114503, .786281, .099216], [-.003882, -.048116, 1.051998]], normal=np.eye(3))[kind]
    c = rgb/255
    c = np.clip(np.where(c <= .04045, c/12.92, ((c + .055)/1.055)**2.4) @ np.transpose(M), 0, 1)
    return np.where(c <= .0031308, 12.92*c, 1.055*c**(1/2.4) - .055)


def closest(rgb, kind):
    lab = rgb2lab(simulated(rgb, kind)[None])[0]
    return np.linalg.norm(lab[:, None] - lab, axis=-1)[~np.eye(len(rgb), dtype=bool)].min()


# --- colours -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind, n, least", [("normal", 8, 25), ("deutan", 8, 15), ("protan", 8, 15), ("normal", 20, 15), ("deutan", 12, 15)])
def test_colours_stay_apart(kind, n, least): assert closest(PALETTE[1:n + 1], kind) > least


def test_palette():
    assert PALETTE.shape == (256, 3) and PALETTE.dtype == np.uint8
    assert PALETTE[0].std() == 0 and PALETTE[255].tolist() == [255]*3
    assert len(np.unique(PALETTE[:81], axis=0)) == 81  # COCO's classes and background: no two alike
    assert hex_color(5) == "#0072b2" and hex_color(255) == "#ffffff"


def test_golden_colors():
    assert golden_colors(0).shape == (0, 3) and golden_colors(500).shape == (500, 3)
    assert (golden_colors(7) == golden_colors(50)[:7]).all()
    lab = rgb2lab(golden_colors(60)[None]/255)[0]
    assert np.linalg.norm(np.diff(lab, axis=0), axis=1).min() > 25  # neighbours in the list


def test_colorize():
    out = colorize(LABELS)
    assert out.shape == (90, 120, 3) and out.dtype == np.uint8
    for c in (0, 1, 7): assert (out[LABELS == c] == PALETTE[c]).all()
    assert 0 < (out[LABELS == 255] == 255).all(-1).mean() < 1  # white, with stripes
    assert (colorize(torch.from_numpy(LABELS).long()) == out).all()


# --- overlays --------------------------------------------------------------------------------------------------------

@settings(deadline=None, max_examples=40)
@given(arrays(np.int16, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12), elements=st.integers(-1, 3)))
def test_boundaries_are_one_side_of_scikit_images(a):
    thin, thick = boundaries(a), find_boundaries(a, connectivity=1, mode="thick")
    assert not (thin & ~thick).any() and thin.any() == thick.any()


def test_overlay_leaves_background_and_input_alone():
    before, labels = PHOTO.copy(), LABELS.copy()
    out = overlay(PHOTO, LABELS)
    far = np.zeros_like(LABELS, bool)
    far[45:48, :40] = True
    assert (out[far] == PHOTO[far]).all()
    assert (PHOTO == before).all() and (LABELS == labels).all()


def test_overlay_by_hand():
    out = overlay(np.full((3, 3, 3), 100, np.uint8), np.ones((3, 3), np.uint8), alpha=.5)
    assert (out == [165, 130, 50]).all()  # halfway from 100 to (230, 159, 0), halves to even: 165, 129.5 → 130, 50


def test_overlay_takes_other_pictures():
    want = overlay(PHOTO, LABELS).astype(int)
    assert np.abs(overlay(PHOTO/255, LABELS) - want).max() <= 1
    assert overlay(PHOTO[..., 0], LABELS).shape == PHOTO.shape
    assert (overlay(torch.from_numpy(PHOTO), torch.from_numpy(LABELS)) == want).all()


def test_unlabeled_is_striped_not_hidden():
    out, void = overlay(PHOTO, np.full((90, 120), 255, np.uint8)), np.ones((90, 120), bool)
    same = (out == PHOTO).all(-1)[void].mean()
    assert .6 < same < .9


@pytest.mark.parametrize("hw", [(1, 1), (1, 2000), (2000, 1), (3, 5)])
def test_any_size(hw):
    image, labels = np.zeros((*hw, 3), np.uint8), np.zeros(hw, np.uint8)
    labels[-1, -1] = 1
    for out in (overlay(image, labels), colorize(labels), heatmap(labels, image), superpixel_picture(image, labels), superpixel_picture(image, labels, order=True, colors="mean")):
        assert out.shape == (*hw, 3) and out.dtype == np.uint8
    grid([image], ["x"]).savefig(io.BytesIO())


# --- superpixels --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("colors", [None, "grey", "mean", "hue"])
def test_first_is_bright_last_is_dark(colors):
    out = superpixel_picture(np.full((90, 120, 3), 200, np.uint8), SP, order=True, colors=colors, line=None)
    light = np.array([out[SP == k].mean() for k in range(12)])
    assert light[:4].mean() > light[4:8].mean() > light[8:].mean()
    if colors != "hue": assert (np.diff(light) < 0).all()


def test_mean_colours():
    out = superpixel_picture(PHOTO, SP, colors="mean", line=None)
    for k in range(12): assert np.abs(out[SP == k] - PHOTO[SP == k].mean(0)).max() <= .5
    assert (superpixel_picture(PHOTO, SP*0, colors="grey", line=None) == 255).all()


def test_no_superpixel_is_black_and_lines_are_drawn():
    sp = SP.copy()
    sp[:5] = -1
    assert (superpixel_picture(PHOTO, sp, line=None)[:5] == 0).all()
    out = superpixel_picture(PHOTO, SP)
    assert (out[boundaries(SP)] == (255, 230, 0)).all() and (out[~boundaries(SP)] == PHOTO[~boundaries(SP)]).all()


def test_many_superpixels():
    sp = np.arange(90*120).reshape(90, 120)
    assert superpixel_picture(PHOTO, sp, order=True, colors="hue").shape == PHOTO.shape


# --- heat maps -----------------------------------------------------------------------------------------------------------

def test_heatmap_grows_brighter():
    light = rgb2lab(heatmap(np.linspace(0, 1, 50)[None]))[0, :, 0]
    assert (np.diff(light) > 0).all()
    assert (heatmap(np.array([[-1., 2.]])) == heatmap(np.array([[0., 1.]]))).all()


def test_heatmap_of_nothing_is_the_photograph():
    assert (heatmap(np.zeros((90, 120)), PHOTO) == PHOTO).all()
    assert not (heatmap(np.ones((90, 120)), PHOTO) == PHOTO).all()


# --- figures ---------------------------------------------------------------------------------------------------------------

def luminance(color):
    c = np.array(mpl.colors.to_rgb(color))
    return np.where(c <= .04045, c/12.92, ((c + .055)/1.055)**2.4) @ [.2126, .7152, .0722]


def contrast(a, b):
    hi, lo = sorted((luminance(a), luminance(b)), reverse=True)
    return (hi + .05)/(lo + .05)


@pytest.mark.parametrize("theme", ["light", "dark", "both"])
@pytest.mark.parametrize("page", ["white", "#0d1117", "#111111"])
def test_style_reads_on_every_page(theme, page):
    with style(theme):
        ground = mpl.rcParams["figure.facecolor"]
        for k in ("text.color", "axes.labelcolor", "xtick.color", "axes.edgecolor"):
            assert contrast(mpl.rcParams[k], page if ground == "none" else ground) > 4


def test_style_leaves_nothing_black():
    "Boxes and whiskers too: black cannot be seen on a dark page."
    with style():
        assert [k for k, v in mpl.rcParams.items() if "color" in k and v in ("black", "k", "#000000")] == []


def test_style_is_undone_even_after_an_error():
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), style("dark"): 1/0
    assert dict(mpl.rcParams) == before


def test_grid():
    fig = grid([PHOTO, LABELS, None, PHOTO/255, LABELS > 0], list("abcde"), ncols=3, width=5, names=["background", "cat"])
    assert isinstance(fig, mpl.figure.Figure) and len(fig.axes) == 6
    assert [a.get_title() for a in fig.axes] == ["a", "b", "c", "d", "e", ""]
    assert fig.get_size_inches()[0] == 5 and not any(a.axison for a in fig.axes)
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["background", "cat"]


def test_grid_is_transparent_and_small():
    raw = grid([PHOTO]*4)._repr_mimebundle_()["image/png"]
    image = Image.open(io.BytesIO(raw))
    assert image.mode == "RGBA" and image.getpixel((0, 0))[3] == 0 and len(raw) < 200_000
    assert Image.open(io.BytesIO(grid([PHOTO], theme="dark")._repr_mimebundle_()["image/png"])).getpixel((0, 0)) == (20, 20, 20, 255)


def test_grid_leaves_no_figure_open():
    import matplotlib.pyplot as plt
    before = plt.get_fignums()
    grid([PHOTO])
    assert plt.get_fignums() == before


def test_legend():
    handles = legend_handles({0: "background", 3: "dog", 255: "unlabeled"})
    assert [h.get_label() for h in handles] == ["background", "dog", "unlabeled"]
    assert mpl.colors.to_hex(handles[1].get_facecolor()) == hex_color(3) and handles[2].get_hatch()


# --- animations and addresses -------------------------------------------------------------------------------------------------

def growth(n=5): return [overlay(PHOTO, np.where(np.hypot(*np.ogrid[-45:45, -60:60]) < 10 + 8*k, 1, 0)) for k in range(n)]


def test_gif(tmp_path):
    path = save_animation(tmp_path/"new"/"growth.gif", growth(), fps=4)
    image = Image.open(path)
    back = [np.array(f.convert("RGB")) for f in ImageSequence.Iterator(image)]
    assert len(back) == 5 and back[0].shape == PHOTO.shape and image.info["duration"] == 250 and image.info["loop"] == 0
    assert all(np.abs(b - np.float32(f)).mean() < 8 for b, f in zip(back, growth()))


def test_gif_does_not_flicker(tmp_path):
    back = [np.array(f.convert("RGB")) for f in ImageSequence.Iterator(Image.open(save_animation(tmp_path/"a.gif", growth())))]
    assert all((b[:8, :8] == back[0][:8, :8]).all() for b in back)  # a corner that never changes


def test_still_frames_are_kept(tmp_path):
    "Pillow merges equal frames; together they still last as long"
    image = Image.open(save_animation(tmp_path/"a.gif", [PHOTO]*4, fps=4))
    assert sum(f.info["duration"] for f in ImageSequence.Iterator(image)) == 1000


@pytest.mark.parametrize("hw", [(90, 120), (91, 121)])
def test_mp4(tmp_path, hw):
    frames = [cv2.resize(f, hw[::-1]) for f in growth()]
    video = cv2.VideoCapture(str(save_animation(tmp_path/"a.mp4", frames, fps=5)))
    back = [f for ok, f in iter(video.read, (False, None)) if ok]
    assert len(back) == 5 and video.get(cv2.CAP_PROP_FPS) == 5
    h, w = hw
    assert back[0].shape[:2] == (h + h % 2, w + w % 2)
    assert all(np.abs(b[:h, :w, ::-1] - np.float32(f)).mean() < 12 for b, f in zip(back, frames))


def test_failed_animation_leaves_the_old_one(tmp_path, monkeypatch):
    path = save_animation(tmp_path/"a.gif", growth())
    old = path.read_bytes()
    monkeypatch.setattr(Image.Image, "save", lambda *a, **k: 1/0)
    with pytest.raises(ZeroDivisionError): save_animation(path, growth(3))
    assert path.read_bytes() == old and [p.name for p in tmp_path.iterdir()] == ["a.gif"]


def decoded(uri):
    head, body = uri.split(",", 1)
    return head, base64.b64decode(body)


def test_data_uri(tmp_path):
    head, raw = decoded(data_uri(colorize(LABELS)))
    assert head == "data:image/png;base64" and (np.array(Image.open(io.BytesIO(raw)).convert("RGB")) == colorize(LABELS)).all()
    head, raw = decoded(data_uri(PHOTO))
    assert head == "data:image/jpeg;base64" and np.abs(np.array(Image.open(io.BytesIO(raw))) - np.float32(PHOTO)).mean() < 4
    assert decoded(data_uri(grid([PHOTO])))[0] == "data:image/png;base64"
    path = save_animation(tmp_path/"a.gif", growth())
    assert decoded(data_uri(path)) == ("data:image/gif;base64", path.read_bytes())


# --- bad input -------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("call, message", [
    (lambda: overlay(PHOTO, LABELS[:50]), "of one size"),
    (lambda: overlay(PHOTO[None], LABELS), "picture is"),
    (lambda: overlay(PHOTO, LABELS*1.), "whole numbers"),
    (lambda: overlay(PHOTO.astype(np.int64), LABELS), "uint8"),
    (lambda: colorize(np.array([[256]])), "0…255"),
    (lambda: colorize(np.array([[-1]])), "0…255"),
    (lambda: superpixel_picture(PHOTO, SP, colors="rainbow"), "rainbow"),
    (lambda: heatmap(np.full((3, 3), np.nan)), "NaN"),
    (lambda: heatmap(np.zeros((3, 3)), PHOTO), "of one size"),
    (lambda: grid([]), "no picture"),
    (lambda: grid([PHOTO], ["a", "b"]), "titles"),
    (lambda: grid([PHOTO], theme="blue"), "theme"),
    (lambda: save_animation("a.avi", [PHOTO]), r"\.gif or \.mp4"),
    (lambda: save_animation("a.gif", []), "frames"),
    (lambda: save_animation("a.gif", [PHOTO, PHOTO[1:]]), "one size"),
    (lambda: save_animation("a.gif", [PHOTO], fps=0), "fps")])
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message): call()
