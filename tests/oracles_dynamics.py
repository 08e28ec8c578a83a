"""Closed forms of the Dirac-GAN and its kin, in NumPy and float64, after WTM18 and NUM17.

Paper convention: scores are high on fakes, q = f'(u) = σ(-u), u = ψθ, f'(0) = ½.
"""

import cmath
import math

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from oracles import sigmoid

SLOPE = 0.5
"""f'(0) of the log-loss."""
CURVATURE = -0.25
"""f''(0) of the log-loss."""

NODES, WEIGHTS = hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def slope(u):
    return sigmoid(-u)


def curvature(u):
    return -sigmoid(u) * sigmoid(-u)


# ---- the vector field (θ', ψ') of section 1.2 ---------------------------------------------------


def gan(theta, psi):
    q = slope(psi * theta)
    return -psi * q, theta * q


def nsgan(theta, psi):
    return -psi * slope(-psi * theta), theta * slope(psi * theta)


def wgan(theta, psi):
    return -psi, theta


def one_centred(theta, psi, weight, centre):
    return -psi, theta - weight * (abs(psi) - centre) * np.sign(psi)


def with_r1(field, theta, psi, weight):
    pull, push = field(theta, psi)
    return pull, push - weight * psi


def noisy_discriminator(theta, psi, deviation):
    e = deviation * NODES
    fake = WEIGHTS @ ((theta + e) * slope(psi * (theta + e)))
    return fake - WEIGHTS @ (e * slope(-psi * e))


def noisy_gan(theta, psi, deviation):
    mean = WEIGHTS @ slope(psi * (theta + deviation * NODES))
    return -psi * mean, noisy_discriminator(theta, psi, deviation)


def noisy_nsgan(theta, psi, deviation):
    mean = WEIGHTS @ slope(-psi * (theta + deviation * NODES))
    return -psi * mean, noisy_discriminator(theta, psi, deviation)


def consensus(theta, psi, weight, factor=1.0):
    """``factor`` ½ is the published notebook's slip."""
    q, r = slope(psi * theta), curvature(psi * theta)
    square = theta**2 + psi**2
    pull = theta * q**2 + factor * psi * square * q * r
    push = psi * q**2 + factor * theta * square * q * r
    return -psi * q - weight * pull, theta * q - weight * push


def smooth(theta, psi, weight):
    """NUM17's baseline: D is penalised by ½‖∇_θ L_G‖²."""
    q, r = slope(psi * theta), curvature(psi * theta)
    return -psi * q, theta * q - weight * (psi * q**2 + psi**2 * theta * q * r)


def nagarajan_kolter(theta, psi, weight):
    """G is penalised by ½‖∇_ψ L_D‖²."""
    q, r = slope(psi * theta), curvature(psi * theta)
    return -psi * q - weight * (theta * q**2 + theta**2 * psi * q * r), theta * q


# ---- spectra at the equilibrium -----------------------------------------------------------------


def pair(damping, determinant):
    """-d/2 ± √(d²/4 - c): the eigenvalues of trace -d and determinant c."""
    root = cmath.sqrt(damping**2 / 4 - determinant)
    return np.array([-damping / 2 + root, -damping / 2 - root])


def any_loss(a, b, weight):
    """Section 2.2: a = l_f'(0), b = l_g'(0), γ = ``weight``."""
    return pair(weight, -a * b)


def two_rates(step_g, step_d, weight, f=SLOPE):
    """Section 2.4: eigenvalues of diag(h_g, h_d)·v'."""
    return pair(step_d * weight, step_g * step_d * f**2)


def alternating(k, g, f, step_g, step_d, moves_g, moves_d):
    """Section 3.2: (trace, determinant, eigenvalues) of n_g moves of G, then n_d of D."""
    p = (1 - step_g * k) ** moves_g
    q = (1 - step_d * g) ** moves_d
    r = -f * (1 - p) / k if k else -moves_g * step_g * f
    s = f * (1 - q) / g if g else moves_d * step_d * f
    trace, determinant = p + q + r * s, p * q
    root = cmath.sqrt(trace**2 / 4 - determinant)
    return trace, determinant, np.array([trace / 2 + root, trace / 2 - root])


