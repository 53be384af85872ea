"""Dark experience replay against its equation, written out."""

import torch
from small import FAST, NET, STREAM, TOLD, by_loops, numbered, pixel_net, spied
from torch.func import functional_call

from edgecl_lite import DERpp, mlp, train
from edgecl_lite.lanes import copied
from edgecl_lite.models import apply


def test_stored_logits_are_those_of_the_end_of_the_task():
    stream, ends = numbered({0: 20, 2: 20}, {1: 20, 4: 20}, {3: 20, 5: 20}), []

    class Listening(DERpp):
        def end_task(self, params, state, task):
            after = super().end_task(params, state, task)
            ends.append((copied(params), after))
            return after

    train(Listening(pixel_net(stream), capacity=31), stream, seeds=3, epochs=2, batch_size=7, progress=False)
    logits = [{} for _ in range(3)]  # {id: at the end of its own task}, each seed
    for t, (params, state) in enumerate(ends):
        everything = torch.cat([task.train[0] for task in stream]).expand(3, -1, -1, -1, -1)
        now = apply(pixel_net(stream), params, everything)
        for i in range(3):
            kept = state["filled"][i]
            ids = state["memory.x"][i, kept, 0].long().tolist()
            assert len(ids) == 31 // (2 * t + 2) * (2 * t + 2)
            for number, z in zip(ids, state["memory.logits"][i, kept]):
                if number // 40 == t:
                    logits[i][number] = now[i, number]
                    torch.testing.assert_close(z, now[i, number], rtol=1e-4, atol=1e-6)
                else:
                    torch.testing.assert_close(z, logits[i][number], rtol=1e-4, atol=1e-6)
    assert ends[2][1]["filled"].any() and any(number < 40 for number in logits[0])


def test_the_two_draws_of_dark_replay_are_independent():
    seen = []
    train(spied(DERpp, seen)(NET, capacity=50), STREAM, seeds=4, **FAST)
    rows = torch.stack(
        [
            torch.stack([batch["old"]["row"], batch["dark"]["row"]])
            for _, _, batch in seen
            if "old" in batch and batch["y"].shape[1] == 32
        ]
    )  # (steps, 2, lanes, n)
    old, dark = rows[:, 0], rows[:, 1]
    n = old.numel()
    hits, want = (old == dark).sum().item(), n / 30  # 20 to 50 old ones
    assert n > 3000 and n / 50 / 1.5 < hits < 1.5 * n / 15 and hits < 2 * want
    assert abs(torch.corrcoef(torch.stack([old.flatten(), dark.flatten()]).float())[0, 1]) < 0.15


def test_the_loss_of_dark_replay_written_out():
    seen, net = [], mlp(TOLD, hidden=(10,))
    method = spied(DERpp, seen)(net, capacity=40, alpha=0.3, beta=0.7)
    train(method, TOLD, seeds=2, steps=3, progress=False, batch_size=8)
    for params, state, batch in seen[5::3]:
        got = DERpp(net).loss(params, state, batch)
        for i in range(2):
            own, dark = {k: p[i] for k, p in params.items()}, batch["dark"]
            z = functional_call(net, own, (dark["x"][i],))
            apart = ((z - state["memory.logits"][i, dark["row"][i]]) ** 2).mean()
            want = (
                by_loops(net, params, i, batch) + 0.7 * by_loops(net, params, i, batch["old"]) + 0.3 * apart
            )
            assert abs(got[i].item() - want.item()) < 1e-4 and apart > 0
