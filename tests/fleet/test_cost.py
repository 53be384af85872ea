"""What a client needs: its method's budget, and its messages."""

import pytest

import edgecl_lite as cl


@pytest.fixture(scope="module")
def tasks():
    return cl.smartwatch_clients(6).split(2)


def test_a_client_is_a_device_that_also_sends(tasks):
    net = cl.wrist_net(tasks)
    found = cl.client_budget(cl.Finetune(net), tasks)
    size = len(cl.message({k: p[None] for k, p in net.named_parameters()}))
    assert found.message == size > 4 * 3415 - 4 * 32  # one class less than seven
    most = max(sum(len(own[t][0][1]) for t in range(3)) for own in tasks.shares)
    assert found.arrivals[-1].sum() == most
    plain = cl.budget(cl.Finetune(net), found.stream, batch_size=16)
    assert found.ram == plain.ram + size and found.flash == plain.flash
    held = cl.client_budget(cl.Finetune(net), tasks, mu=0.1)
    assert held.ram == found.ram + 4 * held.net.weights
    assert cl.fits(found, "nano-33-ble") is not None


def test_replay_keeps_what_a_client_keeps(tasks):
    method = cl.Replay(cl.wrist_net(tasks), capacity=60)
    found = cl.client_budget(method, tasks)
    run = cl.fleet_train(method, tasks, rounds=1, local_epochs=1)
    own = {k: v[0] for k, v in run.state.items() if "server" not in k}
    sizes = [cl.nbytes(method.keeps(own, c)) for c in range(20)]
    assert {what: n for what, n, _ in found.lines}["samples"] <= max(sizes) <= found.flash


def test_refused(tasks):
    with pytest.raises(ValueError, match="mu must be"):
        cl.client_budget(cl.Finetune(cl.wrist_net(tasks)), tasks, mu=-1)
