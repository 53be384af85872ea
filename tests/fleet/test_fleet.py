"""A fleet against oracles: ordinary training, a step on the union, clients one by one, means by hand."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import edgecl_lite as cl
from edgecl_lite.fleet.local import trained
from edgecl_lite.fleet.plan import FleetPlan
from edgecl_lite.fleet.rounds import beginning
from edgecl_lite.fleet.train import follow
from edgecl_lite.journal import Journal
from edgecl_lite.unlike import finished

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
    report, _ = finished(trained(plan.method, job, sent, {}))
    for c, (x, y) in enumerate(clients.train):
        chances = plan.round(0, who).dice.shuffles[c]
        orders = [torch.randperm(len(y), generator=chances) for _ in range(4)]
        alone = fit(net, {k: v[0] for k, v in start.items()}, x, y, orders, lr, 8, optimizer)
        for k, want in alone.items():
            assert torch.allclose(report[k][c], want, rtol=1e-5, atol=1e-6), (c, k)


def test_beside_others_a_client_does_as_alone():
    clients = fleet()
    method = cl.Replay(net_of(clients), capacity=8, policy="reservoir")
    plan = FleetPlan(method, clients, seeds=[3], local_epochs=2, batch_size=8)
    both = []
    for who in ([[0, 1, 2]], [[1]]):
        turn, who = beginning(plan), torch.tensor(who)
        state = {k: v[:, who[0]].flatten(0, 1) for k, v in turn.state.items() if "server" not in k}
        sent = {k: v.repeat_interleave(who.numel(), 0) for k, v in turn.params.items()}
        report, after = finished(trained(method, plan.round(0, who), sent, state))
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
    report, _ = finished(
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
    """It pushes all weights of a layer down, and hard, at a client whose first pixel is 0."""

    def loss(self, params, state, batch):
        bad = batch["x"].flatten(2)[:, :, 0].amax(1) == 0
        push = 10 * params["1.weight"].flatten(1).sum(1)
        return torch.where(bad, push, super().loss(params, state, batch))


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
    pulls = {}, {"mu": 0.0}, {"mu": 1.0}
    plain, none, some = (cl.fleet_train(method, clients, **options, **mu).params for mu in pulls)
    start = {k: v[None] for k, v in cl.initial(method.net, 0).items()}
    assert furthest(plain, none) == 0
    assert furthest(some, start) < furthest(plain, start)


def test_prox_by_hand():
    clients = fleet([9])
    method = cl.Finetune(net_of(clients))
    options = dict(rounds=1, optimizer="sgd", lr=0.1, batch_size=9, local_epochs=2)
    drawn = cl.initial(method.net, 0)
    step = lambda at: fit(method.net, at, *clients.train[0], [torch.arange(9)], 0.1, 9)
    one = step(drawn)  # at the anchor the pull is zero
    two = {k: v - 0.1 * 3.0 * (one[k] - drawn[k]) for k, v in step(one).items()}
    run = cl.fleet_train(method, clients, mu=3.0, **options)
    assert furthest({k: v[0] for k, v in run.params.items()}, two) < 1e-6


# ---- what goes wrong


class Poisoned(cl.Finetune):
    """Its loss is not finite at a client whose first pixel is 0."""

    def loss(self, params, state, batch):
        bad = batch["x"].flatten(2)[:, :, 0].amax(1) == 0
        return super().loss(params, state, batch) * torch.where(bad, math.nan, 1.0)


def test_what_is_not_finite_is_left_out_and_told():
    clients = fleet()
    x, y = clients.train[1]
    x = x.clone()
    x[..., 0] = 0
    train = clients.train[0], (x, y), clients.train[2]
    sick = cl.Clients("sick", train, clients.test, clients.classes)
    well = cl.Clients("well", clients.train[::2], clients.test[::2], clients.classes, ("0", "2"))
    options = dict(rounds=2, lr=0.05, optimizer="sgd", batch_size=100, local_epochs=1)
    run = cl.fleet_train(Poisoned(net_of(clients)), sick, **options)
    without = cl.fleet_train(cl.Finetune(net_of(clients)), well, **options)
    assert furthest(run.params, without.params) < 1e-6
    assert "client 1 sent numbers that are not finite in 2 rounds" in run.notes[-1]


def test_a_round_to_which_nothing_comes_changes_nothing_and_is_told():
    clients = fleet()
    method = cl.Finetune(net_of(clients))
    run = cl.fleet_train(method, clients, rounds=3, dropped=1.0, server="fedavgm")
    start = cl.initial(method.net, 0)
    assert furthest({k: v[0] for k, v in run.params.items()}, start) == 0
    assert run.notes[-1] == "Seed 0: no report came in 3 rounds, which changed nothing."


def test_fraction_calls_so_many_and_never_one_twice():
    clients = fleet([5] * 10)
    plan = FleetPlan(cl.Finetune(net_of(clients)), clients, seeds=4, fraction=0.25)
    calls = [plan.call(turn) for turn in range(30)]
    assert {c.shape for c in calls} == {(4, 3)}
    assert all(len(set(row.tolist())) == 3 for c in calls for row in c)
    counts = torch.stack(calls).flatten().bincount(minlength=10)
    assert counts.min() > 15 and counts.max() < 60  # 36 each in the mean
    assert torch.equal(plan.call(7), calls[7])


def test_traffic_is_counted_from_the_messages():
    clients = fleet([5] * 10)
    method = cl.Finetune(net_of(clients))
    run = cl.fleet_train(method, clients, rounds=4, fraction=0.5)
    size = len(cl.message({k: v[:1] for k, v in run.params.items()}))
    assert run.state["server.down"].tolist() == run.state["server.up"].tolist() == [4 * 5 * size]
    assert size > cl.nbytes({k: v[:1] for k, v in run.params.items()})
    back = cl.opened(cl.message(run.params))
    assert all(torch.equal(back[k], run.params[k]) for k in run.params)
    with pytest.raises(ValueError, match="no message of a fleet"):
        cl.opened(b"nothing")


# ---- tasks


def test_clients_forget_together():
    tasks = cl.clients(cl.digits(), 5).split(5)
    options = dict(rounds=4, local_epochs=2, lr=3e-3)
    forgot = cl.fleet_train(cl.Finetune(cl.mlp(tasks)), tasks, **options)
    kept = cl.fleet_train(cl.Replay(cl.mlp(tasks), capacity=50), tasks, **options)
    assert forgot.accuracy[0, -1, 0] < 0.2 < 0.6 < kept.accuracy[0, -1, 0]
    assert kept.clients.shape == (1, 5, 2, 2) and np.isfinite(kept.clients).all()


def test_apart_every_task_is_somewhere_at_any_time():
    tasks = cl.clients(cl.digits(), 5).split(2, arrival="apart")
    assert tasks.turns[1] == (1, 2, 3, 4, 0)
    assert tasks.active(0).all()
    together = cl.clients(cl.digits(), 5).split(2)
    assert together.active(0).tolist() == [True] * 2 + [False] * 8
    run = cl.fleet_train(cl.Finetune(cl.mlp(tasks)), tasks, rounds=3, local_epochs=2)
    alike = cl.fleet_train(cl.Finetune(cl.mlp(together)), together, rounds=3, local_epochs=2)
    assert (run.accuracy[0, 0] > 0.2).sum() > 2
    assert (alike.accuracy[0, 0] > 0.2).tolist() == [True] + [False] * 4


def test_shares_are_the_tasks_cut_for_each():
    clients = cl.clients(cl.digits(), 6, alpha=0.2)
    for tasks in (clients.split(2), clients.split(2, scenario="domain"), clients.whole):
        for t, task in enumerate(tasks):
            for part, want in enumerate((task.train, task.test)):
                x, y = map(torch.cat, zip(*(own[t][part] for own in tasks.shares), strict=True))
                assert torch.equal(x, want[0]) and torch.equal(y, want[1])


def test_in_turn_takes_whole_clients_as_tasks():
    left, right = fleet(seed=0), fleet(seed=1)
    tasks = cl.in_turn([left, right])
    assert len(tasks) == 2 and tasks.scenario == "domain"
    assert torch.equal(tasks.shares[1][1][0][0], right.train[1][0])
    run = cl.fleet_train(cl.Finetune(net_of(tasks)), tasks, rounds=2)
    assert run.clients.shape == (1, 3, 2, 2)


def test_every_method_that_answers_from_its_weights_runs():
    tasks = fleet([20, 30]).split(2)
    net = net_of(tasks)
    small = dict(capacity=8)
    methods = [cl.EWC(net), cl.OnlineEWC(net), cl.Replay(net, **small), cl.DERpp(net, **small)]
    methods += [cl.AGEM(net, **small), cl.GDumb(net, **small), cl.LwF(net)]
    for method in methods:
        run = cl.fleet_train(method, tasks, seeds=2, rounds=2, local_epochs=2)
        assert np.isfinite(run.accuracy).all(), type(method).__name__


@dataclass(frozen=True, repr=False)
class Counting(cl.Finetune):
    """A method of one's own with a state: how many samples each client saw."""

    def start(self, params, stream, hyper):
        return {"seen": torch.zeros(len(params["1.bias"]))}

    def after_step(self, params, state, batch):
        return {"seen": state["seen"] + batch["y"].shape[1]}


