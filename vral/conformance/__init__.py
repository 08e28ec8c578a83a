"""What does a training loop really do? Its trajectory on the Dirac-GAN tells.

``conform(trainer, objective)`` hands a trainer two modules in float64: G gives θ whatever the
latent, D(x) = ψ·x is a logit that is high on reals, and all reals are 0 (Mescheder et al. 2018).
Every hypothesis on the loop (order, numbers of steps, penalty; what is detached, cleared and
stepped) has its trajectory. The report names the hypotheses that agree with the trainer to 1e-9.

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

Samples and latents are (batch, 1), scores (batch,). Put the body of your loop into ``update``, or a
call of a library's trainer. If it uses Adam, give it ``torch.optim.SGD``: only plain gradient
descent is understood. If its D ends in a sigmoid, add one; make labels in float64. State that calls
share (a counter for lazy R1, say) belongs into ``trainer``.

Two things the Dirac-GAN cannot show. R1, R2 and a zero-centred penalty between reals and fakes are
the same there. And with WGAN's linear loss and no penalty, two D steps are one step twice as long.

This package writes the Dirac-GAN down twice, as modules (``observe``) and by hand (``dynamics``),
and takes neither from ``vral.games``: a referee must not share a mistake with the players.
"""

from vral.conformance.conform import Conformance, conform

__all__ = ["Conformance", "conform"]
