"""Convolutions along time and GroupNorm for all lanes at once, against `vmap`; what they leave to it."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from edgecl_lite import apply, digits, har_net, initial, smartwatch_wearers, split, stack, wrist_net
from edgecl_lite.machine.along_time import along_time, group_normed

LAYERS = {
    "as in wrist_net": (nn.Conv2d(6, 16, (1, 5), (1, 2), (0, 2)), (6, 1, 32)),
    "one reading": (nn.Conv2d(6, 3, (1, 1)), (6, 1, 7)),
    "a whole window": (nn.Conv2d(2, 3, (1, 9)), (2, 1, 9)),
    "steps that leave some out": (nn.Conv2d(2, 3, (1, 4), (1, 3), (0, 1)), (2, 1, 12)),
}
LEFT = {
    "height": (nn.Conv2d(2, 3, (1, 3)), (2, 2, 8)),
    "padded height": (nn.Conv2d(2, 3, (1, 3), padding=1), (2, 1, 8)),
    "a picture": (nn.Conv2d(2, 3, 3), (2, 8, 8)),
    "groups": (nn.Conv2d(2, 4, (1, 3), groups=2), (2, 1, 8)),
    "gaps": (nn.Conv2d(2, 3, (1, 3), dilation=(1, 2)), (2, 1, 8)),
    "a ring": (nn.Conv2d(2, 3, (1, 3), padding=(0, 1), padding_mode="circular"), (2, 1, 8)),
    "no bias": (nn.Conv2d(2, 3, (1, 3), bias=False), (2, 1, 8)),
    "same": (nn.Conv2d(2, 3, (1, 3), padding="same"), (2, 1, 8)),
    "norm": (nn.GroupNorm(1, 2), (2, 1, 8)),
    "linear": (nn.Linear(8, 3), (8,)),
}


def lanes_of(layer, shape, lanes=3, n=4):
    """Weights of so many copies, all different and in need of a gradient, and an input for each."""
    g = torch.Generator().manual_seed(0)
    draw = lambda *size: torch.randn(size, generator=g, dtype=torch.float64).requires_grad_()
    own = {k: draw(lanes, *p.shape) for k, p in layer.named_parameters()}
    return own, draw(lanes, n, *shape)


@pytest.mark.parametrize("case", LAYERS)
def test_numbers_and_gradients_equal_those_of_vmap(case):
    layer, shape = LAYERS[case]
    own, x = lanes_of(layer, shape)
    slow = vmap(lambda p, z: functional_call(layer, p, (z,)))(own, x)
    quick = along_time(layer, own, x)
    torch.testing.assert_close(quick, slow)
    wanted = [*own.values(), x]
    first = [torch.autograd.grad(y.sin().sum(), wanted, create_graph=True) for y in (quick, slow)]
    torch.testing.assert_close(*first)
    second = [torch.autograd.grad(sum(g.square().sum() for g in grads), wanted) for grads in first]
    torch.testing.assert_close(*second)


@pytest.mark.parametrize("case", LEFT)
def test_anything_else_is_left_to_vmap(case):
    layer, shape = LEFT[case]
    assert along_time(layer, *lanes_of(layer, shape)) is None


def test_a_layer_that_is_watched_or_changed_is_left_to_vmap():
    class Doubled(nn.Conv2d):
        def forward(self, x):
            return 2 * super().forward(x)

    doubled, hooked = Doubled(6, 3, (1, 5)), nn.Conv2d(6, 3, (1, 5))
    hooked.register_forward_hook(lambda layer, x, out: 2 * out)
    for layer in (doubled, hooked):
        assert along_time(layer, *lanes_of(layer, (6, 1, 32))) is None


@pytest.mark.parametrize("shape", [(6, 1, 7), (6, 3, 4), (6,)], ids=["windows", "pictures", "rows"])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norms_are_those_of_vmap_bit_for_bit(groups, shape):
    layer = nn.GroupNorm(groups, 6, eps=1e-3)
    own, x = lanes_of(layer, shape)
    slow = vmap(lambda p, z: functional_call(layer, p, (z,)))(own, x)
    quick = group_normed(layer, own, x)
    assert torch.equal(quick, slow)
    grads = [torch.autograd.grad(y.sin().sum(), [*own.values(), x]) for y in (quick, slow)]
    assert all(map(torch.equal, *grads))


def test_norms_that_are_watched_or_of_another_kind_are_left_to_vmap():
    watched = nn.GroupNorm(1, 6)
    watched.register_forward_hook(lambda layer, x, out: 2 * out)
    for layer in (watched, nn.LayerNorm(7), nn.GroupNorm(2, 6, affine=False)):
        own, x = lanes_of(layer, (6, 1, 7))
        assert group_normed(layer, own, x) is None


def test_shapes_that_do_not_fit_are_left_to_torchs_own_message():
    conv = nn.Conv2d(2, 3, (1, 9))
    assert along_time(conv, *lanes_of(conv, (2, 1, 8))) is None  # a window shorter than the kernel
    narrow = nn.Conv2d(2, 3, (1, 3))
    with pytest.raises(RuntimeError):
        along_time(narrow, *lanes_of(narrow, (5, 1, 8)))


def test_wrist_net_is_small_and_answers_in_lanes_as_it_does_alone():
    stream = smartwatch_wearers([1])
    net, x = wrist_net(stream), stream.tasks[0].test[0][:9]
    assert sum(p.numel() for p in net.parameters()) == 3415
    params = [initial(net, seed) for seed in range(3)]
    answers = apply(net, stack(params), x.expand(3, *x.shape))
    for own, answer in zip(params, answers):
        torch.testing.assert_close(answer, functional_call(net, own, (x,)).detach())


def test_wrist_net_takes_any_stream_and_says_what_it_wants():
    assert wrist_net(split(digits()), channels=[4])(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert har_net is wrist_net
    with pytest.raises(TypeError, match="stream must be a Stream such as"):
        wrist_net(digits())
    with pytest.raises(ValueError, match="each of channels must be a whole number >= 1, got 0"):
        wrist_net(split(digits()), channels=[16, 0])