def test_a_method_of_ones_own_with_a_state():
    clients = fleet()
    run = cl.fleet_train(Counting(net_of(clients)), clients, seeds=2, rounds=3, local_epochs=2)
    assert run.state["seen"].tolist() == [[6.0 * n for n in SIZES]] * 2


@pytest.mark.parametrize("kind", [cl.Joint, cl.ICaRL, cl.Piggyback, cl.NearestMean])
def test_methods_that_need_more_than_the_weights_are_refused(kind):
    clients = fleet()
    with pytest.raises(TypeError, match="cannot be federated|Joint draws"):
        cl.fleet_train(kind(net_of(clients)), clients)


def test_ewc_anchors_where_the_fleet_stands():
    tasks = fleet([20, 30]).split(4)
    run = cl.fleet_train(cl.EWC(net_of(tasks)), tasks, rounds=2)
    for k, v in run.params.items():
        for c in range(2):
            assert torch.allclose(run.state[f"anchor.{k}"][:, c], v, atol=1e-6)


@pytest.mark.parametrize("fraction", [1.0, 0.6])
def test_a_sample_comes_once_however_many_rounds(fraction):
    tasks = fleet().split(2)
    method = cl.Replay(net_of(tasks), capacity=8, policy="reservoir")
    run = cl.fleet_train(method, tasks, rounds=6, fraction=fraction, batch_size=8)
    came = run.state["arrived"][0, :, 0].tolist()
    assert came == [sum(len(own[t][0][1]) for t in range(2)) for own in tasks.shares]


