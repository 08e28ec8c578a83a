"""FIGURES: what every experiment draws of the selected part of its study."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from numpy.typing import NDArray

from vral import figures
from vral.data.datasets import DATASETS, MODES
from vral.figures.style import Drawing
from vral.study import frames
from vral.study.experiments import EXPERIMENTS, STAGES, stage_of
from vral.study.numbers import from_to
from vral.train.schedule import Ratio


@dataclass(frozen=True)
class Selection:
    """The part of a study folder that a command asked for."""

    root: Path
    dataset: str
    arms: Sequence[str]
    ratios: Sequence[str]
    seeds: Sequence[int]
    targets: dict[str, tuple[float, float]]
    """VRAL's (m_f, m_r) of the arms that have them."""
    batch: int
    network: str
    warmup: int
    """Rounds of G's warm-up; 0 without one."""
    seed_counts: Sequence[int] = ()
    """How many seeds its cells have, if not all of ``seeds``."""

    @classmethod
    def covering(cls, root: Path, configs: Sequence[Mapping[str, Any]]) -> "Selection":
        """The selection of all runs with these settings, which share one data set."""
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
            frames.seed_counts(configs),
        )

    @property
    def caption(self) -> str:
        ratios = ", ".join(map(figures.ratio_label, self.ratios))
        seeds = from_to(self.seed_counts or [len(self.seeds)], "seed")
        return f"D:G = {ratios} · {self.dataset}, {self.network}, {seeds}"

    def frame(self, kind: str) -> pl.DataFrame:
        return self.restrict(frames.read(self.root, kind))

    def restrict(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frames.restrict(frame, self.arms, self.ratios, self.seeds, self.dataset)

    def final(self) -> pl.DataFrame:
        """Final values of every arm, ratio and seed; no rows where nothing was read."""
        return self.restrict(frames.final(self.root))

    def diverged_seeds(self) -> dict[figures.ArmAtRatio, int]:
        """Numbers of diverged seeds by arm and ratio."""
        return dict(Counter((entry["method"], entry["ratio"]) for entry in self._diverged()))

    def diverged_at(self, ratio: str) -> dict[str, int]:
        """Numbers of diverged seeds by arm, at one ratio."""
        return {arm: count for (arm, at), count in self.diverged_seeds().items() if at == ratio}

    def samples(self) -> dict[figures.ArmAtRatio, NDArray | None]:
        return {
            (arm, ratio): frames.last_samples(self.root, arm, ratio, self.dataset)
            for arm in self.arms
            for ratio in self.ratios
        }

    def plane(self) -> NDArray | None:
        """Held-out points (2000, 2) where the data lie in the plane, else None."""
        if DATASETS[self.dataset].shape != (2,):
            return None
        return DATASETS[self.dataset].load(Path(), False).held_out[:2000].numpy()

    def _diverged(self) -> list[dict[str, Any]]:
        entries = frames.diverged(self.root)
        if not entries:
            return []
        return self.restrict(pl.DataFrame(entries, infer_schema_length=None)).to_dicts()


Drawings = Callable[[Selection], dict[str, Drawing]]
"""A selection to its figures, by file name without its ending."""


def by_ratio(name: str, draw: Callable[[Selection, str], Drawing]) -> Drawings:
    """Draw each ratio by itself: the file NAME for the first one, NAME-RATIO for others."""

    def drawn(selection: Selection) -> dict[str, Drawing]:
        drawn_figures: dict[str, Drawing] = {}
        for ratio in selection.ratios:
            file = f"{name}-{ratio}".replace(":", "-") if drawn_figures else name
            drawn_figures[file] = draw(replace(selection, ratios=[ratio]), ratio)
        return drawn_figures

    return drawn


def draw_ratios(selection: Selection, on_samples: str = "Claims C7, C8") -> dict[str, Drawing]:
    """Draw the overview, and each of its kinds of panel on a page of its own.

    ``on_samples`` names the claims that the samples support.
    """
    records, probes = selection.frame("records"), selection.frame("probes")
    arms, ratios, samples = selection.arms, selection.ratios, selection.samples()
    return {
        "overview": figures.overview(
            records, probes, samples, arms, ratios, selection.targets, selection.caption
        ),
        "histograms": figures.histograms(probes, arms, ratios, selection.targets),
        "gradients": figures.gradients_and_variance(records, arms, ratios),
        "generator": figures.generator_gradients(records, arms, ratios),
        "samples": figures.sample_grids(samples, arms, ratios, on_samples, selection.plane()),
    }


def draw_experts(selection: Selection) -> dict[str, Drawing]:
    """Draw what each arm's G makes at the end; the ranking is the table's."""
    samples, ratios = selection.samples(), selection.ratios
    drawn = figures.sample_grids(
        samples, selection.arms, ratios, "A ranking, no claim", selection.plane()
    )
    return {"samples": drawn}


def draw_well_trained(selection: Selection) -> dict[str, Drawing]:
    """Draw what a D that trains on tells a held G, and histograms of D's scores."""
    signal = by_ratio(
        "signal",
        partial(
            _held,
            "What a D that is trained on tells a held G",
            "Claims C1, C2; Standard and -log D train the same D",
        ),
    )
    arms, ratios = selection.arms, selection.ratios
    probes = selection.frame("probes")
    return {
        **signal(selection),
        "histograms": figures.histograms(probes, arms, ratios, selection.targets),
    }


def _held(title: str, claims: str, selection: Selection, ratio: str) -> Drawing:
    unit, name = selection.warmup, "length of G's warm-up"
    if not unit:
        unit, name = Ratio.parse(ratio).at(0)[0], "D updates of a round"
    return figures.held_generator(
        selection.frame("probes"),
        selection.arms,
        unit,
        name,
        selection.diverged_at(ratio),
        f"{title} · {selection.dataset}",
        claims,
    )


def _interpolation(selection: Selection, ratio: str) -> Drawing:
    table = selection.frame("interpolation")
    return figures.interpolation(table, selection.arms, ratio, selection.diverged_at(ratio))


def _parzen(selection: Selection, ratio: str) -> Drawing:
    known = {arm.name: arm.settings for arm in EXPERIMENTS["parzen"].arms}
    widths = {
        name: (float(known[name]["bandwidth"]), str(known[name]["parzen_kl"]))
        for name in selection.arms
        if name in known
    }
    return figures.parzen(selection.final(), widths, ratio, selection.diverged_at(ratio))


def _clipping(selection: Selection, ratio: str) -> Drawing:
    records, final = selection.frame("records"), selection.final()
    return figures.clipping(records, final, selection.arms, ratio, selection.diverged_at(ratio))


def _lipschitz(selection: Selection, ratio: str) -> Drawing:
    probes = selection.frame("probes")
    return figures.lipschitz(probes, selection.arms, ratio, selection.diverged_at(ratio))


def _necessity(selection: Selection, ratio: str) -> Drawing:
    return figures.necessity(selection.final(), selection.arms, ratio, selection.diverged_seeds())


def draw_modes(selection: Selection) -> dict[str, Drawing]:
    """Draw the modes that every arm covers, and samples."""
    arms, ratios, samples = selection.arms, selection.ratios, selection.samples()
    count = MODES.get(selection.dataset)
    return {
        "modes": figures.modes(selection.final(), arms, ratios, count, selection.diverged_seeds()),
        "samples": figures.sample_grids(samples, arms, ratios, "Claim P1", selection.plane()),
    }


def draw_budget(selection: Selection) -> dict[str, Drawing]:
    """Draw the Fréchet distance over the ratio, over ratio × budget on each clock, and samples."""
    probes, arms, ratios = selection.frame("probes"), selection.arms, selection.ratios
    drawn = {
        f"budget-{name}": figures.budget(
            probes, arms, ratios, clock, selection.batch, selection.caption
        )
        for name, clock in (("d", "d_updates"), ("g", "g_updates"), ("images", "shown"))
    }
    return {
        "budget": figures.same_budget(probes, arms, ratios, selection.caption),
        **drawn,
        "samples": figures.sample_grids(
            selection.samples(), arms, ratios, "Claim Q3", selection.plane()
        ),
    }


def draw_batch_norm(selection: Selection) -> dict[str, Drawing]:
    """Draw Fréchet distances with and without batch norm in G, and samples."""
    arms, ratios = selection.arms, selection.ratios
    return {
        "norm": figures.readings(
            selection.final(),
            arms,
            ratios,
            selection.diverged_seeds(),
            "With the authors' batch norm in G, and without it (plain)",
            "Claim Q4",
        ),
        "samples": figures.sample_grids(
            selection.samples(), arms, ratios, "Claim Q4", selection.plane()
        ),
    }


def draw_tuning(selection: Selection) -> dict[str, Drawing]:
    """Draw the Fréchet distance of every setting of the grid."""
    return {
        "tuning": figures.readings(
            selection.final(),
            selection.arms,
            selection.ratios,
            selection.diverged_seeds(),
            "Settings tried for the arms of necessity",
            "No claim is judged on these seeds",
        )
    }


def draw_artefacts(selection: Selection) -> dict[str, Drawing]:
    """Draw the fold change that each defect of the original code makes."""
    return {
        "artefacts": figures.artefacts(
            selection.final(), selection.batch, selection.diverged_seeds()
        )
    }


def draw_transport(selection: Selection) -> dict[str, Drawing]:
    """Draw W1 of every arm beside its references, and samples of the first seed."""
    probes = selection.frame("probes")
    plane = selection.plane()
    if plane is None or "w1" not in probes.columns:  # Other data, or every seed has diverged.
        return draw_ratios(selection)
    ratios = {arm: ratio for arm, ratio in probes.select("method", "ratio").unique().rows()}
    samples = {
        arm: frames.last_samples(selection.root, arm, ratios[arm], selection.dataset)
        for arm in selection.arms
        if arm in ratios
    }
    references = next(
        report["quality"]
        for _, report in frames.runs(selection.root)
        if report["config"]["dataset"] == selection.dataset
    )
    drawn = figures.transport(probes, samples, plane, references, selection.caption)
    return {"transport": drawn}


def draw_usefulness(selection: Selection) -> dict[str, Drawing]:
    """Draw how far the signal to G points at the data, by stage of a held G and in training."""
    panels: dict[str, dict[str, str]] = {stage: {} for stage in (*STAGES, "")}
    for arm in selection.arms:
        method, stage = stage_of(arm)
        panels[stage][arm] = method
    drawn = figures.usefulness(
        selection.frame("probes"),
        {stage: arms for stage, arms in panels.items() if arms},
        {arm: count for (arm, _), count in selection.diverged_seeds().items()},
        selection.caption,
    )
    return {"usefulness": drawn}


FIGURES: dict[str, Drawings] = {
    "well-trained": draw_well_trained,
    "ratios": draw_ratios,
    "deck": partial(draw_ratios, on_samples="Claims C0, C7, C8"),
    "budget": draw_budget,
    "batch-norm": draw_batch_norm,
    "usefulness": draw_usefulness,
    "experts": draw_experts,
    "interpolation": by_ratio("interpolation", _interpolation),
    "parzen": by_ratio("parzen", _parzen),
    "clipping": by_ratio("clipping", _clipping),
    "noise": by_ratio("noise", partial(_held, "Does noise in D keep G's signal up?", "Claim C11")),
    "lipschitz": by_ratio("lipschitz", _lipschitz),
    "necessity": by_ratio("necessity", _necessity),
    "tuning": draw_tuning,
    "mode-collapse": draw_modes,
    "artefacts": draw_artefacts,
    "toy2d": draw_transport,
}
"""Experiment to the function that draws its figures of one data set."""
