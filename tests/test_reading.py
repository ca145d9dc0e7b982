"What a file says is what is read: every mode, bit depth, palette and range comes back equal, or the file is refused by name."
import re
import struct
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageCms

from wsss_nb import images as I
from wsss_nb import masks_of_ids as M
from wsss_nb.core import DataError

VOC = M.voc_palette()
C = 20
RNG = np.random.default_rng(3)
IDS = RNG.choice([0, 1, 7, 8, 15, 20, 255], (9, 13)).astype(np.uint8)
LOW = RNG.integers(0, 4, (9, 13)).astype(np.uint8)


def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(a, depth):
    "The rows of a PNG, `depth` bits a sample."
    bits = np.unpackbits(a.astype(">u2").view(np.uint8).reshape(*a.shape, 2), axis=-1)[..., 16 - depth:]
    return np.packbits(bits.reshape(len(a), -1), axis=1)


def write_png(path, a, depth, colour=0, palette=None, clear=None, more=b""):
    "A PNG by hand: (H,W) or (H,W,K) samples of `depth` bits; Pillow has no part in it."
    rows = b"".join(b"\0" + r.tobytes() for r in packed(a, depth))
    head = struct.pack(">IIBBBBB", a.shape[1], a.shape[0], depth, colour, 0, 0, 0)
    extra = more + (chunk(b"PLTE", np.uint8(palette).tobytes()) if palette is not None else b"")
    extra += chunk(b"tRNS", clear) if clear is not None else b""
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return path


def refused(read, path, words, *args):
    with pytest.raises(DataError, match=words) as e: read(path, *args)
    assert str(e.value).startswith(f"{path}: ")


# ---- masks: bits of the samples

@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("colour", ["grey", "palette"])
@pytest.mark.parametrize("read", [M.read_mask, M.read_labels], ids=["mask", "labels"])
def test_samples_of_any_depth_are_ids(tmp_path, depth, colour, read):
    if colour == "palette" and depth == 16: colour = "grey"
    a = np.arange(1 << min(depth, 8)).reshape(2, -1)
    path = write_png(tmp_path/"m.png", a, depth, 0) if colour == "grey" else write_png(tmp_path/"m.png", a, depth, 3, VOC[:1 << depth])
    assert (read(path) == a).all()


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_few_bits_are_said(tmp_path, depth):
    said = []
    assert M.read_mask(write_png(tmp_path/"m.png", np.eye(5, dtype=int), depth), C, said).tolist() == np.eye(5).tolist()
    assert said == [f"{depth}-bit grey: its samples are the ids"]


def test_aeroplane_does_not_become_sheep(tmp_path):
    path = write_png(tmp_path/"m.png", np.array([[0, 1, 15]]), 4)
    assert M.read_mask(path, C).tolist() == [[0, 1, 15]]
    refused(M.read_mask, path, r"ids outside 0…14 and 255: 15 \(1 pixels\)", 14)


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.bmp", "m.gif", "m.tga", "m.pgm", "m.webp"])
def test_every_exact_format(tmp_path, name):
    Image.fromarray(IDS).save(tmp_path/name, **(dict(lossless=True) if name == "m.webp" else {}))
    assert (M.read_mask(tmp_path/name, C) == IDS).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([*range(C + 1), 255]), min_size=1, max_size=12))
def test_a_grey_mask_in_a_gif(tmp_path_factory, ids):
    "Which holds the greys that are used alone: an index is no id. Black and white are what they are, 0 and 1."
    path = tmp_path_factory.mktemp("g")/"m.gif"
    Image.fromarray(np.uint8([ids])).save(path)
    if set(ids) == {0, 255}: assert set(M.read_mask(path, C)[0]) == {0, 1}
    elif set(ids) == {255}: refused(M.read_mask, path, "0 may be the object", C)
    else: assert M.read_mask(path, C).tolist() == [ids]


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.bmp", "m.gif", "m.tga"])
def test_palette_in_every_format(tmp_path, name):
    im = Image.fromarray(IDS)
    im.putpalette(VOC.ravel().tolist())
    im.save(tmp_path/name)
    assert (M.read_mask(tmp_path/name, C) == IDS).all()


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.bmp"])
def test_one_bit_in_every_format(tmp_path, name):
    a = LOW > 1
    Image.fromarray(a).save(tmp_path/name)
    assert (M.read_mask(tmp_path/name, C) == a).all() and (M.read_labels(tmp_path/name) == a).all()


@pytest.mark.parametrize("name", ["m.jpg", "m.webp", "m.jp2", "jpeg.tif", "m.mpo"])
def test_formats_that_blur_ids(tmp_path, name):
    save = dict(compression="jpeg") if name == "jpeg.tif" else {}
    Image.fromarray(IDS).save(tmp_path/name, **save)
    for read in (M.read_mask, M.read_labels): refused(read, tmp_path/name, "blurred")


