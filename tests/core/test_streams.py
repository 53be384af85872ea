"""Streams: what each scenario asks, which outputs may answer, what bad input gets."""

import math
from contextlib import contextmanager
from dataclasses import FrozenInstanceError

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


def test_all_samples_of_a_stream_in_one():
    for stream in (split(DIGITS, per_task=[5, 3, 2]), rotated(DIGITS, (0, 90))):
        for part in ("train", "test"):
            x, y = stream.all(part)
            ends = [len(getattr(task, part)[1]) for task in stream]
            for task, own_x, own_y in zip(stream, x.split(ends), y.split(ends)):
                assert torch.equal(own_x, getattr(task, part)[0]) and torch.equal(
                    own_y, getattr(task, part)[1]
                )
    with pytest.raises(ValueError, match="part must be one of 'train', 'test', got 'valid'"):
        stream.all("valid")
    with pytest.raises(TypeError, match="part"):
        stream.all()


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


def windows(shape=(9, 1, 16)):
    x, y = torch.rand(4, *shape), torch.tensor([0, 1, 0, 1])
    return Dataset("w", (x, y), (x, y), ("a", "b"))


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
        (lambda: Task("t", part(), part(), "ab"), ValueError, "classes must be a list, got 'ab'"),
        (lambda: Task("t", part(), part(), ("a", "b")), TypeError, "each of classes must be .* got 'a'"),
        (lambda: Task("t", part(), part(), (0, 1, 1)), ValueError, r"different outputs, got \(0, 1, 1\)"),
        (lambda: Task("t", part(), part(), (-1, 0, 1)), ValueError, "each of classes must be .* got -1"),
        (lambda: Task("t", part(), part(), 2), ValueError, "classes must be a list, got 2"),
        (lambda: Task("t", part(), part(), (0, 1), "ab"), ValueError, "labels must be a list, got 'ab'"),
        (
            lambda: Task("t", part(y=torch.tensor([1, 2, 1, 2])), part(), (0, 1)),
            ValueError,
            r"expected labels in \(0, 1\), got also \[2\]\. Write y = y - 1",
        ),
        (
            lambda: Task("t", part(y=torch.tensor([4, 5, 4, 5])), part(), (0, 1)),
            ValueError,
            r"got also \[4, 5\]\. Write classes=\(0, 1, 4, 5\), or leave those samples out",
        ),
        (
            lambda: Task("t", part(y=torch.tensor([-1, 0, 1, 1])), part(), (0, 1)),
            ValueError,
            r"got also \[-1\]\. Leave those samples out: keep = y >= 0",
        ),
        (
            lambda: Task("t", [*part()], part(), (0, 1)),
            TypeError,
            r"train of task 't' must be a tuple \(x, y\)",
        ),
        (lambda: Stream(Task("t", part(), part(), (0, 1)), "task", 2), ValueError, "tasks must be a list"),
        (lambda: Stream([DIGITS], "task", 2), ValueError, "only Tasks, got"),
        (lambda: split(digits), TypeError, r"got function; call it: …\(\); one of your own is Dataset"),
        (lambda: split(split(DIGITS)), TypeError, r"got Stream; one of your own is Dataset\(name, \(x, y\)"),
        (
            lambda: split(DIGITS, per_task=4),
            ValueError,
            r"got 4; or give a list, such as per_task=\[4, 4, 2\]",
        ),
        (
            lambda: split(DIGITS, per_task=[5, 2, 2, 2]),
            ValueError,
            r"per_task must add up to the 10 classes of 'digits', got \[5, 2, 2, 2\], which adds up to 11",
        ),
        (lambda: split(DIGITS, per_task=[10, 0]), ValueError, "each of per_task must be .* >= 1, got 0"),
        (lambda: split(DIGITS, per_task=[9.5, 0.5]), ValueError, "each of per_task must be .* got 9.5"),
        (lambda: split(DIGITS, per_task=[5, "5"]), TypeError, "each of per_task must be .* got '5'"),
        (lambda: split(DIGITS, per_task=[]), ValueError, "per_task must be a list of at least one value"),
        (lambda: split(DIGITS, per_task=None), TypeError, "per_task must be a whole number >= 1, got None"),
        (lambda: split(DIGITS, order=list("0123456789")), TypeError, "each of order must be .* got '0'"),
        (lambda: permuted(DIGITS, seed="a"), TypeError, "seed must be a whole number >= 0, got 'a'"),
        (lambda: permuted(DIGITS, seed=-1), ValueError, "seed must be a whole number >= 0, got -1"),
        (
            lambda: rotated(windows(), degrees=(0, 30)),
            ValueError,
            r"only pictures can be turned, 'w' has samples .* \(9, 1, 16\), which are sensor windows",
        ),
        (lambda: rotated(windows((9, 16, 1))), ValueError, r"only pictures can be turned, .* = \(9, 16, 1\)"),
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


