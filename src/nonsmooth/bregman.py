"""The loss of the lifted formulation: the Bregman distance of E_z (poster, "Learning the perceptron").

With E_z(x) = 1/2 (x - z)^2 + Psi(x) and sigma = prox_Psi, zero is a subgradient of E_z at sigma(z), and so

    D(y, sigma(z)) = E_z(y) - E_z(sigma(z)) = 1/2 (y - z)^2 + Psi(y) - G(z),   grad_z D = sigma(z) - y.

The gradient needs no derivative of sigma and is Lipschitz with constant 1, since sigma is nonexpansive.
Everything acts entry by entry; sums over samples and outputs are the caller's.
"""

from torch import Tensor

from nonsmooth.proximal import Proximal


def distance(activation: Proximal, y: Tensor, z: Tensor) -> Tensor:
    """D(y, sigma(z)), entry by entry: never negative, zero where y = sigma(z), +inf for y outside the domain.

    Written around sigma(z), where no large terms cancel: 1/2 (y - s)^2 + Psi(y) - Psi(s) - (z - s)(y - s).
    """
    sigma = activation.prox(z)
    gap = y - sigma
    return 0.5 * gap**2 + activation.psi(y) - activation.psi(sigma) - (z - sigma) * gap


def gradient(activation: Proximal, y: Tensor, z: Tensor) -> Tensor:
    """Gradient of D with respect to z, sigma(z) - y, for y in the domain (`proximal.check_domain`).

    Outside it D is +inf, and this formula gives no sign of it.
    """
    return activation.prox(z) - y
