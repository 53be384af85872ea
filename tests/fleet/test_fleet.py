"""A fleet against oracles: ordinary training, a step on the union, clients one by one, means by hand."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import edgecl_lite as cl
from edgecl_lite.fleet.local import trained
from edgecl_lite.fleet.plan import FleetPlan
from edgecl_lite.fleet.rounds import beginning

SIZES = 13, 40, 7  # no multiple of any batch


def fleet(sizes=SIZES, classes=4, seed=0):
    """Clients of so many samples, 5 pixels each."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda n: (torch.rand(n, 1, 1, 5, generator=g), torch.randint(classes, (n,), generator=g))
    parts = [tuple(draw(n) for n in sizes) for _ in range(2)]
    return cl.Clients("toys", *parts, tuple("abcd"[:classes]))


def net_of(clients):
    return cl.mlp(getattr(clients, "whole", clients), hidden=(6,))


def furthest(a, b):
    return max((a[k] - b[k]).abs().max().item() for k in a)


def fit(net, start, x, y, orders, lr, batch, optimizer="sgd"):
    """A client by itself, in plain PyTorch: its weights after the epochs of these orders."""
    net = copy.deepcopy(net)
    net.load_state_dict({k: v.clone() for k, v in start.items()})
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    opt = kind(net.parameters(), lr=lr)
    for order in orders:
        for i in range(0, len(y), batch):
            pick = order[i : i + batch]
            opt.zero_grad()
            F.cross_entropy(net(x[pick]), y[pick]).backward()
            opt.step()
    return {k: v.detach() for k, v in net.named_parameters()}


# ---- a round


def test_one_client_with_all_data_is_ordinary_training():
    clients = fleet([61])
    method = cl.Finetune(net_of(clients))
    options = dict(seeds=[0, 5], batch_size=8, lr=0.01)
    run = cl.fleet_train(method, clients, rounds=1, local_epochs=3, **options)
    plain = cl.train(method, clients.whole.together, epochs=3, **options)
    assert furthest(run.params, plain.params) == 0
    assert np.array_equal(run.accuracy, plain.accuracy)


@pytest.mark.parametrize("sizes", [SIZES, (5, 5, 5), (1, 30)])
def test_one_step_of_each_client_is_one_step_on_the_union(sizes):
    clients = fleet(sizes)
    method, options = cl.Finetune(net_of(clients)), dict(optimizer="sgd", lr=0.5, batch_size=1000)
    run = cl.fleet_train(method, clients, seeds=2, rounds=3, local_epochs=1, **options)
    union = cl.train(method, clients.whole.together, seeds=2, epochs=3, **options)
    assert furthest(run.params, union.params) < 1e-6


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_lanes_are_clients_one_by_one(optimizer):
    clients, lr = fleet(), 0.05
    net, options = net_of(clients), dict(batch_size=8, lr=lr, optimizer=optimizer)
    plan = FleetPlan(cl.Finetune(net), clients, seeds=[3], local_epochs=4, **options)
    who = torch.tensor([[0, 1, 2]])
    job = plan.round(0, who)
    start, _ = plan.start()
    sent = {k: v.repeat_interleave(3, 0) for k, v in start.items()}
    report, _ = run_out(trained(plan.method, job, sent, {}))
    for c, (x, y) in enumerate(clients.train):
        chances = plan.round(0, who).dice.shuffles[c]
        orders = [torch.randperm(len(y), generator=chances) for _ in range(4)]
        alone = fit(net, {k: v[0] for k, v in start.items()}, x, y, orders, lr, 8, optimizer)
        for k, want in alone.items():
            assert torch.allclose(report[k][c], want, rtol=1e-5, atol=1e-6), (c, k)


def run_out(working):
    """What a generator returns."""
    while True:
        try:
            next(working)
        except StopIteration as end:
            return end.value


def test_beside_others_a_client_does_as_alone():
    clients = fleet()
    method = cl.Replay(net_of(clients), capacity=8, policy="reservoir")
    plan = FleetPlan(method, clients, seeds=[3], local_epochs=2, batch_size=8)
    both = []
    for who in ([[0, 1, 2]], [[1]]):
        turn, who = beginning(plan), torch.tensor(who)
        state = {k: v[:, who[0]].flatten(0, 1) for k, v in turn.state.items() if "server" not in k}
        sent = {k: v.repeat_interleave(who.numel(), 0) for k, v in turn.params.items()}
        report, after = run_out(trained(method, plan.round(0, who), sent, state))
        at = who[0].tolist().index(1)
        both.append({k: v[at].double() for k, v in {**report, **after}.items()})
    assert furthest(*both) < 1e-6


