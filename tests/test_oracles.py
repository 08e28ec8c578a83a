"""Facts about the closed forms alone: what the other tests compare vral with is right in itself."""

import numpy as np
import oracles_dynamics as closed
import pytest
import torch
from oracles import finite_difference
from oracles_dynamics import assigned

POINTS = ((1.0, 1.0), (0.5, -1.5), (-2.0, 0.3), (0.0, 1.2))


def jacobian_of(field, *arguments):
    at = torch.zeros(2, dtype=torch.float64)
    value = lambda x: torch.tensor(np.array(field(*x.numpy(), *arguments)))  # noqa: E731
    return finite_difference(value, at, 1e-5).T.numpy()


def test_closed_fields_of_consensus_and_its_relatives_have_their_spectra():
    for weight in (0.1, 0.3, 1.0, 4.0):
        got = np.linalg.eigvals(jacobian_of(closed.consensus, weight))
        assert assigned(got, [-weight / 4 + 0.5j, -weight / 4 - 0.5j]) < 1e-8
        wanted = closed.pair(weight / 4, 0.25)
        for field in (closed.smooth, closed.nagarajan_kolter):
            tolerance = 1e-4 if weight == 4 else 1e-8
            assert assigned(np.linalg.eigvals(jacobian_of(field, weight)), wanted) < tolerance
    assert abs(closed.pair(2.5, 0.25)[0] + 0.1043560763) < 1e-9


def test_consensus_in_closed_form():
    """The exact field is that of ½‖v‖² by differences; the notebook's second term is halved."""
    for point in POINTS:
        at = torch.tensor(point, dtype=torch.float64)
        half_square = lambda x: torch.tensor(sum(v**2 for v in closed.gan(*x.numpy())) / 2)  # noqa: E731
        slope = finite_difference(half_square, at).numpy()
        wanted = np.array(closed.gan(*point)) - 1.0 * slope
        np.testing.assert_allclose(closed.consensus(*point, 1.0), wanted, rtol=0, atol=1e-8)
    np.testing.assert_allclose(
        [*closed.consensus(1, 1, 1.0), *closed.consensus(0.5, -1.5, 1.0)],
        [-0.2355167239, 0.3023661188, 0.2331650520, 1.2165019557],
        rtol=0,
        atol=1e-9,
    )
    np.testing.assert_allclose(
        [*closed.consensus(1, 1, 1.0, 0.5), *closed.consensus(0.5, -1.5, 1.0, 0.5)],
        [-0.2883938167, 0.2494890260, 0.5106456240, 1.1240084317],
        rtol=0,
        atol=1e-9,
    )


def test_alternating_closed_form_is_the_product_of_its_moves():
    """2,000 random games, damped or not, of 1 to 6 moves of each."""
    random = np.random.default_rng(0)
    sizes = random.uniform([0, 0, 0.1, 0.01, 0.01], [3, 3, 2, 1, 1], (2000, 5))
    sizes[::5, 0] = 0
    sizes[::7, 1] = 0
    for (k, g, f, step_g, step_d), moves in zip(
        sizes, random.integers(1, 7, (2000, 2)), strict=True
    ):
        g_move = np.array([[1 - step_g * k, -step_g * f], [0, 1]])
        d_move = np.array([[1, 0], [step_d * f, 1 - step_d * g]])
        m_g, m_d = map(int, moves)
        product = np.linalg.matrix_power(d_move, m_d) @ np.linalg.matrix_power(g_move, m_g)
        trace, determinant, _ = closed.alternating(k, g, f, step_g, step_d, m_g, m_d)
        scale = np.abs(product).max() + 1
        # (1 - p)/k is the exact expression; at tiny k it cancels.
        if min((x for x in (k, g) if x > 0), default=1) > 1e-3:
            assert abs(np.trace(product) - trace) < 1e-9 * scale
            assert abs(np.linalg.det(product) - determinant) < 1e-9 * scale**2


def test_block_lemma_on_random_matrices():
    """[[0, -Bᵀ], [B, -Q]] with Q positive definite and B of full column rank: 5,000 matrices."""
    random = np.random.default_rng(0)
    for n, m in [(1, 1), (1, 3), (2, 2), (2, 5), (4, 4)]:
        for scale in (0.03, 1.0, 30.0):
            count = 334
            b = scale * random.standard_normal((count, m, n))
            root = random.standard_normal((count, m, m))
            q = root @ root.transpose(0, 2, 1) + 0.01 * np.eye(m)
            zeros = np.zeros((count, n, n))
            top = np.concatenate([zeros, -b.transpose(0, 2, 1)], 2)
            eigenvalues = np.linalg.eigvals(np.concatenate([top, np.concatenate([b, -q], 2)], 1))
            sizes = np.linalg.eigvalsh(q)
            low, high = sizes[:, :1], sizes[:, -1:]
            gram = np.linalg.eigvalsh(b.transpose(0, 2, 1) @ b)[:, :1]
            slack = 1e-9 * np.abs(eigenvalues).max(1, keepdims=True)
            real, turning = eigenvalues.real, np.abs(eigenvalues.imag) > 1e3 * slack
            assert (real < slack).all()
            within = (real >= -high / 2 - slack) & (real <= -low / 2 + slack)
            assert within[turning].all()
            bound = -low * gram / (high * low + gram)
            still = np.abs(eigenvalues.imag) == 0
            assert (real <= bound + slack)[still].all()


@pytest.mark.parametrize(
    ("form", "bandwidths"), [("forward", (0.05, 0.3, 0.7)), ("backward", (0.05, 0.2, 0.4))]
)
def test_swapped_labels_are_a_stable_point_of_the_closed_parzen_field(form, bandwidths):
    for h in bandwidths:
        at = torch.tensor(closed.swapped_labels(form, h))

        def flow(x, h=h):
            return torch.tensor(closed.vral_location_field(form, *x.numpy(), 1.0, h, 1.0))

        assert torch.linalg.vector_norm(flow(at)) < 1e-12
        assert np.linalg.eigvals(finite_difference(flow, at).T.numpy()).real.max() < -0.05
