"""What an experiment draws: the selection of a study, and FIGURES by experiment."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vral import figures
from vral.data.datasets import DATASETS, MODES
from vral.study import frames
from vral.study.experiments import EXPERIMENTS
from vral.train.schedule import Ratio


@dataclass(frozen=True)
class Selection:
    """The part of a study folder that a command asked for."""

    root: Path
    dataset: str
    methods: Sequence[str]
    """Arms."""
    ratios: Sequence[str]
    seeds: Sequence[int]
    targets: dict[str, tuple[float, float]]
    """VRAL's (m_f, m_r) of the arms that have them."""
    batch: int
    network: str
    warmup: int
    """Rounds that G was trained for before; 0 where it was not."""

    @classmethod
    def covering(cls, root: Path, configs: Sequence[Mapping[str, Any]]) -> "Selection":
        """What runs with these settings, on one data set, cover of the study in ``root``."""
        arms = [frames.coordinates(config)["method"] for config in configs]
        return cls(
            root,
            configs[0]["dataset"],
            list(dict.fromkeys(arms)),
            list(dict.fromkeys(config["ratio"] for config in configs)),
            sorted({seed for config in configs for seed in config["seeds"]}),
            {
                arm: (config["mean_fake"], config["mean_real"])
                for arm, config in zip(arms, configs, strict=True)
                if config["objective"] in ("meta", "parzen") or config["moment_penalty"] > 0
            },
            configs[0]["batch"],
            configs[0]["network"],
            configs[0].get("warmup", 0),
        )

    @property
    def caption(self) -> str:
        ratios, count = ", ".join(map(figures.ratio_label, self.ratios)), len(self.seeds)
        seeds = f"{count} seed{'s' if count > 1 else ''}"
        return f"D:G = {ratios} · {self.dataset}, {self.network}, {seeds}"

    def frame(self, kind: str) -> pl.DataFrame:
        return self.restrict(frames.read(self.root, kind))

    def restrict(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frames.restrict(frame, self.methods, self.ratios, self.seeds, self.dataset)

    def final(self) -> pl.DataFrame:
        """Final values of the cells; without rows where nothing was read."""
        records, probes = self.frame("records"), self.frame("probes")
        if records.is_empty() or probes.is_empty():
            return records.clear().with_columns(diverged=pl.lit(False))
        return self.restrict(frames.final_values(records, probes, self._diverged()))

    def gone(self) -> dict[figures.Cell, int]:
        """How many seeds of a cell have diverged."""
        return dict(Counter((entry["method"], entry["ratio"]) for entry in self._diverged()))

    def gone_at(self, ratio: str) -> dict[str, int]:
        """How many seeds of an arm have diverged at a ratio."""
        return {arm: count for (arm, at), count in self.gone().items() if at == ratio}

    def samples(self) -> dict[figures.Cell, NDArray | None]:
        return {
            (method, ratio): frames.last_samples(self.root, method, ratio, self.dataset)
            for method in self.methods
            for ratio in self.ratios
        }

    def plane(self) -> NDArray | None:
        """(2000, 2) held-out points of a data set in the plane, None of another."""
        if DATASETS[self.dataset].shape != (2,):
            return None
        return DATASETS[self.dataset].load(Path(), False).held_out[:2000].numpy()

    def _diverged(self) -> list[dict[str, Any]]:
        entries = frames.diverged(self.root)
        if not entries:
            return []
        return self.restrict(pl.DataFrame(entries, infer_schema_length=None)).to_dicts()


Drawing = Callable[[Selection], dict[str, Figure]]
"""A selection to figures by file name."""


def by_ratio(name: str, draw: Callable[[Selection, str], Figure]) -> Drawing:
    """``draw`` at each ratio by itself: NAME for the first one, NAME-RATIO for others."""

    def drawn(selection: Selection) -> dict[str, Figure]:
        found = {}
        for ratio in selection.ratios:
            file = f"{name}-{ratio}".replace(":", "-") if found else name
            found[file] = draw(replace(selection, ratios=[ratio]), ratio)
        return found

    return drawn


def draw_ratios(selection: Selection) -> dict[str, Figure]:
    """Draw the overview, and each of its kinds of panel on a page of its own."""
    records, probes = selection.frame("records"), selection.frame("probes")
    methods, ratios, samples = selection.methods, selection.ratios, selection.samples()
    return {
        "overview": figures.overview(
            records, probes, samples, methods, ratios, selection.targets, selection.caption
        ),
        "histograms": figures.histograms(probes, methods, ratios, selection.targets),
        "gradients": figures.gradients_and_variance(records, methods, ratios),
        "generator": figures.generator_gradients(records, methods, ratios),
        "samples": figures.sample_grids(
            samples, methods, ratios, "Claims C7, C8", selection.plane()
        ),
    }


def draw_well_trained(selection: Selection) -> dict[str, Figure]:
    """Draw what a D that trains on tells a held G, and histograms of D's scores."""
    signal = by_ratio(
        "signal",
        partial(
            _held,
            "What a D that is trained on tells a held G",
            "Claims C1, C2; Standard and -log D train the same D",
        ),
    )
    methods, ratios = selection.methods, selection.ratios
    probes = selection.frame("probes")
    return {
        **signal(selection),
        "histograms": figures.histograms(probes, methods, ratios, selection.targets),
    }


def _held(title: str, claims: str, selection: Selection, ratio: str) -> Figure:
    unit, name = selection.warmup, "length of G's warm-up"
    if not unit:
        unit, name = Ratio.parse(ratio).at(0)[0], "D updates of a round"
    return figures.held_generator(
        selection.frame("probes"),
        selection.methods,
        unit,
        name,
        selection.gone_at(ratio),
        f"{title} · {selection.dataset}",
        claims,
    )


def _interpolation(selection: Selection, ratio: str) -> Figure:
    table = selection.frame("interpolation")
    return figures.interpolation(table, selection.methods, ratio, selection.gone_at(ratio))


def _parzen(selection: Selection, ratio: str) -> Figure:
    known = {arm.name: arm.settings for arm in EXPERIMENTS["parzen"].arms}
    widths = {
        name: (known[name]["bandwidth"], known[name]["parzen_kl"])
        for name in selection.methods
        if name in known
    }
    return figures.parzen(selection.final(), widths, ratio, selection.gone_at(ratio))


def _clipping(selection: Selection, ratio: str) -> Figure:
    records, final = selection.frame("records"), selection.final()
    return figures.clipping(records, final, selection.methods, ratio, selection.gone_at(ratio))


def _lipschitz(selection: Selection, ratio: str) -> Figure:
    probes = selection.frame("probes")
    return figures.lipschitz(probes, selection.methods, ratio, selection.gone_at(ratio))


def _necessity(selection: Selection, ratio: str) -> Figure:
    return figures.necessity(selection.final(), selection.methods, ratio, selection.gone())


def draw_modes(selection: Selection) -> dict[str, Figure]:
    """Draw the modes that every arm covers, and samples."""
    methods, ratios, samples = selection.methods, selection.ratios, selection.samples()
    count = MODES.get(selection.dataset)
    return {
        "modes": figures.modes(selection.final(), methods, ratios, count, selection.gone()),
        "samples": figures.sample_grids(samples, methods, ratios, "Claim P1", selection.plane()),
    }


def draw_artefacts(selection: Selection) -> dict[str, Figure]:
    """Draw the fold change that each defect of the original code makes."""
    return {"artefacts": figures.artefacts(selection.final(), selection.batch, selection.gone())}


def draw_transport(selection: Selection) -> dict[str, Figure]:
    """W1 of every arm beside its references, and samples of the first seed."""
    probes = selection.frame("probes")
    if "w1" not in probes.columns:  # Other data, or every seed has diverged.
        return draw_ratios(selection)
    cells = {method: ratio for method, ratio in probes.select("method", "ratio").unique().rows()}
    samples = {
        method: frames.last_samples(selection.root, method, cells[method], selection.dataset)
        for method in selection.methods
        if method in cells
    }
    references = next(
        report["quality"]
        for _, report in frames.runs(selection.root)
        if report["config"]["dataset"] == selection.dataset
    )
    drawn = figures.transport(probes, samples, selection.plane(), references, selection.caption)
    return {"transport": drawn}


FIGURES: dict[str, Drawing] = {
    "well-trained": draw_well_trained,
    "ratios": draw_ratios,
    "interpolation": by_ratio("interpolation", _interpolation),
    "parzen": by_ratio("parzen", _parzen),
    "clipping": by_ratio("clipping", _clipping),
    "noise": by_ratio("noise", partial(_held, "Does noise in D keep G's signal up?", "Claim C11")),
    "lipschitz": by_ratio("lipschitz", _lipschitz),
    "necessity": by_ratio("necessity", _necessity),
    "mode-collapse": draw_modes,
    "artefacts": draw_artefacts,
    "toy2d": draw_transport,
}
"""What an experiment draws of a data set."""
