"""What does a training loop really do? Its trajectory on the Dirac-GAN tells.

``conform(trainer, objective)`` hands a trainer two modules in float64: G gives θ whatever the
latent, and D(x) = ψ·x is a logit that is high on reals (Mescheder et al. 2018, whose reals are all
0; here all reals of a start are at a c ≠ 0, so that D's loss on reals moves ψ). Every hypothesis on
the loop has its trajectory: order, timing and numbers of steps; penalty; losses, labels and their
weights; optimisers, step sizes and clipping; what is detached, cleared and stepped. The report
names the hypotheses that agree with the trainer to 1e-9, and what was seen if none does.

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
call of a library's trainer. SGD, momentum, Adam and RMSprop are understood, with PyTorch's
formulas. If your D ends in a sigmoid, add one; make labels in float64. State that calls share (a
counter for lazy R1, say) belongs into ``trainer``.

Under ``fault`` stands what is not as declared. Optimiser, step sizes, timing and clipping after D's
step are no faults, but named with their numbers; nor is a D that is negated throughout, which plays
the same game.

What the Dirac-GAN cannot show:

* A player's step size multiplied by a number is the same as its whole loss multiplied by it,
  penalty included. With Adam and RMSprop such a loss is the same as another ε, and does little.
* With WGAN's straight loss and no penalty, two D steps are one step twice as long, and a
  relativistic pair is WGAN itself. Straight losses have no label: there it is a weight.
* All samples of a batch are the same, so it does not matter which real is compared with which fake:
  with cross-entropy, a relativistic average is the relativistic pair doubled.
* Where a penalty takes ∇D (R1 at reals, R2 at fakes, both, between; or at ψ, which is weight decay)
  is told by a few calls with a curved D(x) = ψx + ¼x². Half at reals and half at fakes is the same
  as midway between them. Points drawn between them are told for SGD with one D step a call,
  otherwise not.
* D has one weight: nothing is seen of biases, norms or of what an optimiser leaves out. Scores stay
  moderate: a clamp that acts at scores of ±50 is not seen.
* Whether fakes are detached cannot show where G's gradients are cleared before its step, and does
  no harm there.

This package writes the Dirac-GAN down twice, as modules (``observe``) and by hand (``dynamics``),
and takes neither from ``vral.games``: a referee must not share a mistake with the players.
"""

from vral.conformance.conform import Conformance, conform

__all__ = ["Conformance", "conform"]
