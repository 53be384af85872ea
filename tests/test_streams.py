"""Streams: what each scenario asks, which outputs may answer, what bad input gets."""

import math

import pytest
import torch

from edgecl_lite import Dataset, Stream, Task, cnn, digits, mlp, permuted, rotated, split

DIGITS = digits()


def bits(mask):
    return mask.nonzero().flatten().tolist()


def test_split_in_three_scenarios():
    for scenario, outputs in (("task", 10), ("domain", 2), ("class", 10)):
        stream = split(DIGITS, scenario=scenario)
        assert len(stream) == 5 and stream.outputs == outputs and stream.scenario == scenario
        assert sum(len(task.train[1]) for task in stream) == 1400
        for t, task in enumerate(stream):
            assert task.name == f"{2 * t} & {2 * t + 1}" and task.labels == (str(2 * t), str(2 * t + 1))
            want = [0, 1] if scenario == "domain" else [2 * t, 2 * t + 1]
            assert task.train[1].unique().tolist() == want == list(task.classes)


def test_split_keeps_the_right_images():
    x, y = DIGITS.train
    for scenario in ("task", "domain", "class"):
        task = split(DIGITS, scenario=scenario).tasks[3]
        assert torch.equal(task.train[0], x[(y == 6) | (y == 7)])
        own = y[(y == 6) | (y == 7)]
        assert torch.equal(task.train[1], own - 6 if scenario == "domain" else own)


def test_which_outputs_may_answer():
    assert bits(split(DIGITS, scenario="task").active(3, 1)) == [2, 3]
    assert bits(split(DIGITS, scenario="domain").active(3, 1)) == [0, 1]
    assert bits(split(DIGITS).active(1, 0)) == [0, 1, 2, 3] == bits(split(DIGITS).active(1, 4))
    assert bits(split(DIGITS, active="all").active(0)) == list(range(10))
    assert bits(rotated(DIGITS, scenario="task").active(4, 2)) == list(range(20, 30))


def test_order_of_the_classes():
    stream = split(DIGITS, order=[9, 0, 8, 1, 7, 2, 6, 3, 5, 4])
    assert stream.names[0] == "9 & 0" and bits(stream.active(1)) == [0, 1, 8, 9]
    domain = split(DIGITS, scenario="domain", order=[9, 0, 8, 1, 7, 2, 6, 3, 5, 4]).tasks[0]
    x, y = DIGITS.train
    assert torch.equal(domain.train[0][domain.train[1] == 0], x[y == 9])


def test_permuted_shuffles_pixels_and_nothing_else():
    stream = permuted(DIGITS, tasks=3)
    x, y = DIGITS.train
    assert torch.equal(stream.tasks[0].train[0], x)
    for task in stream.tasks[1:]:
        assert torch.equal(task.train[0].flatten(1).sort(1)[0], x.flatten(1).sort(1)[0])
        assert not torch.equal(task.train[0], x) and torch.equal(task.train[1], y)
        moved = task.train[0].flatten(1)
        columns = {tuple(column.tolist()) for column in x.flatten(1).T}
        assert all(tuple(column.tolist()) in columns for column in moved.T), "one permutation for all images"
    again = permuted(DIGITS, tasks=3)
    assert torch.equal(again.tasks[2].test[0], stream.tasks[2].test[0])
    assert not torch.equal(permuted(DIGITS, tasks=3, seed=1).tasks[2].test[0], stream.tasks[2].test[0])


def test_rotated_by_quarter_turns_is_exact_and_counter_clockwise():
    stream = rotated(DIGITS, degrees=(0, 90, 180, 270, 360))
    x = DIGITS.train[0]
    for turns, task in enumerate(stream):
        torch.testing.assert_close(task.train[0], x.rot90(turns, (2, 3)), rtol=0, atol=1e-5)
    assert stream.names == ["0°", "90°", "180°", "270°", "360°"]


def test_task_scenario_gives_outputs_of_their_own():
    for stream in (rotated(DIGITS, scenario="task"), permuted(DIGITS, scenario="task")):
        assert stream.outputs == 50 and stream.tasks[3].train[1].min() == 30
        assert stream.tasks[3].labels == tuple("0123456789")


