"""What does a training loop really do? It is run on the Dirac-GAN, whose trajectories tell.

``conform(trainer, objective)`` hands a trainer two modules in float64: G gives θ whatever the
latent, D(x) = ψ·x is a logit that is high on reals, and all reals are 0 (Mescheder et al. 2018).
Every hypothesis on the loop (order, numbers of steps, penalty, what is detached, cleared and
stepped) has a trajectory of its own; those that agree with the trainer's to 1e-9 are reported.

A trainer is a function that makes its optimisers and returns one update of its loop. For instance::

    import torch
    from torch.nn.functional import softplus

    def trainer(G, D, step_size, gamma):
        optimiser_g = torch.optim.SGD(G.parameters(), step_size)
        optimiser_d = torch.optim.SGD(D.parameters(), step_size)

        def update(real, latent):
            real.requires_grad_()
            fake, score = G(latent), D(real)
            slope = torch.autograd.grad(score.sum(), real, create_graph=True)[0]
            penalty = gamma / 2 * slope.square().sum(1).mean()
            loss_d = softplus(-score).mean() + softplus(D(fake.detach())).mean() + penalty
            optimiser_d.zero_grad()
            loss_d.backward()
            optimiser_d.step()
            optimiser_g.zero_grad()
            softplus(-D(fake)).mean().backward()
            optimiser_g.step()

        return update

    print(conform(trainer, "nonsaturating", step_size=0.2, gamma=0.3).report)

Samples and latents are (batch, 1), scores (batch,). Put the loop's own code into ``update``; a
library's trainer is wrapped the same way. Where it takes Adam, hand it ``torch.optim.SGD``: only
plain gradient descent is understood. Where D ends in a sigmoid, add one; make labels in float64.
What several calls share (a counter for lazy R1, say) lives in ``trainer``.

What the Dirac-GAN cannot show: R1, R2 and a zero-centred penalty between reals and fakes are one
there; with WGAN's straight scores and no penalty, two D steps are one step twice as long.
"""

from vral.conformance.conform import Conformance, conform

__all__ = ["Conformance", "conform"]
