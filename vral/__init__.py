"""vral trains adversarial games at any D:G ratio and shows what happens inside them.

A game maps each player to its own loss; ``field`` gives every player's gradient of its own loss; a
rule (``FirstOrder``, ``Extragradient``, ``Consensus``, …) solves with that field; ``play`` lets a
rule play a game on your data, several seeds at once. OBJECTIVES, PENALTIES, RULES, METHODS and
EXPERIMENTS are plain dictionaries of what there is.

Every public name is loaded on first use: ``import vral`` does not import torch.
"""

from typing import TYPE_CHECKING

from vral import lazy

if TYPE_CHECKING:
    from vral.conformance.conform import conform as conform
    from vral.diagnostics.gamma_sweep import gamma_sweep as gamma_sweep
    from vral.diagnostics.linearise import field_map as field_map
    from vral.diagnostics.linearise import jacobian as jacobian
    from vral.diagnostics.linearise import update_map as update_map
    from vral.diagnostics.scores import score_statistics as score_statistics
    from vral.diagnostics.spectrum import spectrum as spectrum
    from vral.games.adapt import make_gan as make_gan
    from vral.games.dirac import dirac as dirac
    from vral.games.game import Game as Game
    from vral.games.game import field as field
    from vral.games.gan import Gan as Gan
    from vral.games.meta import MetaGan as MetaGan
    from vral.games.planar import mixture as mixture
    from vral.games.quadratic import bilinear as bilinear
    from vral.games.quadratic import quadratic as quadratic
    from vral.objectives import OBJECTIVES as OBJECTIVES
    from vral.objectives import Objective as Objective
    from vral.objectives import PairedObjective as PairedObjective
    from vral.optim.consensus import Consensus as Consensus
    from vral.optim.extragradient import Extragradient as Extragradient
    from vral.optim.gradient_norm import NagarajanKolter as NagarajanKolter
    from vral.optim.gradient_norm import Smooth as Smooth
    from vral.optim.optimistic import Optimistic as Optimistic
    from vral.optim.rule import FirstOrder as FirstOrder
    from vral.optim.rules import RULES as RULES
    from vral.optim.symplectic import Symplectic as Symplectic
    from vral.optim.transforms import TRANSFORMS as TRANSFORMS
    from vral.optim.transforms import Adam as Adam
    from vral.optim.transforms import Momentum as Momentum
    from vral.optim.transforms import RmsProp as RmsProp
    from vral.optim.transforms import Sgd as Sgd
    from vral.optim.transforms import Still as Still
    from vral.optim.unrolled import Unrolled as Unrolled
    from vral.parzen import backward_kl as backward_kl
    from vral.parzen import forward_kl as forward_kl
    from vral.penalties import PENALTIES as PENALTIES
    from vral.penalties import clip_weights as clip_weights
    from vral.penalties import gradient_norm as gradient_norm
    from vral.penalties import gradient_penalty as gradient_penalty
    from vral.penalties import input_gradient as input_gradient
    from vral.penalties import moments as moments
    from vral.penalties import r1 as r1
    from vral.penalties import r2 as r2
    from vral.study.config import RunConfig as RunConfig
    from vral.study.config import resolve as resolve
    from vral.study.experiments import EXPERIMENTS as EXPERIMENTS
    from vral.study.frames import read as read
    from vral.study.methods import METHODS as METHODS
    from vral.study.run import execute as execute
    from vral.train.play import draw_stream as draw_stream
    from vral.train.play import play as play
    from vral.train.play import start as start
    from vral.train.state import TrainState as TrainState
    from vral.train.step import make_step as make_step
    from vral.types import Scored as Scored

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "vral.games.game": ["Game", "field"],
        "vral.games.gan": ["Gan"],
        "vral.games.adapt": ["make_gan"],
        "vral.games.meta": ["MetaGan"],
        "vral.games.dirac": ["dirac"],
        "vral.games.quadratic": ["bilinear", "quadratic"],
        "vral.games.planar": ["mixture"],
        "vral.types": ["Scored"],
        "vral.objectives": ["OBJECTIVES", "Objective", "PairedObjective"],
        "vral.penalties": [
            "PENALTIES",
            "clip_weights",
            "gradient_norm",
            "gradient_penalty",
            "input_gradient",
            "moments",
            "r1",
            "r2",
        ],
        "vral.parzen": ["backward_kl", "forward_kl"],
        "vral.optim.rules": ["RULES"],
        "vral.optim.rule": ["FirstOrder"],
        "vral.optim.extragradient": ["Extragradient"],
        "vral.optim.optimistic": ["Optimistic"],
        "vral.optim.consensus": ["Consensus"],
        "vral.optim.gradient_norm": ["NagarajanKolter", "Smooth"],
        "vral.optim.symplectic": ["Symplectic"],
        "vral.optim.unrolled": ["Unrolled"],
        "vral.optim.transforms": ["TRANSFORMS", "Adam", "Momentum", "RmsProp", "Sgd", "Still"],
        "vral.train.state": ["TrainState"],
        "vral.train.step": ["make_step"],
        "vral.train.play": ["draw_stream", "play", "start"],
        "vral.diagnostics.linearise": ["field_map", "jacobian", "update_map"],
        "vral.diagnostics.spectrum": ["spectrum"],
        "vral.diagnostics.gamma_sweep": ["gamma_sweep"],
        "vral.diagnostics.scores": ["score_statistics"],
        "vral.study.methods": ["METHODS"],
        "vral.study.experiments": ["EXPERIMENTS"],
        "vral.study.config": ["RunConfig", "resolve"],
        "vral.study.run": ["execute"],
        "vral.study.frames": ["read"],
        "vral.conformance.conform": ["conform"],
    },
)
