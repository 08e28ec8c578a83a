"""Where and how a run computes, and what its numbers were computed on."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vral.data.datasets import DATASETS, Dataset, data_root, load_dataset
from vral.errors import ConfigError
from vral.nets import NETWORKS, OUTPUTS
from vral.study.config import RunConfig
from vral.train.schedule import Ratio


@dataclass(frozen=True)
class Execution:
    """What does not change what a run computes (beyond the last bits)."""

    device: str = "auto"
    threads: int = 1
    compile: str = "auto"
    """Whether updates are compiled: "on", "off", or "auto", where the run is long enough."""
    data_root: str | None = None
    download: bool = False

    @property
    def torch_device(self) -> torch.device:
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)

    def load(self, dataset: str) -> Dataset:
        return load_dataset(dataset, data_root(self.data_root), self.download)


def check_memory(config: RunConfig, device: torch.device) -> None:
    """Refuse networks of which the weights and their gradients alone exceed the device's memory.

    Raises:
        ConfigError: what they take, and what there is.
    """
    row, pair, seeds = DATASETS[config.dataset], NETWORKS[config.network], len(config.seeds)
    with torch.device("meta"):  # shapes without memory
        output = OUTPUTS[row.output]()
        networks = (
            pair.discriminator(row.shape, config.width, config.norm_d),
            pair.generator(row.shape, config.latent, config.width, config.norm_g, output),
        )
    weights = sum(value.numel() for network in networks for value in network.parameters())
    needed, there = 2 * 4 * weights * seeds / 2**30, memory(device) / 2**30
    if needed > there:
        raise ConfigError(
            f"--width: {config.width} given, which with --latent {config.latent} and {seeds} "
            f"seed{'s' if seeds > 1 else ''} takes {needed:,.0f} GiB or more, and there are "
            f"{there:,.0f}; allowed: smaller ones, or fewer seeds in one run"
        )


def memory(device: torch.device) -> int:
    """Bytes of memory that ``device`` has, in use or not."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


COMPILED_FROM = {"lanes": 10_000, "alone": 2_000}
"""D updates from which a run is compiled: networks small enough to share a stack, and others. A
compiled update saves 3 to 7 ms of the former and 60 ms of the MNIST convolutions, and compiling a
method takes about half a minute."""


def compiling_pays(config: RunConfig, execution: Execution) -> bool:
    """Whether the run has enough updates to win back the time of compiling it.

    The answer depends on counts alone, never on a measured time, so that every start of a run gives
    the same. On a GPU, where nothing has been measured, it is no.
    """
    if execution.torch_device.type != "cpu":
        return False
    updates = Ratio.parse(config.ratio).totals(config.rounds)[0]
    return updates >= COMPILED_FROM["lanes" if config.lanes_pay else "alone"]


def compiles(config: RunConfig, execution: Execution, mode: Mapping[str, Any]) -> bool:
    """Whether the run is compiled; ``mode`` is that of its earlier start, which "auto" keeps to."""
    if execution.compile == "auto":
        return mode.get("compiled", compiling_pays(config, execution))
    return execution.compile == "on"


def machine(execution: Execution) -> dict[str, object]:
    """What the numbers were computed on, without names or paths."""
    device = execution.torch_device
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": execution.threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vral": version("vral"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