@pytest.mark.parametrize("top", [1, 3, 20, 100, 254, 255, 256, 4095, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_pgm_of_any_range(tmp_path, top, plain):
    a = np.arange(min(top, 255) + 1)[None]
    body = b" ".join(b"%d" % v for v in a[0]) if plain else a.astype(np.uint8 if top < 256 else ">u2").tobytes()
    (tmp_path/"m.pgm").write_bytes(b"P%d %d 1 %d\n" % (2 if plain else 5, a.size, top) + body)
    assert (M.read_mask(tmp_path/"m.pgm") == a).all() and (M.read_labels(tmp_path/"m.pgm") == a).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.int32, np.float32])
def test_tiff_of_any_type_is_exact(tmp_path, dtype):
    a = (IDS % 128).astype(dtype)
    tifffile.imwrite(tmp_path/"m.tif", a)
    assert (M.read_mask(tmp_path/"m.tif") == a).all() and (M.read_labels(tmp_path/"m.tif") == a).all()


@pytest.mark.parametrize("value, dtype", [(.5, np.float32), (np.nan, np.float32), (np.inf, np.float32), (2.**25, np.float32), (-1, np.float32), (-1, np.int16),
                                          (-1, np.int32), (-1, np.int8), (256, np.uint16), (65536, np.uint32), (2**31 + 1, np.uint32), (3, np.float64), (3, np.float16)])
def test_tiff_that_holds_no_ids(tmp_path, value, dtype):
    tifffile.imwrite(tmp_path/"m.tif", np.array([[0, value]], dtype))
    refused(M.read_mask, tmp_path/"m.tif", "ids|numbers|image")


@pytest.mark.parametrize("a", [LOW > 1, LOW, LOW.astype(np.uint16)], ids=["1", "8", "16"])
@pytest.mark.parametrize("read", [M.read_mask, M.read_labels, I.read_saliency])
def test_zero_is_white(tmp_path, a, read):
    tifffile.imwrite(tmp_path/"m.tif", a, photometric="miniswhite")
    refused(read, tmp_path/"m.tif", "0 is white")


def test_bitmap_of_ones_that_are_black(tmp_path):
    (tmp_path/"m.pbm").write_bytes(b"P1 4 1\n1 0 0 0")
    refused(M.read_mask, tmp_path/"m.pbm", "1 is black")
    assert I.read_saliency(tmp_path/"m.pbm").tolist() == [[0, 1, 1, 1]] and I.read_image(tmp_path/"m.pbm")[0, :2, 0].tolist() == [0, 255]


@pytest.mark.parametrize("name, options", [("m.tif", {}), ("m.gif", {}), ("m.png", {}), ("m.webp", dict(lossless=True))])
@pytest.mark.parametrize("read", [M.read_mask, M.read_labels, I.read_saliency])
def test_two_frames_are_not_one_map(tmp_path, name, options, read):
    Image.fromarray(LOW*20).save(tmp_path/name, save_all=True, append_images=[Image.fromarray(LOW*30)], **options)
    refused(read, tmp_path/name, "2 frames|blurred")


@pytest.mark.parametrize("turn", [3, 6, 8])
@pytest.mark.parametrize("name", ["m.png", "m.tif"])
@pytest.mark.parametrize("read", [M.read_mask, M.read_labels, I.read_saliency])
def test_a_turned_map_is_refused(tmp_path, turn, name, read):
    exif = Image.Exif()
    exif[274] = turn
    Image.fromarray(LOW).save(tmp_path/name, exif=exif)
    refused(read, tmp_path/name, f"EXIF.*{turn}")


def test_a_mask_has_one_band(tmp_path):
    tifffile.imwrite(tmp_path/"m.tif", np.dstack([LOW, LOW + 1]), photometric="minisblack", planarconfig="contig")
    refused(M.read_mask, tmp_path/"m.tif", "2 bands")


# ---- masks: colours

