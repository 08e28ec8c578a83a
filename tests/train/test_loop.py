"""The loop on a page: how many of our frames stand between it and the mathematics."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest
from cases import fake_data, tiny

import vral
from vral.study import build as building
from vral.train.loop import train
from vral.train.state import Clock

PACKAGE = str(Path(vral.__file__).parent)
MOST = 6


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_six_frames_lead_from_the_loop_to_a_loss(monkeypatch, seeds):
    """From ``train`` to the first line of a loss in games/, with readings and without."""
    config = tiny("nonsaturating", ratio="2", rounds=2, record_every=2, seeds=seeds)
    depths = []

    def looking(loss):
        def looks(profile, draw):
            ours = [
                f"{Path(frame.filename).stem}.{frame.function}"
                for frame in inspect.stack(context=0)
                if frame.filename.startswith(PACKAGE)
            ]
            depths.append(ours[: ours.index("loop.train")])
            return loss(profile, draw)

        return looks

    class Looking(building.FusedGan):
        @property
        def losses(self):
            return {player: looking(loss) for player, loss in super().losses.items()}

    monkeypatch.setattr(building, "FusedGan", Looking)
    training = building.build(config, fake_data(config.dataset))
    train(training, Clock(), config.rounds, building.build_recorder(config))
    assert len(depths) == 6
    assert max(map(len, depths)) <= MOST, depths[0]


def test_a_training_can_go_on_from_its_last_state():
    config = tiny("standard", ratio="2", record_every=1)
    through = building.build(config, fake_data(config.dataset))
    whole = train(through, Clock(), 4, building.build_recorder(config))
    halves, clock = building.build(config, fake_data(config.dataset)), Clock()
    for rounds in (2, 4):
        state = train(halves, clock, rounds, building.build_recorder(config))
        halves = replace(halves, initial=state)
    for player, params in whole.profile.items():
        assert all(params[name].equal(state.profile[player][name]) for name in params)
    assert clock == Clock(4, 8, 4)
