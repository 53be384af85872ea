"""What is refused of tasks, streams and data sets of the reader's own."""

from ..data.images import Dataset
from .arguments import choice, several, whole
from .samples import check_samples

SCENARIOS = ("task", "domain", "class")


def check_stream(stream, kind):
    """Raises ValueError where tasks are none, no Tasks or of unlike shapes, or outputs too few."""
    choice("scenario", stream.scenario, SCENARIOS)
    choice("active", stream.rule, ("seen", "all"))
    if not stream.tasks or not all(isinstance(task, kind) for task in stream):
        kinds = sorted({type(task).__name__ for task in stream.tasks}) or "none"
        raise ValueError(f"a stream needs at least one task, and only Tasks, got {kinds}")
    parts = [(task.name, x) for task in stream for x, _ in (task.train, task.test)]
    shapes = [(name, *x.shape[1:]) for name, x in parts]
    if len({tuple(shape) for _, *shape in shapes}) > 1:
        raise ValueError(f"all tasks of a stream must have images of one shape, got {shapes}")
    top = max(c for task in stream for c in task.classes)
    if top >= whole("outputs", stream.outputs):
        raise ValueError(f"outputs must exceed the largest class {top}, got {stream.outputs}")


def labelled(task, part, classes):
    """(x, y) of a part of a task, checked: all labels are among its classes."""
    where = f"{part} of task {task.name!r}"
    x, y = check_samples(where, getattr(task, part), training=part == "train")
    known = set(y.unique().tolist())
    if strange := sorted(known - set(classes)):
        advice = f"Write classes={tuple(sorted(known | set(classes)))}, or leave those samples out"
        if known == {c + 1 for c in classes}:
            advice = "Write y = y - 1"
        elif strange[0] < 0:
            advice = "Leave those samples out: keep = y >= 0; x, y = x[keep], y[keep]"
        raise ValueError(f"{where}: expected labels in {classes}, got also {strange}. {advice}")
    return x, y


def outputs_of(name, classes):
    """The classes of a task as a tuple of int. ValueError where there is none, or one twice."""
    classes = [c.item() if hasattr(c, "item") else c for c in several("classes", classes, least=0)]
    if not classes:
        raise ValueError(f"task {name!r} must have at least one class, got none")
    classes = tuple(whole("each of classes", c, least=0) for c in classes)
    if len(set(classes)) < len(classes):
        raise ValueError(f"classes of task {name!r} must be different outputs, got {classes}")
    return classes


def sizes_of(data, per_task):
    """How many classes each task gets."""
    n = len(data.classes)
    if hasattr(per_task, "__iter__") and not isinstance(per_task, str):
        sizes = [whole("each of per_task", size) for size in several("per_task", per_task)]
        if sum(sizes) != n:
            came = f"got {sizes}, which adds up to {sum(sizes)}"
            raise ValueError(f"per_task must add up to the {n} classes of {data.name!r}, {came}")
        return sizes
    if n % (per_task := whole("per_task", per_task)):
        sizes = [per_task] * (n // per_task) + [n % per_task]
        advice = f"; or give a list, such as per_task={sizes}"
        want = f"per_task must divide the {n} classes of {data.name!r}"
        raise ValueError(f"{want}, got {per_task}{advice}")
    return [per_task] * (n // per_task)


def order_of(order, n):
    """The order of n classes, as a list of int."""
    order = [whole("each of order", c, least=0) for c in several("order", order)]
    if sorted(order) != list(range(n)):
        raise ValueError(f"order must hold each class 0..{n - 1} once, got {order}")
    return order


def check_dataset(data):
    if not isinstance(data, Dataset):
        own = "one of your own is Dataset(name, (x, y), (x, y), classes)"
        came = f"{type(data).__name__}{'; call it: …()' * callable(data)}"
        raise TypeError(f"data must be a Dataset such as digits(), got {came}; {own}")
    return data