def simultaneous_limit(g, f):
    """Section 3.1: the largest stable step under R1 of weight g > 0."""
    if g < 2 * f:
        return g / f**2
    return 2 / (g / 2 + math.sqrt(g**2 / 4 - f**2))


def alternating_limit(g, f):
    return (-g + math.sqrt(g**2 + 4 * f**2)) / f**2


def manifold_spectrum(weight):
    """Section 6.3: the nine eigenvalues of the manifold GAN under R1."""
    pairs = [(0.5, 0.5 + weight), (0.5, weight), (1.0, 1.5 + 4 * weight), (0.5, weight)]
    return np.concatenate([[0.0], *(pair(damping, c**2) for c, damping in pairs)])


def location_pair(square, weight):
    """Section 6.3, Gaussian location: an eigenvalue s² of the covariance, R1 of weight γ."""
    return pair(weight - 2 * CURVATURE * square, SLOPE**2)


# ---- VRAL on D(x) = wx + b, gap δ = m_r - m_f ---------------------------------------------------


def vral_dirac_spectrum(form, gap, bandwidth):
    """At θ = w = 0, b halfway: a rotation and the bias. G's loss is ½E(D(G) - m_r)²."""
    rate = 1 / bandwidth**2 if form == "forward" else 1.0
    return np.array([*pair(0.0, rate * gap**2 / 4), -2 * rate])


def vral_location_spectrum(form, gap, bandwidth, deviation):
    """The same point for data of standard deviation s, in the limit of an infinite batch."""
    square = bandwidth**2
    if form == "forward":
        rate = 1 / square
        damping = 2 * deviation**2 * (1 / square - (1 + gap**2 / 4) / square**2)
    else:
        rate = 1.0
        damping = 2 * deviation**2 * (1 - 2 / square)
    return np.array([*pair(damping, rate * gap**2 / 4), -2 * rate])


def assigned(found, wanted):
    """The largest distance of two sets of eigenvalues under their best pairing."""
    from scipy.optimize import linear_sum_assignment

    distance = np.abs(np.asarray(found)[:, None] - np.asarray(wanted)[None, :])
    return distance[linear_sum_assignment(distance)].max()


def vral_location_field(form, theta, w, b, gap, bandwidth, deviation):
    """The Parzen form's (θ', w', b') with an infinite batch, m_f = 0 and m_r = δ.

    Scores are N(mean, v), v = w²s², so that the window's density is N(mean, v + h²). A class costs
    ½ log a + (1 + gap²)/(2a) (forward) or -½ log a - v/(2a) + v/2 + gap²/2 (backward), a = v + h².
    """
    v = w**2 * deviation**2
    a = v + bandwidth**2
    misses = (b - gap, w * theta + b)
    if form == "forward":
        by_mean = [miss / a for miss in misses]
        by_variance = sum(0.5 / a - 0.5 * (1 + miss**2) / a**2 for miss in misses)
    else:
        by_mean = misses
        by_variance = 2 * (0.5 - 0.5 / a - 0.5 * bandwidth**2 / a**2)
    return (
        -w * (w * theta + b - gap),
        -theta * by_mean[1] - 2 * w * deviation**2 * by_variance,
        -by_mean[0] - by_mean[1],
    )


def swapped_labels(form: str, h: float) -> np.ndarray:
    """(θ, w, b) where both Parzen forms with m_r = 1, m_f = 0, s = 1 rest with labels swapped."""
    if form == "forward":  # 2v² + (2h² - 3)v + h² = 0, the larger root
        v = (3 - 2 * h**2 + math.sqrt((3 - 2 * h**2) ** 2 - 8 * h**2)) / 4
    else:  # 2v(1 - 1/a - h²/a²) = -1 with a = v + h²
        roots = np.roots([2, 2 * (2 * h**2 - 1) + 1, 2 * h**4 - 4 * h**2 + 2 * h**2, h**4])
        v = max(roots[np.abs(roots.imag) < 1e-9].real)
    return np.array([1 / math.sqrt(v), math.sqrt(v), 0.0])
