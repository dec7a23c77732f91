"""What the multipliers of BADMM are at a fixed point of Z, X and M (docs/method.md, "What reaches a layer")."""

import pytest
import torch
from torch import nn

from nonsmooth import Badmm


@pytest.mark.parametrize("beta", [0.5, 1.0])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.Softshrink(0.2), nn.Hardtanh(), nn.Identity()])
def test_with_weights_held_the_multipliers_are_the_lifted_signal_with_tau_one_over_beta(activation, beta):
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.randn(12, size, generator=draw, dtype=torch.float64) for size in (4, 2))
    net = nn.Sequential(nn.Linear(4, 5), activation, nn.Linear(5, 3), activation, nn.Linear(3, 2)).double()
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.5, generator=draw)
    method = Badmm(net, x, y, tau_z=1.0, tau_x=1.0, tau_w=1e-300, beta=beta)
    for _ in range(2000):
        method.step()
    (X1, Z1, M1, A1), (X2, Z2, M2, A2), (_, Z3, M3, A3) = (method.lifted.variables(layer) for layer in (1, 2, 3))
    same = {"atol": 1e-8, "rtol": 1e-6}
    for Z, A in ((Z1, A1), (Z2, A2), (Z3, A3)):
        torch.testing.assert_close(Z, A, **same)
    torch.testing.assert_close(M3, y - Z3, **same)
    for X, Z, M, above, W in ((X1, Z1, M1, M2, net[2].weight), (X2, Z2, M2, M3, net[4].weight)):
        torch.testing.assert_close(X, activation(Z + above @ W / beta), **same)
        torch.testing.assert_close(M, beta * (X - activation(Z)), **same)
