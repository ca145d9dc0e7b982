"""From names to masks, nothing trained."""
import numpy as np
import pytest

from wsss_nb.core import ParameterError
from wsss_nb.names import understand_all
from wsss_nb.segment import SegmentSettings, load_segmenter, segment_names


@pytest.fixture(scope="module")
def nets(): return load_segmenter()


@pytest.mark.parametrize("hw", [(1, 1), (7, 300), (90, 120)])
@pytest.mark.parametrize("words", [["cat"], ["cat", "dog", "cup"]])
def test_any_picture_gets_maps_of_its_size(nets, hw, words):
    image = np.random.default_rng(0).integers(0, 256, (*hw, 3), dtype=np.uint8)
    s = segment_names(image, understand_all(words), nets=nets)
    C = len(words)
    assert s.names == tuple(words) and list(s.doubt) == words
    assert s.activation.shape == (C, *hw) and s.softmax.shape == (C + 1, *hw)
    assert s.superpixels.shape == s.seed.shape == s.grown.shape == s.mask.shape == hw
    assert s.mask.dtype == np.uint8 and s.mask.max() <= C


def test_settings_out_of_range_are_named():
    with pytest.raises(ParameterError, match="alpha .* beta_fg"):
        SegmentSettings(alpha=2, beta_fg=-1)
