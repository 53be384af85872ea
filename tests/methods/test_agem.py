"""A-GEM: no step raises the loss of what is kept."""

import torch
from small import NET, TOLD, spied

from edgecl_lite import AGEM, Finetune, train


def test_projected_gradients_never_raise_the_loss_of_the_kept():
    seen = []
    train(spied(AGEM, seen)(NET, capacity=60), TOLD, seeds=8, epochs=2, progress=False)
    conflicts = free = 0
    for params, state, batch in seen[18::7]:
        theta = {k: p.clone().requires_grad_() for k, p in params.items()}

        def gradient(loss, theta=theta):
            grads = torch.autograd.grad(loss.sum(), list(theta.values()))
            return torch.cat([g.flatten(1) for g in grads], 1).double()

        plain = Finetune(NET)
        g, r = gradient(plain.loss(theta, {}, batch)), gradient(plain.loss(theta, {}, batch["old"]))
        got = gradient(AGEM(NET).loss(theta, state, batch))
        inner, size = (g * r).sum(1), got.norm(dim=1) * r.norm(dim=1)
        assert ((got * r).sum(1) >= -1e-5 * size - 1e-9).all()
        for i in range(8):
            if inner[i] >= 0:
                free += 1
                assert torch.equal(got[i], g[i])
            else:
                conflicts += 1
                want = g[i] - inner[i] / (r[i] @ r[i]) * r[i]
                torch.testing.assert_close(got[i], want, rtol=1e-3, atol=1e-5)
    assert conflicts > 20 and free > 20