def test_networks_are_sized_from_the_stream():
    x = torch.rand(3, 1, 8, 8)
    for stream in (split(DIGITS, scenario="domain"), rotated(DIGITS, scenario="task")):
        assert mlp(stream, hidden=(7, 5))(x).shape == cnn(stream)(x).shape == (3, stream.outputs)
    assert sum(p.numel() for p in mlp(split(DIGITS)).parameters()) == 65 * 100 + 101 * 10
    assert sum(p.numel() for p in mlp(split(DIGITS), hidden=()).parameters()) == 65 * 10


def part(x=None, y=None):
    return torch.rand(4, 1, 2, 2) if x is None else x, torch.tensor([0, 1, 0, 1]) if y is None else y


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: split(DIGITS, scenario="classes"), ValueError, "'task', 'domain', 'class', got 'classes'"),
        (
            lambda: split(DIGITS, per_task=3),
            ValueError,
            "per_task must divide the 10 classes of 'digits', got 3",
        ),
        (lambda: split(DIGITS, per_task=0), ValueError, "per_task must be a whole number >= 1, got 0"),
        (lambda: split(DIGITS, per_task="two"), TypeError, "per_task must be a whole number >= 1, got 'two'"),
        (lambda: split(DIGITS, active="some"), ValueError, "active must be one of 'seen', 'all', got 'some'"),
        (lambda: split(DIGITS, order=[0, 1]), ValueError, "each class 0..9 once"),
        (lambda: split("digits"), TypeError, "data must be a Dataset such as digits\\(\\), got str"),
        (lambda: rotated(DIGITS, degrees=()), ValueError, "degrees must be a list of at least one value"),
        (lambda: rotated(DIGITS, degrees=(0, math.nan)), ValueError, "each of degrees must be"),
        (lambda: rotated(DIGITS, degrees=("x",)), TypeError, "each of degrees must be .* got 'x'"),
        (lambda: rotated(DIGITS, scenario="class"), ValueError, "'domain', 'task', got 'class'"),
        (
            lambda: rotated(DIGITS, degrees=30),
            ValueError,
            "degrees must be a list of at least one value, got 30",
        ),
        (lambda: mlp(split(DIGITS), hidden=100), ValueError, "hidden must be a list, got 100"),
        (lambda: Stream([1, 2], "task", 2), ValueError, "only Tasks"),
        (lambda: Task("t", part(), part(), ()), ValueError, "at least one class"),
        (lambda: Task("t", part(), part(), (0, 1), ("a",)), ValueError, "2 classes, got labels"),
        (lambda: permuted(DIGITS, tasks=0), ValueError, "tasks must be a whole number >= 1, got 0"),
        (lambda: permuted(DIGITS, tasks=2.5), ValueError, "tasks must be a whole number >= 1, got 2.5"),
        (lambda: Stream((), "task", 2), ValueError, "at least one task, and only Tasks, got"),
        (lambda: Task("t", part(), part(y=torch.tensor([0, 1, 2, 3])), (0, 1)), ValueError, "labels"),
        (
            lambda: Task("t", part(), part(y=torch.tensor([0, 1, 5, 3])), (0, 1, 5)),
            ValueError,
            "got also \\[3\\]",
        ),
        (
            lambda: Task("t", part(torch.rand(0, 1, 2, 2), torch.zeros(0).long()), part(), (0, 1)),
            ValueError,
            "empty",
        ),
        (
            lambda: Task("t", part(torch.full((4, 1, 2, 2), math.nan)), part(), (0, 1)),
            ValueError,
            "16 NaN pixels",
        ),
    ],
)
def test_bad_input(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_tasks_of_different_shape():
    small, large = Task("small", part(), part(), (0, 1)), torch.rand(4, 1, 3, 3)
    with pytest.raises(ValueError, match=r"images of one shape, got .*'t', 1, 3, 3"):
        Stream((Task("t", part(), part(large), (0, 1)),), "domain", 2)
    with pytest.raises(ValueError, match=r"images of one shape, got .*'large', 1, 3, 3"):
        Stream((small, Task("large", part(large), part(large), (0, 1))), "domain", 2)
    with pytest.raises(ValueError, match="outputs must exceed the largest class 1, got 1"):
        Stream((small,), "domain", 1)


def test_a_data_set_of_ones_own():
    x, y = torch.rand(12, 3, 5, 4), torch.arange(12) % 4
    stream = split(Dataset("mine", (x, y), (x, y), ("a", "b", "c", "d")))
    assert stream.names == ["a & b", "c & d"] and stream.shape == (3, 5, 4) and stream.pixels == 60