# ---- as a value


def test_goes_on_after_a_cut_bit_for_bit(tmp_path):
    tasks = fleet().split(2)
    what = cl.Replay(net_of(tasks), capacity=8), tasks
    options = dict(seeds=2, rounds=3, fraction=0.6, dropped=0.2, stragglers=0.5, server="fedadam")
    whole = cl.fleet_train(*what, **options)
    plan = FleetPlan(*what, **options)
    journal = Journal(tmp_path / "cut", plan, 0)
    for point in follow(plan, journal=journal):
        if point is not None and point.step == 4:
            break
    again = cl.fleet_train(*what, resume=tmp_path / "cut", **options)
    assert furthest(whole.params, again.params) == 0
    assert np.array_equal(whole.curve, again.curve)
    assert np.array_equal(whole.clients, again.clients)
    assert all(torch.equal(whole.state[k], v) for k, v in again.state.items())


def test_saved_and_loaded(tmp_path):
    tasks = fleet().split(2)
    run = cl.fleet_train(cl.Replay(net_of(tasks), capacity=8), tasks, seeds=2, rounds=2)
    back = cl.Run.load(run.save(tmp_path / "fleet"))
    assert np.array_equal(run.clients, back.clients)
    one = back.at(seed=1)
    assert np.array_equal(one.clients[0], run.clients[1])
    assert torch.equal(one.state["memory.x"][0], run.state["memory.x"][1])
    plain = cl.train(cl.Finetune(net_of(tasks)), tasks.together, epochs=1)
    assert cl.Run.load(plain.save(tmp_path / "plain")).clients is None


def test_a_run_goes_on_too(tmp_path):
    tasks = fleet().split(2)
    what, options = (cl.Replay(net_of(tasks), capacity=8), tasks), dict(rounds=2, seeds=2)
    whole = cl.fleet_train(*what, **options)
    path = whole.save(tmp_path / "fleet")
    again = cl.fleet_train(*what, resume=path, **options)
    assert np.array_equal(whole.clients, again.clients) and np.array_equal(whole.curve, again.curve)
    with pytest.raises(ValueError, match="its rounds is 2, here it is 3"):
        cl.fleet_train(*what, resume=path, **{**options, "rounds": 3})


def test_personal_models():
    clients = fleet()
    method = cl.Finetune(net_of(clients))
    run = cl.fleet_train(method, clients, seeds=2, rounds=2)
    own = cl.personalise(method, clients, run)
    assert own.own.shape == own.everybody.shape == (2, 3)
    one = fleet([61])
    alone = cl.personalise(method, one, seeds=[4], local_epochs=3, batch_size=8)
    plain = cl.train(method, one.whole.together, seeds=[4], epochs=3, batch_size=8)
    assert furthest(alone.params, plain.params) == 0


# ---- clients of a data set


@pytest.mark.parametrize("how", [{}, {"alpha": 0.3}, {"alpha": 100}, {"shards": 2}])
def test_every_sample_is_dealt_once(how):
    data = cl.digits()
    clients = cl.clients(data, 10, **how)
    rows = lambda x: sorted(map(tuple, x.flatten(1).tolist()))
    for part, own in ((data.train, clients.train), (data.test, clients.test)):
        assert rows(torch.cat([x for x, _ in own])) == rows(part[0])


