"""Data sets as tensors on the device, and the stream of random draws."""

from typing import TYPE_CHECKING

from vral import lazy

if TYPE_CHECKING:
    from vral.data.datasets import DATASETS as DATASETS
    from vral.data.datasets import Dataset as Dataset
    from vral.data.datasets import DatasetRow as DatasetRow
    from vral.data.datasets import load_dataset as load_dataset
    from vral.data.draws import DrawStream as DrawStream
    from vral.data.draws import Noise as Noise
    from vral.data.draws import rng as rng

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "vral.data.datasets": ["DATASETS", "Dataset", "DatasetRow", "load_dataset"],
        "vral.data.draws": ["DrawStream", "Noise", "rng"],
    },
)