orders = st.permutations(range(256))
few_ids = st.lists(st.sampled_from([*range(C + 1), 255]), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(orders, few_ids)
def test_palette_in_any_order_is_read_by_colour(tmp_path_factory, order, ids):
    "VOC's 256 colours anywhere: the colours are the ids, whatever the indices."
    path, where = tmp_path_factory.mktemp("p")/"m.png", np.argsort(order)
    said, a = [], np.array([ids])
    write_png(path, where[a], 8, 3, VOC[list(order)])
    assert (M.read_mask(path, C, said) == a).all()
    moved = any(where[i] != i for i in ids)
    assert said == ["palette in another order than VOC's: read by colour"]*moved
    assert (M.read_labels(path) == where[a]).all()      # colours are never numbers of regions


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([*range(C + 1), 255]), min_size=1, max_size=16, unique=True), st.booleans(), st.data())
def test_palette_of_the_used_colours_alone(tmp_path_factory, ids, filled, data):
    "As an optimiser leaves it: only what is used, in any order, in as few bits as will do, filled up with black or not."
    path, depth = tmp_path_factory.mktemp("p")/"m.png", 4 if len(ids) > 4 else 2
    a = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=20).map(np.array))
    palette = np.zeros(((1 << depth) if filled else len(ids), 3), int)
    palette[:len(ids)] = VOC[ids]
    write_png(path, np.array([[ids.index(v) for v in a]]), depth, 3, palette)
    assert (M.read_mask(path, C)[0] == a).all()


@pytest.mark.parametrize("how", ["quantize", "optimise", "gif", "tiff", "bmp"])
def test_what_tools_make_of_colours(tmp_path, how):
    im = Image.fromarray(VOC[IDS])
    path = tmp_path/{"gif": "m.gif", "tiff": "m.tif", "bmp": "m.bmp"}.get(how, "m.png")
    im.quantize(8, method=Image.Quantize.FASTOCTREE if how == "quantize" else Image.Quantize.MEDIANCUT).save(path, optimize=how == "optimise")
    assert (M.read_mask(path, C) == IDS).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.booleans())
def test_a_palette_of_its_own_is_read_by_index(tmp_path_factory, seed, n, black):
    "Colours that are none of VOC's, with black at 0 or not, decide nothing."
    path, rng = tmp_path_factory.mktemp("p")/"m.png", np.random.default_rng(seed)
    palette = rng.integers(0, 128, (n + 1, 3))*2 + 1        # odd: none of VOC's
    if black: palette[0] = 0
    a, said = rng.integers(0, n + 1, (3, 5)), []
    assert (M.read_mask(write_png(path, a, 8, 3, palette), n, said) == a).all() and not said


GREYS = np.arange(256)[:, None].repeat(3, 1)


def in_order(void, n=255):
    "VOC's first `n` colours, black up to 254, and the colour of void."
    return [*VOC[:n], *np.zeros((255 - n, 3), int), void]


@pytest.mark.parametrize("palette", [GREYS, VOC, VOC[:21], VOC[:C + 5], in_order((255, 255, 255)), in_order((0, 0, 0)), in_order((9, 9, 9)),
                                     in_order((255, 255, 255), 21), in_order((0, 0, 0), 21), [(255, 255, 255), *VOC[1:]]],
                         ids=["grey", "voc", "cut off", "cut off later", "void white", "void black", "void dark", "short, void white", "short, void black", "ground white"])
def test_palette_in_vocs_order_is_read_by_index(tmp_path, palette):
    said = []
    assert (M.read_mask(write_png(tmp_path/"m.png", IDS, 8, 3, palette), C, said) == IDS).all() and not said


@pytest.mark.parametrize("colours, ids", [
    ([(0, 0, 0), (255, 255, 255)], [0, 1]),                     # black and white
    ([(0, 0, 0), (128, 128, 128), (255, 255, 255)], [0, 1, 2]), # a ramp of greys, though 128 is VOC's class 7
    ([(i*16,)*3 for i in range(16)], [0, 4, 8]),                # another: 64 and 128 are VOC's
    ([(0, 0, 0), (85, 85, 85), (170, 170, 170), (255, 255, 255)], [0, 1, 3]),
    ([(0, 0, 0), (90, 90, 90), (200, 200, 200)], [0, 1, 2]),    # greys that are no ids
    ([(0, 0, 0), (128, 0, 0), (255, 0, 0)], [0, 1, 2]),         # in place, and one more of its own
    ([(128, 64, 128), (244, 35, 232), (70, 70, 70), (0, 0, 142)], [0, 1, 3]),   # Cityscapes: VOC's colour of class 21 is its road
    ([(0, 0, 0)]*4, [0, 1, 2])])                                # nobody set it
def test_other_colours_are_read_by_index(tmp_path, colours, ids):
    assert M.read_mask(write_png(tmp_path/"m.png", np.array([ids]), 8, 3, colours), C).tolist() == [ids]


@pytest.mark.parametrize("colours, ids", [
    ([VOC[5], VOC[0]], [5, 0]), ([VOC[0], VOC[255], VOC[3]], [0, 255, 3]), ([VOC[0], VOC[7]], [0, 7]), ([VOC[15]], [15]),
    ([VOC[1], VOC[1], VOC[0]], [1, 1, 0]),                      # two indices, one colour
    ([(9, 9, 9), VOC[0], VOC[3], VOC[2]], [None, 0, 3, 2])])    # what is not used does not matter
