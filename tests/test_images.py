"Files that lie, files that are damaged, and files that are fine."
import cv2, numpy as np, pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFile
from wsss_nb import images as I
from wsss_nb import masks_of_ids as M
from wsss_nb.core import DataError, ParameterError

RNG = np.random.default_rng(0)

@pytest.fixture
def photo():
    y, x = np.mgrid[:90, :120]
    return np.stack([x*2, y*2, (x+y) % 256], -1).astype(np.uint8)

@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("keep", [.02, .3, .5, .9, .98])
def test_truncated_is_an_error_naming_the_file(tmp_path, suffix, keep):
    noise = RNG.integers(0, 255, (90, 120, 3), np.uint8)
    I.write_image(tmp_path/f"a{suffix}", noise)
    b = (tmp_path/f"a{suffix}").read_bytes()
    (tmp_path/f"cut{suffix}").write_bytes(b[:int(len(b)*keep)])
    with pytest.raises(DataError, match=f"cut{suffix}"): I.read_image(tmp_path/f"cut{suffix}")

def test_truncation_is_noticed_after_a_library_allowed_it(tmp_path, photo, monkeypatch):
    I.write_image(tmp_path/"a.jpg", photo)
    b = (tmp_path/"a.jpg").read_bytes(); (tmp_path/"a.jpg").write_bytes(b[:len(b)//2])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DataError, match="a.jpg"): I.read_image(tmp_path/"a.jpg")
    assert cv2.imread(str(tmp_path/"a.jpg")) is not None   # why OpenCV is not the reader

@pytest.mark.parametrize("name,content,words", [
    ("empty.png", b"", "0 bytes"), ("text.jpg", b"hello", "not an image"), ("gone.jpg", None, "no such file")])
def test_not_a_picture(tmp_path, name, content, words):
    if content is not None: (tmp_path/name).write_bytes(content)
    for read in (I.read_image, M.read_mask, M.read_labels, I.read_saliency):
        with pytest.raises(DataError, match=words) as e: read(tmp_path/name)
        assert name in str(e.value)

def test_folder_is_not_a_picture(tmp_path):
    with pytest.raises(DataError, match="folder"): I.read_image(tmp_path)

def _png_header(w, h):
    import struct, zlib
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)
    chunk = lambda c: struct.pack(">I", len(c)-4) + c + struct.pack(">I", zlib.crc32(c))
    return b"\x89PNG\r\n\x1a\n" + chunk(ihdr) + chunk(b"IDAT"+zlib.compress(b"\0"*1000)) + chunk(b"IEND")

@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_000, 12_000, 60_000])      # above our limit, above Pillow's warning, above Pillow's error
def test_decompression_bomb(tmp_path, side):
    (tmp_path/"bomb.png").write_bytes(_png_header(side, side))
    with pytest.raises(DataError, match="bomb.png.*decompression bomb"): I.read_image(tmp_path/"bomb.png")

