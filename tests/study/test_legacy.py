"""The arithmetic of the original code's defects."""

import numpy as np
import pytest

from vral.study import legacy


def test_the_filler_adds_what_the_array_itself_says():
    rng = np.random.default_rng(0)
    written = rng.standard_normal(legacy.ROWS - legacy.FILLER_ROWS)
    written = (written - written.mean()) / written.std()
    for mean, sd in ((0.0, 1.0), (-3.0, 2.0)):
        whole = np.concatenate([mean + sd * written, np.full(legacy.FILLER_ROWS, 99.0)])
        added = legacy.filler_variance(mean, sd**2)
        assert added == pytest.approx(whole.var() - sd**2)
    assert legacy.filler_variance(0.0, 1.0) == pytest.approx(5.22, abs=0.005)
