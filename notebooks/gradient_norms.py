# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which gradient vanishes?
#
# A discriminator that is trained far ahead of its generator is said to give *vanishing gradients*.
# Three gradients go by that name, and they do different things:
#
# * ‖∇ₓD‖, the gradient of D's raw score (its logit), column `grad_norm_fake`;
# * ‖∇ₓσ(D)‖, the gradient of the probability, column `prob_grad_fake`;
# * ‖∂l_G/∂G(z)‖, the gradient of G's own loss, which is what G learns from, column `signal_fake`.
#
# We train three methods on scikit-learn's digits, 20 D updates per G update, three seeds each, and
# look at all three. It takes about a minute.

# %%
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt

from vral import figures
from vral.study import frames
from vral.study.config import resolve
from vral.study.folders import folder_name
from vral.study.methods import METHODS
from vral.study.run import execute

METHODS_SHOWN = ("standard", "nonsaturating", "vral-parzen")
root = Path(mkdtemp())
for method in METHODS_SHOWN:
    config = resolve(
        method,
        {"dataset": "digits", "ratio": "20", "seeds": "0-2", "rounds": 80, "width": 32},
    )
    execute(config, root / folder_name(config))

records = frames.read(root, "records")
records.select("method", "seed", "d_updates", "grad_norm_fake", "signal_fake").head()

# %% [markdown]
# ## Over time
#
# A line is the median over seeds, a band its 95 % bootstrap interval. All norms are per sample,
# un-squared, without a factor 1/B.

# %%
GRADIENTS = {
    "grad_norm_fake": "E‖∇ₓD‖ (logit)",
    "prob_grad_fake": "E‖∇ₓσ(D)‖ (probability)",
    "signal_fake": "E‖∂l_G/∂G(z)‖ (G's loss)",
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3), sharey=True, layout="constrained")
for ax, (metric, title) in zip(axes, GRADIENTS.items(), strict=True):
    for method in METHODS_SHOWN:
        cell = records.filter(records["method"] == method)
        curve = frames.band(cell, "g_updates", metric)
        colour, label = METHODS[method].colour, METHODS[method].label
        figures.draw_band(ax, curve, "g_updates", color=colour, label=label)
    ax.set(yscale="log", title=title, xlabel="generator updates")
_ = axes[0].legend()

# %% [markdown]
# The logit's gradient vanishes for no method. Under the saturating loss the gradient of G's loss
# follows that of the probability down; minimising -log D keeps it, and so does a discriminator
# whose scores are held to a unit variance. So a plot of ‖∇ₓD‖ alone can neither show nor refute
# the claim that standard GANs starve their generator.
#
# It takes data that D can tell from G's samples. With `"dataset": "ring"` in the cell above, where
# D cannot separate the two that soon, nothing vanishes in these eighty rounds.
#
# ## ‖∇D‖ and Var D(G(z)), as in the deck
#
# The package draws the same panels for a whole study; here they are for this one.

# %%
figures.gradients_and_variance(records, METHODS_SHOWN, ["20"])