def test_damaged_png_checksum(tmp_path, photo):
    I.write_image(tmp_path/"a.png", photo)
    b = bytearray((tmp_path/"a.png").read_bytes()); b[len(b)//2] ^= 255
    (tmp_path/"a.png").write_bytes(b)
    with pytest.raises(DataError, match="a.png"): I.read_image(tmp_path/"a.png")

@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I"])
def test_every_mode_becomes_rgb(tmp_path, photo, mode):
    if mode.startswith("I"): im = Image.fromarray(photo[..., 0].astype(np.uint16)*257)
    else: im = Image.fromarray(photo).convert(mode)
    path = tmp_path/("a.tif" if mode in ("CMYK", "YCbCr", "HSV", "PA", "I") else "a.png")
    if mode == "I": im = im.convert("I")
    if mode in ("HSV", "PA"): im = im.convert("RGB" if mode == "HSV" else "LA")
    im.save(path)
    got = I.read_image(path)
    assert got.shape == (90, 120, 3) and got.dtype == np.uint8 and got.flags.c_contiguous
    if mode.startswith("I"): assert (got == photo[..., :1]).all()

def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    v = np.array([[0, 128, 129, 30000, 65535]], np.uint16)
    Image.fromarray(v).save(tmp_path/"a.png")
    assert I.read_image(tmp_path/"a.png")[0, :, 0].tolist() == [0, 0, 1, 117, 255]     # 30000/257 = 116.7

def test_sixteen_bit_colour(tmp_path):
    v = np.array([[[0, 30000, 65535]]], np.uint16)
    cv2.imwrite(str(tmp_path/"a.png"), v)                                               # blue, green, red
    assert np.abs(I.read_image(tmp_path/"a.png")[0, 0].astype(int) - [255, 117, 0]).max() <= 1

def test_alpha_lies_over_white(tmp_path):
    Image.fromarray(np.array([[[10, 20, 30, 0], [10, 20, 30, 255], [0, 0, 0, 51]]], np.uint8)).save(tmp_path/"a.png")
    assert I.read_image(tmp_path/"a.png")[0].tolist() == [[255]*3, [10, 20, 30], [204]*3]   # 255*(1-51/255)

def test_palette_with_transparent_entry(tmp_path):
    im = Image.fromarray(np.array([[0, 1]], np.uint8)); im.putpalette([9, 9, 9, 40, 50, 60])
    im.save(tmp_path/"a.png", transparency=0)
    assert I.read_image(tmp_path/"a.png")[0].tolist() == [[255]*3, [40, 50, 60]]

@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_as_opencv_does(tmp_path, photo, turn):
    exif = Image.Exif(); exif[274] = turn
    Image.fromarray(photo).save(tmp_path/"a.jpg", exif=exif, quality=100, subsampling=0)
    ours, theirs = I.read_image(tmp_path/"a.jpg"), cv2.imread(str(tmp_path/"a.jpg"))[..., ::-1]
    assert ours.shape == theirs.shape == ((120, 90, 3) if turn >= 5 else (90, 120, 3))
    assert np.abs(ours.astype(int)-theirs).max() <= 3
    assert I.picture_size(I.open_picture(tmp_path/"a.jpg")) == ours.shape[:2]
    assert I.describe(I.open_picture(tmp_path/"a.jpg")) == (["EXIF-rotated"] if turn > 1 else [])

def test_float_picture_is_refused(tmp_path):
    Image.fromarray(np.ones((3, 3), np.float32)).save(tmp_path/"a.tif")
    with pytest.raises(DataError, match="floating"): I.read_image(tmp_path/"a.tif")

@pytest.mark.parametrize("hw", [(1, 1), (1, 2000), (2000, 1)])
def test_thin_pictures(tmp_path, hw):
    a = RNG.integers(0, 255, (*hw, 3), np.uint8)
    I.write_image(tmp_path/"a.png", a)
    assert (I.read_image(tmp_path/"a.png") == a).all()
    assert I.resize(a, (5, 7)).shape == (5, 7, 3)

def test_write_image_refuses(tmp_path, photo):
    with pytest.raises(ParameterError, match="png"): I.write_image(tmp_path/"a.xyz", photo)
    with pytest.raises(ValueError, match="uint8"): I.write_image(tmp_path/"a.png", photo/255)
    with pytest.raises(ValueError): I.write_image(tmp_path/"a.png", photo[..., 0])
    assert not list(tmp_path.iterdir())

# --- masks

def test_palette_is_vocs():
    p = M.voc_palette()
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 8: (64, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}
    assert p.shape == (256, 3) and p.dtype == np.uint8 and all(tuple(p[i]) == c for i, c in known.items())

@settings(max_examples=20, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_mask_round_trip(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("m")/"m.png"
    M.write_mask(path, mask)
    assert (M.read_mask(path) == mask).all() and Image.open(path).mode == "P"

@settings(max_examples=20, deadline=None)
@given(arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 65535)))
def test_labels_round_trip(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("m")/"m.png"
    M.write_labels(path, labels)
    back = M.read_labels(path)
    assert (back == labels).all() and back.dtype == np.int32

def test_wrong_ids_are_counted(tmp_path):
    m = np.zeros((4, 4), np.uint8); m[0, :3] = 200; m[1, 0] = 21; m[2] = 255
    M.write_mask(tmp_path/"m.png", m)
    assert (M.read_mask(tmp_path/"m.png") == m).all()
    with pytest.raises(DataError, match=r"m.png: ids outside 0…20 and 255: 21 \(1 pixels\), 200 \(3 pixels\)"): M.read_mask(tmp_path/"m.png", 20)

def test_masks_that_hold_no_ids(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path/"c.png"); Image.fromarray(photo[..., 0]).save(tmp_path/"g.jpg")
    with pytest.raises(DataError, match="colours"): M.read_mask(tmp_path/"c.png")
    with pytest.raises(DataError, match="JPEG"): M.read_mask(tmp_path/"g.jpg")
    Image.fromarray(np.array([[300]], np.uint16)).save(tmp_path/"d.png")
    with pytest.raises(DataError, match=r"300 \(1 pixels\)"): M.read_mask(tmp_path/"d.png")

def test_one_bit_mask(tmp_path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path/"b.png")
    assert M.read_mask(tmp_path/"b.png", 1).tolist() == [[1, 0]]

@pytest.mark.parametrize("bad", [np.array([[256]]), np.array([[-1]]), np.array([[.5]]), np.zeros(3, int), np.zeros((0, 3), int)])
def test_write_mask_refuses(tmp_path, bad):
    with pytest.raises(ValueError): M.write_mask(tmp_path/"m.png", bad)
    assert not list(tmp_path.iterdir())

@pytest.mark.parametrize("bad", [np.array([[65536]]), np.array([[-1]]), np.array([[np.nan]])])
def test_write_labels_refuses(tmp_path, bad):
    with pytest.raises(ValueError): M.write_labels(tmp_path/"m.png", bad)

def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    m = np.ones((3, 3), np.uint8); M.write_mask(tmp_path/"m.png", m)
    def full(self, fp, **kw): open(fp, "wb").write(b"half"); raise OSError(28, "No space left on device")
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(DataError, match="m.png.*No space left"): M.write_mask(tmp_path/"m.png", m*2)
    assert [p.name for p in tmp_path.iterdir()] == ["m.png"] and (M.read_mask(tmp_path/"m.png") == m).all()

# --- sizes and saliency

@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("how", ["cubic", "bilinear", "area", "nearest"])
def test_resize_keeps_type_and_constant(dtype, how):
    for shape in [(7, 9), (7, 9, 1), (7, 9, 3), (7, 9, 21)]:
        a = np.full(shape, 5, dtype); b = I.resize(a, (4, 13), how)
        assert b.shape == (4, 13, *shape[2:]) and b.dtype == dtype and np.allclose(b, 5)

@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 5))
def test_nearest_up_by_a_factor_repeats(h, w, k):
    a = np.arange(h*w).reshape(h, w)
    assert (I.resize(a, (h*k, w*k), "nearest") == a.repeat(k, 0).repeat(k, 1)).all()
    assert (I.resize(I.resize(a, (h*k, w*k), "nearest"), (h, w), "nearest") == a).all()

