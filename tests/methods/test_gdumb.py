"""GDumb: every task from the start, from what is kept alone."""

import pytest
import torch
from small import NET, STREAM, numbered, pixel_net, same

from edgecl_lite import GDumb, learn
from edgecl_lite.lanes import copied
from edgecl_lite.streams import Stream, Task


def test_gdumb_begins_every_task_at_the_start():
    begun = []

    class Listening(GDumb):
        def begin_task(self, params, state, task):
            params, state = super().begin_task(params, state, task)
            begun.append(copied(params))
            return params, state

    points = list(learn(Listening(NET, capacity=20), STREAM, seeds=2, steps=3))
    assert len(begun) == 5 and all(same(params, points[0].params) for params in begun)
    assert not same(points[-1].params, points[0].params)


@pytest.mark.parametrize("capacity", [4, 12])
def test_gdumb_owes_nothing_to_samples_that_were_never_kept(capacity):
    stream, ever = numbered({0: 30, 1: 30}, {2: 30, 3: 30}), set()

    class Listening(GDumb):
        def after_step(self, params, state, batch):
            state = super().after_step(params, state, batch)
            ever.update(state["memory.x"][0, state["filled"][0], 0].tolist())
            return state

    net, options = pixel_net(stream), dict(epochs=2, batch_size=8)
    points = [p for p in learn(Listening(net, capacity=capacity), stream, **options) if p.ended]
    other = []
    for t, task in enumerate(stream):
        x, y = task.train
        strange = torch.tensor([i + 60 * t not in ever for i in range(len(y))])
        assert strange.any()
        x = torch.where(strange.view(-1, 1, 1, 1), 1 - x, x)
        other.append(Task(task.name, (x, y), task.test, task.classes))
    other = Stream(other, "class", 4)
    again = [p for p in learn(GDumb(net, capacity=capacity), other, **options) if p.ended]
    for a, b in zip(points, again):
        assert same(GDumb(net).keeps(a.state), GDumb(net).keeps(b.state)) and same(a.params, b.params)