def test_colours_in_other_places(tmp_path, colours, ids):
    used = [u for u, v in enumerate(ids) if v is not None]
    said, path = [], write_png(tmp_path/"m.png", np.array([used]), 8, 3, colours)
    assert M.read_mask(path, C, said)[0].tolist() == [ids[u] for u in used]
    assert said == ["palette in another order than VOC's: read by colour"]


@pytest.mark.parametrize("values, n, want", [([0, 3, 20], 20, [0, 3, 20]), ([20, 0, 255], 20, [20, 0, 255]), ([0, 5, 10], 10, [0, 5, 10]), ([0, 3, 20], None, None), ([0, 128], 130, None), ([0, 3, 20], 19, [0, 1, 2])])
def test_palettes_of_dark_greys(tmp_path, values, n, want):
    "Greys that are ids are the ids, unless anything could be one; greys that cannot all be ids are for looking at."
    path = write_png(tmp_path/"m.png", np.arange(len(values))[None], 8, 3, [(v,)*3 for v in values])
    if want: assert M.read_mask(path, n).tolist() == [want]
    else: refused(M.read_mask, path, "palette of greys", n)


@pytest.mark.parametrize("colours", [
    [VOC[0], VOC[2], (9, 9, 90)],               # one moved, one none of VOC's
    [VOC[0], VOC[2], (255, 255, 255)],          # white is not VOC's void
    [(255, 9, 255), VOC[0]],                    # black is the background, but the other?
    [VOC[0], VOC[1], (255, 255, 255)],          # in order, but then void drawn white?
    [VOC[0], VOC[C + 1]], [VOC[0], VOC[C + 1], VOC[3]]],        # a class that is not there
    ids=["mixed", "white void", "other ground", "white in order", "above", "above, moved"])
def test_palettes_in_doubt_are_refused(tmp_path, colours):
    path = write_png(tmp_path/"m.png", np.arange(len(colours))[None], 8, 3, colours)
    refused(M.read_mask, path, "VOC's palette.*grey PNG", C)


@pytest.mark.parametrize("used", [[0], [1], [0, 1]])
def test_white_and_black_in_this_order(tmp_path, used):
    path = write_png(tmp_path/"m.png", np.array([used]), 1, 3, [(255, 255, 255), (0, 0, 0)])
    refused(M.read_mask, path, "0 may be the object", C)


def test_web_palette_of_a_converted_mask_is_refused(tmp_path):
    a = np.zeros((20, 30), int)
    a[8:12, 9:20] = 15
    Image.fromarray(VOC[a]).convert("P").save(tmp_path/"m.png")         # class 15 is a mixture of others
    refused(M.read_mask, tmp_path/"m.png", "VOC's palette|ids outside", C)


def test_clear_entries(tmp_path):
    in_order = write_png(tmp_path/"a.png", np.array([[0, 1]]), 8, 3, VOC, clear=b"\0")
    moved = write_png(tmp_path/"b.png", np.array([[0, 1]]), 8, 3, VOC[::-1], clear=b"\0")
    opaque = write_png(tmp_path/"c.png", np.array([[0, 1]]), 8, 3, VOC[[3, 4]], clear=b"\xff\xff")
    assert M.read_mask(in_order, C).tolist() == [[0, 1]] and M.read_mask(opaque, C).tolist() == [[3, 4]]
    refused(M.read_mask, moved, "partly transparent|VOC's palette")


@settings(max_examples=25, deadline=None)
@given(few_ids.filter(lambda ids: not set(ids) <= {0, 7}), st.sampled_from(["RGB", "RGBA"]), st.sampled_from([".png", ".tif", ".bmp"]))
def test_colours_of_voc(tmp_path_factory, ids, mode, suffix):
    path, said = tmp_path_factory.mktemp("c")/f"m{suffix}", []
    Image.fromarray(VOC[[ids]]).convert(mode).save(path)
    assert M.read_mask(path, C, said).tolist() == [ids] and said == ["colours, read as VOC's"]
    refused(M.read_labels, path, "colours")


@settings(max_examples=25, deadline=None)
@given(few_ids, st.sampled_from(["RGB", "RGBA", "LA"]))
def test_grey_saved_as_colours(tmp_path_factory, ids, mode):
    path, said = tmp_path_factory.mktemp("c")/"m.png", []
    Image.fromarray(np.uint8([ids])).convert(mode).save(path)
    assert M.read_mask(path, C, said).tolist() == [ids] and len(said) == 1 and "grey" in said[0]


