"""One thread, and a cache that belongs to the test session."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """$VRAL_CACHE for the whole session: nothing is read from or left in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VRAL_CACHE", str(folder))
        yield folder