# ---- tasks of unequal size ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[5, 2, 2, 1], (5, 2, 2, 1), torch.tensor([5, 2, 2, 1])])
def test_tasks_of_unequal_size(sizes):
    order = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    x, y = DIGITS.train
    for scenario, outputs in (("task", 10), ("domain", 5), ("class", 10)):
        stream = split(DIGITS, sizes, scenario, order=order)
        assert stream.names == ["9 & 8 & 7 & 6 & 5", "4 & 3", "2 & 1", "0"] and stream.outputs == outputs
        own = [(9, 8, 7, 6, 5), (4, 3), (2, 1), (0,)]
        for task, classes in zip(stream, own):
            keep = torch.isin(y, torch.tensor(classes))
            assert torch.equal(task.train[0], x[keep]) and task.labels == tuple(map(str, classes))
            assert task.classes == (tuple(range(len(classes))) if scenario == "domain" else classes)
            means = [task.labels[task.classes.index(output)] for output in task.train[1].tolist()]
            assert means == [str(digit) for digit in y[keep].tolist()]
    assert bits(split(DIGITS, sizes, "domain").active(0, 3)) == [0, 1, 2, 3, 4], "all may answer"
    assert bits(split(DIGITS, sizes, "task").active(0, 1)) == [5, 6]
    assert bits(split(DIGITS, sizes).active(1)) == [0, 1, 2, 3, 4, 5, 6]


def test_a_list_of_equal_sizes_is_the_number():
    for scenario in ("task", "domain", "class"):
        ours, theirs = split(DIGITS, [2] * 5, scenario), split(DIGITS, 2, scenario)
        assert (ours.names, ours.outputs, ours.shape) == (theirs.names, theirs.outputs, theirs.shape)
        for a, b in zip(ours, theirs):
            assert torch.equal(a.train[0], b.train[0]) and torch.equal(a.test[1], b.test[1])


def test_tasks_that_ask_nothing_are_named():
    assert split(DIGITS, [5, 2, 2, 1], "task").trivial == ["9"]
    assert split(DIGITS, 1, "task").trivial == split(DIGITS, 1, "domain").trivial == list(DIGITS.classes)
    for stream in (split(DIGITS, 1), split(DIGITS, scenario="task"), split(DIGITS, [5, 2, 2, 1], "domain")):
        assert stream.trivial == []
    assert rotated(DIGITS).trivial == rotated(DIGITS, scenario="task").trivial == []
    alike = part(y=torch.ones(4).long())
    one, two = Task("alike", alike, alike, (0, 1)), Task("two", part(), part(), (0, 1))
    assert Stream([one, two], "task", 2).trivial == ["alike"], "two outputs, one label"
    assert Stream([one, two], "domain", 2).trivial == []
    assert Stream([one], "domain", 2).trivial == ["alike"]


# ---- images that are not square ----------------------------------------------------------------------------


def bar(height, width, length, thick=4.0):
    """A level bar with soft ends in the middle of an image."""
    rows = torch.arange(height)[:, None] - (height - 1) / 2
    columns = torch.arange(width)[None] - (width - 1) / 2
    return ((thick / 2 - rows.abs() + 0.5).clamp(0, 1) * (length / 2 - columns.abs() + 0.5).clamp(0, 1))[
        None, None
    ]