def test_car_or_128(tmp_path):
    Image.fromarray(VOC[[[0, 7]]]).save(tmp_path/"m.png")
    assert M.read_mask(tmp_path/"m.png", C).tolist() == [[0, 7]]        # 128 is no id
    refused(M.read_mask, tmp_path/"m.png", "greys that are colours", 200)
    refused(M.read_mask, tmp_path/"m.png", "128", 6)                    # neither is 7


@pytest.mark.parametrize("colour", [(1, 2, 3), (255, 255, 254), (128, 0, 1), tuple(VOC[C + 1])])
def test_a_strange_colour_is_named(tmp_path, colour):
    a = VOC[IDS]
    a[2, 3] = colour
    Image.fromarray(a).save(tmp_path/"m.png")
    refused(M.read_mask, tmp_path/"m.png", rf"{re.escape(str(tuple(map(int, colour))))} \(1 pixels\) is none of VOC's palette", C)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("alpha", [0, 128])
def test_transparent_masks_are_refused(tmp_path, mode, alpha):
    im = Image.fromarray(IDS).convert(mode)
    im.putalpha(Image.fromarray(np.where(np.arange(IDS.size).reshape(IDS.shape) == 5, alpha, 255).astype(np.uint8)))
    im.save(tmp_path/"m.png")
    refused(M.read_mask, tmp_path/"m.png", "partly transparent", C)


def test_a_clear_colour_makes_a_mask_partly_transparent(tmp_path):
    path = write_png(tmp_path/"m.png", VOC[[[0, 3]]], 8, 2, clear=struct.pack(">HHH", 0, 0, 0))
    refused(M.read_mask, path, "partly transparent", C)


@pytest.mark.parametrize("colour, bands", [(2, 3), (6, 4), (4, 2)])
def test_deep_colours_are_no_mask(tmp_path, colour, bands):
    refused(M.read_mask, write_png(tmp_path/"m.png", np.full((2, 2, bands), 3), 16, colour), "16 bits")


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr"])
def test_kinds_of_pixels_that_are_no_mask(tmp_path, mode):
    Image.fromarray(VOC[IDS]).convert(mode).save(tmp_path/"m.tif")
    refused(M.read_mask, tmp_path/"m.tif", f"colours \\({mode}\\)")


# ---- photographs

PHOTO = np.stack(np.mgrid[0:36:4, 0:52:4], -1).astype(np.uint8)
GREY = ((PHOTO[..., 0].astype(int)*13 + PHOTO[..., 1]*4) % 256).astype(np.uint8)
GREY[0, :2] = 0, 255
RGB = np.dstack([GREY, GREY[::-1], 255 - GREY])


def check(path, want, said=None, off=1):
    "What is read, and that the dataset check's `describe` comes to the same."
    assert np.abs(I.read_image(path).astype(int) - want).max() <= off
    assert said is None or I.describe(I.open_picture(path)) == said


def spread(a, bits): return np.round(a/255*((1 << bits) - 1)).astype(np.uint16)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["png", "tif", "tif32", "png colours", "tif colours", "zip colours", "png alpha", "tif alpha", "grey alpha"])
def test_the_bits_that_are_used(tmp_path, bits, kind):
    path = tmp_path/("p.png" if "png" in kind or kind == "grey alpha" else "p.tif")
    colours = "colours" in kind or kind.endswith("alpha") and kind != "grey alpha"
    a = spread(RGB if colours else GREY, bits)
    full = np.full(GREY.shape, (1 << bits) - 1, np.uint16)
    if kind == "grey alpha": write_png(path, np.dstack([a, full]), 16, 4)
    elif kind == "png alpha": write_png(path, np.dstack([a, full]), 16, 6)
    elif kind == "tif alpha": tifffile.imwrite(path, np.dstack([a, full]), photometric="rgb", extrasamples=["unassalpha"])
    elif "png" in kind: write_png(path, a, 16, 2 if colours else 0)
    else: tifffile.imwrite(path, a.astype(np.uint32) if kind == "tif32" else a, photometric="rgb" if colours else "minisblack", compression="zlib" if "zip" in kind else None)
    check(path, RGB if colours else GREY[..., None])
    said = I.describe(I.open_picture(path))[0]
    depth = "32" if kind == "tif32" else "16"
    assert said.startswith(f"{depth}-bit {'colours' if colours else 'grey'}")
    found = f", values 0…{(1 << bits) - 1}: read as {bits} bits"
    assert said.endswith(found) == (bits < 16 or depth == "32")


def test_a_real_12_bit_picture_is_not_nearly_black(tmp_path):
    Image.fromarray(GREY.astype(np.uint16)*16).save(tmp_path/"p.png")       # 0…4080
    check(tmp_path/"p.png", GREY[..., None], ["16-bit grey, values 0…4080: read as 12 bits"])