def test_work_ends_where_it_is_to_end():
    clients = fleet()
    plan = FleetPlan(cl.Finetune(net_of(clients)), clients, local_epochs=2, batch_size=8)
    who = torch.tensor([[0, 1, 2]])
    assert plan.round(0, who).work == [4, 10, 2]
    assert plan.round(0, who, shares=torch.tensor([[0.5, 0.0, 0.6]])).work == [2, 0, 2]
    sent = {k: v.repeat_interleave(3, 0) for k, v in beginning(plan).params.items()}
    report, _ = run_out(
        trained(plan.method, plan.round(0, who, shares=torch.tensor([[1, 0, 1.0]])), sent, {})
    )
    assert all(torch.equal(report[k][1], sent[k][1]) for k in sent)
    assert not torch.equal(report["1.weight"][0], sent["1.weight"][0])


# ---- the server


def reports(*values):
    """Of one weight for one seed: (θ = 0, reports of clients)."""
    return {"w": torch.zeros(1, 1)}, {"w": torch.tensor([[[float(v)] for v in values]])}


def test_weights_are_samples():
    theta, sent = reports(1, 4, 7)
    new, _ = cl.FedAvg().merge(theta, sent, torch.tensor([[10.0, 20.0, 0.0]]), {})
    assert new["w"].item() == pytest.approx((10 * 1 + 20 * 4) / 30)


def test_momentum_and_adam_by_hand():
    theta, sent = reports(1, 1)
    rule, weights = cl.FedAvgM(momentum=0.5, lr=2.0), torch.ones(1, 2)
    one, state = rule.merge(theta, sent, weights, rule.start(theta))
    assert one["w"].item() == pytest.approx(2)  # v = 1, θ = 0 + 2
    two, state = rule.merge(one, sent, weights, state)
    assert two["w"].item() == pytest.approx(2 + 2 * (0.5 * 1 + (1 - 2)))
    rule = cl.FedAdam(lr=0.1, beta1=0.9, beta2=0.99, tau=1e-3)
    one, state = rule.merge(theta, sent, weights, rule.start(theta))
    assert one["w"].item() == pytest.approx(0.1 * 0.1 / (math.sqrt(0.01) + 1e-3))


@pytest.mark.parametrize(
    ("rule", "values", "there", "want"),
    [
        (cl.Median(), [1, 2, 1e9], [1, 1, 1], 2),
        (cl.Median(), [1, 2, 3, 1e9], [5, 1, 1, 1], 2.5),
        (cl.Median(), [1, 2, 1e9], [1, 1, 0], 1.5),
        (cl.Median(), [1, 1e9], [1, 0], 1),
        (cl.Trimmed(share=0.2), [1, 2, 3, 4, 1e9], [1, 1, 1, 1, 1], 3),
        (cl.Trimmed(share=0.2), [-1e9, 2, 3, 7, 1e9], [9, 1, 1, 1, 1], 4),
        (cl.Trimmed(share=0.0), [1, 2, 6], [1, 1, 1], 3),
    ],
)
def test_robust_rules(rule, values, there, want):
    theta, sent = reports(*values)
    new, _ = rule.merge(theta, sent, torch.tensor([there], dtype=torch.float32), {})
    assert new["w"].item() == pytest.approx(want)


def test_median_is_torchs_on_many():
    sent = {"w": torch.randn(3, 7, 4, 5)}
    new, _ = cl.Median().merge({"w": torch.zeros(3, 4, 5)}, sent, torch.ones(3, 7), {})
    assert torch.equal(new["w"], sent["w"].median(1).values)


class Loud(cl.Finetune):
    """It learns uphill, and fast, at a client whose first pixel is 0."""

    def loss(self, params, state, batch):
        bad = batch["x"].flatten(2)[:, :, 0].amax(1) == 0
        return super().loss(params, state, batch) * torch.where(bad, -1e4, 1.0)


def test_a_hostile_client_breaks_the_mean_and_not_the_median():
    honest = cl.clients(cl.digits(), 5)
    others = [(x.index_fill(3, torch.tensor([0]), 0.5), y) for x, y in honest.train[1:]]
    clients = cl.Clients("one is hostile", (honest.train[0], *others), honest.test, honest.classes)
    right = {}
    for server in ("fedavg", "median", "trimmed"):
        options = dict(rounds=5, optimizer="sgd", lr=0.1, local_epochs=2, server=server)
        right[server] = cl.fleet_train(Loud(net_of(clients)), clients, **options).accuracy.item()
    assert right["fedavg"] < 0.3 < 0.6 < min(right["median"], right["trimmed"])


def test_prox_of_nothing_is_fedavg_and_of_much_stands_still():
    clients = fleet()
    method, options = cl.Finetune(net_of(clients)), dict(rounds=2, optimizer="sgd", lr=0.1)
    plain = cl.fleet_train(method, clients, **options)
    none = cl.fleet_train(method, clients, mu=0.0, **options)
    some = cl.fleet_train(method, clients, mu=1.0, **options)
    start = {k: v[None] for k, v in cl.initial(method.net, 0).items()}
