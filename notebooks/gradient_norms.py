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

import vral
from vral import figures
from vral.study.folders import folder_name
from vral.study.statistics import band

METHODS_SHOWN = ("standard", "nonsaturating", "vral-parzen")
SETTINGS = {"dataset": "digits", "ratio": "20", "seeds": "0-2", "rounds": 80, "width": 32}
root = Path(mkdtemp())
for method in METHODS_SHOWN:
    config = vral.resolve(method, SETTINGS)
    vral.execute(config, root / folder_name(config))

records = vral.read(root, "records")
records.select("method", "seed", "d_updates", "grad_norm_fake", "signal_fake").head()

# %% [markdown]
# ## Over time
#
# A line is the median over seeds, a band its interval (three seeds: their range). All norms
# are per sample, un-squared, without a factor 1/B.

# %%
GRADIENTS = {
    "grad_norm_fake": "E‖∇ₓD‖ (logit)",
    "prob_grad_fake": "E‖∇ₓσ(D)‖ (probability)",
    "signal_fake": "E‖∂l_G/∂G(z)‖ (G's loss)",
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3), sharey=True, layout="constrained")
for ax, (metric, title) in zip(axes, GRADIENTS.items(), strict=True):
    for method in METHODS_SHOWN:
        chosen = records.filter(records["method"] == method)
        row = vral.METHODS[method]
        curve = band(chosen, "g_updates", metric)
        figures.draw_band(ax, curve, "g_updates", color=row.colour, label=row.label)
    ax.set(yscale="log", title=title, xlabel="generator updates")
_ = axes[0].legend()

# %% [markdown]
# The logit's gradient vanishes for no method. Under the saturating loss the gradient of G's loss
# falls with that of the probability. Minimising -log D keeps it, and so does a discriminator whose
# scores are pulled towards a unit variance. So a plot of ‖∇ₓD‖ alone can neither show nor refute
# the claim that standard GANs starve their generator.
#
# The effect needs data that D can tell from G's samples. With `"dataset": "ring"` in the first
# cell, where D cannot separate the two that soon, nothing vanishes in these eighty rounds.
#
# ## ‖∇D‖ and Var D(G(z)), as in the deck
#
# The package draws the same panels for a whole study. Here they are for these three runs.

# %%
figures.gradients_and_variance(records, METHODS_SHOWN, ["20"])