@pytest.mark.parametrize("top", [1, 1000, 4095, 65534])
def test_a_pgm_says_its_range(tmp_path, top):
    v = np.arange(top + 1)[::max(1, top//50)]
    (tmp_path/"p.pgm").write_bytes(b"P5 %d 1 %d\n" % (v.size, top) + v.astype(">u2" if top > 255 else np.uint8).tobytes())
    check(tmp_path/"p.pgm", np.round(v/top*255)[None, :, None], ["16-bit grey" if top > 255 else "grey"])
    (tmp_path/"dark.pgm").write_bytes(b"P5 1 1 4095\n\0\x10")
    check(tmp_path/"dark.pgm", 1, off=0)                # 16 of 4095: the file says that it is dark


@pytest.mark.parametrize("value, dtype", [(-1, np.int16), (-1, np.int32), (65536, np.uint32), (70000, np.int32), (2**31, np.uint32), (-1, np.int8), (.5, np.float32), (1, np.float32), (1, np.float64)])
def test_numbers_that_are_no_picture(tmp_path, value, dtype):
    tifffile.imwrite(tmp_path/"p.tif", np.array([[0, value]], dtype))
    refused(I.read_image, tmp_path/"p.tif", "floating|0…65535|signed|not an image")
    refused(lambda p: I.describe(I.open_picture(p)), tmp_path/"p.tif", "floating|0…65535|signed|not an image")


def test_planes_of_16_bits(tmp_path):
    planes = np.moveaxis(RGB, -1, 0)
    tifffile.imwrite(tmp_path/"deep.tif", planes.astype(np.uint16)*257, photometric="rgb", planarconfig="separate")
    refused(I.read_image, tmp_path/"deep.tif", "plane each")
    tifffile.imwrite(tmp_path/"p.tif", planes, photometric="rgb", planarconfig="separate")
    check(tmp_path/"p.tif", RGB, [], off=0)


@pytest.mark.parametrize("a", [GREY, GREY.astype(np.uint16)*257, spread(GREY, 12), GREY > 100], ids=["8", "16", "12", "1"])
def test_a_fax_is_inverted(tmp_path, a):
    tifffile.imwrite(tmp_path/"p.tif", a, photometric="miniswhite")
    check(tmp_path/"p.tif", 255 - (a*255 if a.dtype == bool else GREY)[..., None])


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("clear", [None, 1])
def test_grey_png_of_any_depth(tmp_path, depth, clear):
    top = (1 << depth) - 1
    a = np.array([[0, 1, top]])
    path = write_png(tmp_path/"p.png", a, depth, 0, clear=None if clear is None else struct.pack(">H", clear))
    want = np.round(a/top*255)
    check(path, np.where(a == clear, 255, want)[..., None] if clear else want[..., None], off=0)
    assert ("transparent" in I.describe(I.open_picture(path))) == bool(clear)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_clear_colour_lies_over_white(tmp_path, depth):
    a = np.array([[[3, 4, 5], [3, 4, 6], [255, 0, 0]]])*(257 if depth == 16 else 1)
    path = write_png(tmp_path/"p.png", a, depth, 2, clear=a[0, 0].astype(">u2").tobytes())
    check(path, [[[255]*3, [3, 4, 6], [255, 0, 0]]], off=0)


@pytest.mark.parametrize("name", ["p.gif", "p.png", "p.tif", "p.webp"])
def test_the_first_frame_is_read_and_said(tmp_path, name):
    frames = [Image.fromarray(np.full((4, 5, 3), v, np.uint8)) for v in (200, 90, 30)]
    frames[0].save(tmp_path/name, save_all=True, append_images=frames[1:], **(dict(lossless=True) if name == "p.webp" else {}))
    check(tmp_path/name, 200)
    assert "first of 3 frames" in I.describe(I.open_picture(tmp_path/name))


def test_lab_is_lab(tmp_path):
    want = np.array([[[200, 120, 90], [90, 120, 200], [128, 128, 128]]], np.uint8)
    Image.fromarray(want).convert("LAB").save(tmp_path/"p.tif")
    check(tmp_path/"p.tif", want, ["LAB"], off=3)


def test_a_fourth_band_is_said(tmp_path):
    tifffile.imwrite(tmp_path/"p.tif", np.dstack([RGB, GREY]), photometric="rgb", extrasamples=["unspecified"])
    check(tmp_path/"p.tif", RGB, ["4 bands, of which 3 are read"], off=0)


@pytest.mark.parametrize("mode, said", [("L", ["grey"]), ("1", ["black and white"]), ("P", ["palette"]), ("LA", ["transparent"]), ("RGBA", ["transparent"]), ("RGB", []), ("CMYK", ["CMYK"]), ("YCbCr", ["YCbCr"])])
def test_kinds_are_said(tmp_path, mode, said):
    path = tmp_path/("p.tif" if mode in ("CMYK", "YCbCr") else "p.png")
    Image.fromarray(RGB).convert(mode).save(path)
    assert I.describe(I.open_picture(path)) == said


def profile(name, primaries, gamma, space=b"RGB "):
    "A colour profile by hand: where red, green and blue lie (XYZ under D50), and a gamma."
    number = lambda v: struct.pack(">i", round(v*65536))
    place = lambda v: b"XYZ \0\0\0\0" + b"".join(map(number, v))
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma*256))
    text = name.encode() + b"\0"
    tags = dict(desc=b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(79), wtpt=place(D50), cprt=b"text\0\0\0\0none\0")
    tags |= dict(kTRC=curve) if space == b"GRAY" else {f"{c}{k}": v for c, xyz in zip("rgb", primaries) for k, v in (("XYZ", place(xyz)), ("TRC", curve))}
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12*len(tags)
    for k, v in tags.items():
        table += k.encode() + struct.pack(">II", start + len(body), len(v))
        body += v + bytes(-len(v) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02100000, b"mntr", space, b"XYZ ")
    return head + bytes(12) + b"acsp" + bytes(28) + b"".join(map(number, D50)) + bytes(48) + table + body