def seen(image):
    """(angle in degrees, counter-clockwise; length) of a bar, from its second moments in pixels."""
    rows, columns = torch.meshgrid(*map(torch.arange, image.shape), indexing="ij")
    weight = image / image.sum()
    up, right = (weight * rows).sum() - rows, columns - (weight * columns).sum()
    a, b, c = ((weight * product).sum() for product in (right * right, right * up, up * up))
    spread = (a + c) / 2 + ((a - c) ** 2 / 4 + b**2).sqrt()
    return math.degrees(0.5 * math.atan2(2 * b, a - c)) % 180, (12 * spread).sqrt().item()


@pytest.mark.parametrize("shape", [(32, 32), (20, 32), (32, 20), (24, 60), (61, 24), (33, 24)])
@pytest.mark.parametrize("degrees", [0, 15, 30, 45, 60, 90, 120, 135, -30])
def test_the_angle_is_the_one_asked_for(shape, degrees):
    x = bar(*shape, length=15).repeat(2, 1, 1, 1)
    data = Dataset("bars", (x, torch.tensor([0, 1])), (x, torch.tensor([0, 1])), ("a", "b"))
    angle, length = seen(rotated(data, degrees=(degrees,)).tasks[0].train[0][0, 0])
    level, before = seen(x[0, 0])
    assert abs((level + 90) % 180 - 90) < 1e-3 and before == pytest.approx(15, abs=0.2)
    assert abs((angle - degrees + 90) % 180 - 90) < 0.5, angle
    assert length == pytest.approx(before, abs=0.3)


def test_square_images_turn_as_ever():
    """By torch's own grid, where no height or width stands: bit for bit."""
    x = DIGITS.train[0][:50]
    a = math.radians(33)
    turn = torch.tensor([[math.cos(a), -math.sin(a), 0.0], [math.sin(a), math.cos(a), 0.0]])
    grid = torch.nn.functional.affine_grid(turn.expand(50, 2, 3), x.shape, align_corners=False)
    want = torch.nn.functional.grid_sample(x, grid, align_corners=False).clamp(0, 1)
    assert torch.equal(rotated(DIGITS, degrees=(33,)).tasks[0].train[0][:50], want)


# ---- shared, never changed; whatever the reader's settings of torch ----------------------------------------


def test_a_stream_never_changes_and_writes_nothing_of_the_readers():
    x, y, classes = torch.rand(4, 1, 3, 3), torch.tensor([0, 1, 0, 1]), [0, 1]
    before = x.clone(), y.clone()
    data, task = Dataset("d", (x, y), (x, y), ("a", "b")), Task("t", (x, y), (x, y), classes)
    tasks = [task]
    stream = Stream(tasks, "domain", 2)
    for make in (split, permuted, rotated):
        for scenario in ("task", "domain"):
            make(data, scenario=scenario)
    tasks.append(task)
    classes.append(2)
    assert len(stream) == 1 and task.classes == (0, 1)
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])
    for holder, field in ((stream, "tasks"), (stream, "outputs"), (task, "train"), (data, "test")):
        with pytest.raises(FrozenInstanceError):
            setattr(holder, field, None)


def made():
    """Everything that these files make, as plain numbers."""
    data = digits()
    streams = [
        split(data), split(data, [5, 2, 2, 1], "domain"), permuted(data, tasks=2),
        rotated(data, degrees=(0, 33)),
        Stream([Task("t", data.train, data.test, range(10))], "task", 10),
    ]  # fmt: skip
    tensors = [
        part for stream in streams for task in stream for pair in (task.train, task.test) for part in pair
    ]
    tensors += [*data.train, *data.test, *(stream.answers() for stream in streams)]
    assert {t.device.type for t in tensors} == {"cpu"} and not any(t.is_inference() for t in tensors)
    assert {t.dtype for t in tensors} == {torch.float32, torch.int64, torch.bool}
    return [t.numpy().tobytes() for t in tensors], [stream.trivial for stream in streams]


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "settings",
    [
        lambda: default_dtype(torch.float64),
        lambda: default_dtype(torch.bfloat16),
        lambda: default_dtype(torch.float16),
        lambda: torch.device("meta"),
        lambda: torch.set_grad_enabled(False),
        torch.inference_mode,
    ],
    ids=["float64", "bfloat16", "float16", "meta", "no gradients", "inference mode"],
)
def test_the_readers_own_settings_change_nothing(settings):
    want = made()
    with settings():
        kept = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
        assert made() == want
        assert (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()) == kept