def test_nearest_agrees_with_pillow():
    a = RNG.integers(0, 255, (37, 53), np.uint8)
    for hw in [(11, 90), (375, 20), (36, 52)]:
        assert (I.resize(a, hw, "nearest") == np.asarray(Image.fromarray(a).resize(hw[::-1], Image.Resampling.NEAREST))).all()

def test_resize_refuses():
    a = np.zeros((3, 3), np.uint8)
    with pytest.raises(ParameterError, match="lanczos"): I.resize(a, (2, 2), "lanczos")
    with pytest.raises(ParameterError, match="0x2"): I.resize(a, (0, 2))
    with pytest.raises(ParameterError, match="int64"): I.resize(a.astype(np.int64), (2, 2))
    with pytest.raises(ValueError): I.resize(np.zeros(3), (2, 2))

def test_saliency(tmp_path):
    s = np.array([[0, 51], [102, 255]], np.uint8)
    Image.fromarray(s).save(tmp_path/"a.png"); Image.fromarray(s.astype(np.uint16)*257).save(tmp_path/"b.png")
    Image.fromarray(np.stack([s]*3, -1)).save(tmp_path/"c.png")
    for n in "abc":
        got = I.read_saliency(tmp_path/f"{n}.png")
        assert got.dtype == np.float32 and np.allclose(got, [[0, .2], [.4, 1]], atol=1e-6)
    big = I.read_saliency(tmp_path/"a.png", (50, 41))
    assert big.shape == (50, 41) and big.min() >= 0 and big.max() <= 1

def test_shared_pictures(shared_data):
    voc = shared_data/"VOCdevkit"/"VOC2012"
    for m in sorted((voc/"SegmentationClass").glob("*.png")):
        mask, image = M.read_mask(m, 20), I.read_image(voc/"JPEGImages"/f"{m.stem}.jpg")
        assert mask.shape == image.shape[:2] and mask.max() == 255
    for s in sorted((shared_data/"saliency_u2netp"/"maps").glob("*.png")):
        got = I.read_saliency(s, (60, 80)); assert got.shape == (60, 80) and got.max() > .5