D50 = (.9642, 1, .8249)
SRGB = ((.4361, .2225, .0139), (.3851, .7169, .0971), (.1431, .0606, .7141))
ADOBE = ((.6097, .3111, .0195), (.2053, .6257, .0609), (.1492, .0632, .7446))
P3 = ((.5151, .2412, -.0011), (.2920, .6922, .0419), (.1571, .0666, .7841))
PROFILES = [
    (b"", ""), (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), ""), (profile("c2", SRGB, 2.2), ""),
    (profile("Adobe RGB (1998)", ADOBE, 2.2), "colour profile Adobe RGB (1998)"), (profile("Display P3", P3, 2.2), "colour profile Display P3"),
    (profile("sRGB, but linear", SRGB, 1), "colour profile sRGB, but linear"), (profile("Grey gamma", None, 2.2, b"GRAY"), ""),
    (profile("Dot gain", None, 1.75, b"GRAY"), "colour profile Dot gain"), (profile("cut", P3, 2.2)[:200], "unusable colour profile"),
    (b"none", "unusable colour profile"), (ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), "unusable colour profile")]


@pytest.mark.parametrize("raw, said", PROFILES, ids=range(len(PROFILES)))
@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.tif", "p.webp"])
def test_a_colour_profile_is_not_applied_and_said_if_it_is_not_srgbs(tmp_path, name, raw, said):
    how = dict(quality=95) if name == "p.jpg" else dict(lossless=True) if name == "p.webp" else {}
    Image.fromarray(RGB).save(tmp_path/name, icc_profile=raw, **how)
    Image.fromarray(RGB).save(tmp_path/f"plain-{name}", **how)
    check(tmp_path/name, I.read_image(tmp_path/f"plain-{name}"), [f"{said} read as sRGB's"] if said else [], off=0)


@pytest.mark.parametrize("gamma, said", [(45455, []), (100000, ["gamma 1 read as sRGB's"]), (55556, ["gamma 0.556 read as sRGB's"])])
def test_gamma_is_said(tmp_path, gamma, said):
    path = write_png(tmp_path/"p.png", RGB, 8, 2, more=chunk(b"gAMA", struct.pack(">I", gamma)))
    check(path, RGB, said, off=0)


@pytest.mark.parametrize("turn", [1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 200])
@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.tif", "deep.png"])
def test_the_stored_size_of_a_turned_picture(tmp_path, turn, name):
    exif = Image.Exif()
    exif[274] = turn
    im = Image.fromarray(GREY.astype(np.uint16)*257) if name == "deep.png" else Image.fromarray(RGB)
    im.save(tmp_path/name, exif=exif)
    im, h, w = I.open_picture(tmp_path/name), *GREY.shape
    assert I.picture_size(im) == I.read_image(tmp_path/name).shape[:2] == ((w, h) if turn in (5, 6, 7, 8) else (h, w))
    assert I.picture_size(im, stored=True) == (h, w)
    assert ("EXIF-rotated" in I.describe(im)) == (turn in range(2, 9))


# ---- saliency