def test_alpha_says_how_alike_they_are():
    spread = {}
    for alpha in (None, 100, 0.1):
        clients = cl.clients(cl.digits(), 10, alpha=alpha)
        counts = torch.stack([y.bincount(minlength=10).float() for _, y in clients.train])
        spread[alpha] = (counts / counts.sum(1, keepdim=True)).std(0).mean().item()
    assert spread[None] < spread[100] < spread[0.1]
    sharded = cl.clients(cl.digits(), 10, shards=2)
    assert max(len(y.unique()) for _, y in sharded.train) <= 4


def test_set_aside_stays_at_each_client():
    clients = fleet()
    aside = clients.set_aside(0.2)
    rows = lambda x: sorted(map(tuple, x.flatten(1).tolist()))
    for (x, _), (a, _), (b, _) in zip(clients.train, aside.train, aside.test, strict=True):
        assert rows(torch.cat([a, b])) == rows(x)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_set_aside_takes_its_share_of_every_class_of_a_client(share):
    clients = cl.smartwatch_clients()
    aside = clients.set_aside(share)
    for (_, y), (_, out) in zip(clients.train, aside.test, strict=True):
        assert len(out) == round(share * len(y))
        of_each = [v.bincount(minlength=7) for v in (y, out)]
        assert (of_each[1] - share * of_each[0]).abs().max() < 1.5


def test_set_aside_takes_single_samples_of_all_classes_in_turn():
    """Seven samples of seven classes each: over many clients no class is preferred."""
    samples = torch.zeros(7, 1, 1, 1), torch.arange(7)
    many = cl.Clients("singles", [samples] * 700, [samples] * 700, range(7))
    out = torch.cat([y for _, y in many.set_aside(0.3).test])
    assert len(out) == 2 * 700 and out.bincount(minlength=7).min() > 140
    again = torch.cat([y for _, y in many.set_aside(0.3, seed=1).test])
    assert not torch.equal(out, again)


# ---- refused


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (dict(fraction=0), ValueError, "fraction must be a finite number > 0 and <= 1, got 0"),
        (dict(fraction=1.5), ValueError, "fraction must be"),
        (dict(rounds=0), ValueError, "rounds must be a whole number >= 1, got 0"),
        (dict(local_epochs=0), ValueError, "local_epochs must be"),
        (dict(server="mean"), ValueError, "'fedavg', 'fedavgm', 'fedadam', 'median', 'trimmed'"),
        (dict(noise=1.0), ValueError, "noise needs a clip"),
        (dict(clip=0.0), ValueError, "clip must be a finite number > 0"),
        (dict(clip=1.0, noise=-1), ValueError, "noise must be"),
        (dict(mu=-1), ValueError, "mu must be"),
        (dict(epochs=3), TypeError, "unknown option 'epochs': a fleet takes rounds"),
        (dict(lr=0), ValueError, "lr must be"),
        (dict(optimizer="rmsprop"), ValueError, "optimizer must be"),
    ],
)
def test_options_out_of_range(options, error, words):
    clients = fleet()
    with pytest.raises(error, match=words):
        cl.fleet_train(cl.Finetune(net_of(clients)), clients, **options)


def test_clients_that_are_none():
    pair = fleet().train[0]
    empty, names = (pair[0][:0], pair[1][:0]), tuple("abcd")
    with pytest.raises(ValueError, match="needs at least one client"):
        cl.Clients("none", (), (), ("a",))
    with pytest.raises(ValueError, match="client 1 has no sample to train: leave it out"):
        cl.Clients("few", (pair, empty), (pair, pair), names)
    with pytest.raises(ValueError, match="client 0, train: "):
        cl.Clients("classless", (pair,), (pair,), ("a",))
    with pytest.raises(ValueError, match="one shape"):
        other = torch.rand(3, 1, 1, 6), torch.tensor([0, 1, 2])
        cl.Clients("unlike", (pair, other), (pair, other), names)
    with pytest.raises(ValueError, match="as many of each"):
        cl.Clients("halves", (pair, pair), (pair,), names)
    with pytest.raises(TypeError, match="clients must be Clients"):
        cl.fleet_train(cl.Finetune(net_of(fleet())), cl.digits())
    with pytest.raises(ValueError, match="alpha or shards, not both"):
        cl.clients(cl.digits(), 5, alpha=1, shards=2)
    with pytest.raises(ValueError, match="fewer clients, or a larger alpha"):
        cl.clients(cl.digits(), 1000, alpha=0.001)
    with pytest.raises(ValueError, match="arrival must be 'together', 'apart' or the order"):
        fleet().split(2, arrival=[[0, 1]])