@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_saliency_of_any_depth(tmp_path, depth):
    top = (1 << depth) - 1
    a = np.arange(0, top + 1, max(1, top//20))[None]
    a[0, -1] = top
    said = []
    assert np.allclose(I.read_saliency(write_png(tmp_path/"s.png", a, depth), said=said), a/top, atol=1e-6) and not said


@pytest.mark.parametrize("depth", [2, 4, 8, 16])
@pytest.mark.parametrize("on", [0, 1])
def test_saliency_of_0_and_1(tmp_path, depth, on):
    said, a = [], np.array([[0, on, 0]])
    assert I.read_saliency(write_png(tmp_path/"s.png", a, depth), said=said).tolist() == a.tolist()
    assert said == ["values 0…1: read as 0 and 1"]*on           # zeros alone are a map too


@pytest.mark.parametrize("save", [
    lambda a, p: Image.fromarray(a.astype(np.uint16)).save(p/"s.png"), lambda a, p: tifffile.imwrite(p/"s.tif", a.astype(np.uint16)), lambda a, p: tifffile.imwrite(p/"s.tif", a.astype(np.int32)),
    lambda a, p: write_png(p/"s.png", np.dstack([a]*3), 16, 2)], ids=["png", "tiff", "32 bits", "colours"])
@pytest.mark.parametrize("top", [2, 100, 255])
def test_8_bits_in_16(tmp_path, save, top):
    said, a = [], np.array([[0, top//2, top]], np.uint8)
    save(a, tmp_path)
    got = I.read_saliency(next(tmp_path.glob("s.*")), said=said)
    assert np.allclose(got, a/255, atol=1e-6) and said == [f"values 0…{top} in 16 bits: read as 8 bits"]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_grey_saliency_in_every_mode(tmp_path, mode):
    Image.fromarray(GREY).convert(mode).save(tmp_path/"s.png")
    assert np.allclose(I.read_saliency(tmp_path/"s.png"), GREY/255, atol=1e-6)
    Image.fromarray((GREY > 100).astype(np.uint8)).convert(mode).save(tmp_path/"b.png")
    assert (I.read_saliency(tmp_path/"b.png") == (GREY > 100)).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_coloured_saliency_is_refused(tmp_path, mode):
    Image.fromarray(RGB).convert(mode).save(tmp_path/"s.png")
    refused(I.read_saliency, tmp_path/"s.png", "colours")


@pytest.mark.parametrize("kind", ["RGBA", "clear grey", "clear index", "deep clear grey"])
def test_transparent_saliency_is_refused(tmp_path, kind):
    a = np.array([[3, 200]])
    if kind == "RGBA": Image.fromarray(np.uint8([[[3, 3, 3, 0], [9, 9, 9, 255]]])).save(tmp_path/"s.png")
    elif kind == "clear grey": write_png(tmp_path/"s.png", a, 8, 0, clear=struct.pack(">H", 3))
    elif kind == "deep clear grey": write_png(tmp_path/"s.png", a*257, 16, 0, clear=struct.pack(">H", 3*257))
    else: write_png(tmp_path/"s.png", a, 8, 3, GREYS, clear=b"\xff\xff\xff\0")
    refused(I.read_saliency, tmp_path/"s.png", "partly transparent")


def test_transparent_grey_is_kept_and_said(tmp_path):
    said = []
    Image.fromarray(np.uint8([[[50, 0], [255, 255]]])).save(tmp_path/"s.png")      # the masking method takes it for unlabelled
    assert np.allclose(I.read_saliency(tmp_path/"s.png", said=said), [[50/255, 1]]) and said == ["partly transparent"]


@pytest.mark.parametrize("top, full, depth", [(20, 255, 8), (4000, 65535, 16)])
def test_a_faint_map_is_said(tmp_path, top, full, depth):
    said = []
    assert np.isclose(I.read_saliency(write_png(tmp_path/"s.png", np.array([[0, top]]), depth), said=said).max(), top/full)
    assert said == [f"largest value {top} of {full}"]


def test_saliency_of_0_and_1_with_void_is_refused(tmp_path):
    a = np.eye(9, dtype=np.uint8)
    Image.fromarray(a*255).save(tmp_path/"right.png")
    assert I.read_saliency(tmp_path/"right.png").max() == 1
    a[0] = 255
    Image.fromarray(a).save(tmp_path/"s.png")
    refused(I.read_saliency, tmp_path/"s.png", "holds 0, 1 and 255 only")


@pytest.mark.parametrize("value, dtype", [(-1, np.int16), (70000, np.int32), (.5, np.float32), (-1, np.int8)])
def test_numbers_that_are_no_saliency(tmp_path, value, dtype):
    tifffile.imwrite(tmp_path/"s.tif", np.array([[0, value]], dtype))
    refused(I.read_saliency, tmp_path/"s.tif", "floating|0…65535|signed")


@pytest.mark.parametrize("mode", ["CMYK", "LAB"])
def test_kinds_of_pixels_that_are_no_saliency(tmp_path, mode):
    Image.fromarray(RGB).convert(mode).save(tmp_path/"s.tif")
    refused(I.read_saliency, tmp_path/"s.tif", mode)
