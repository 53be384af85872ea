"""Samples (x, y) as everything here takes them, and one message that ends the search where they are not so.

    x float32 (n, channels, height, width) in 0..1        y int64 (n,), class numbers from 0

What is right is shared, not copied. What is not is followed to its end: each thing that is wrong says what
came and adds to the code that mends it, so that whoever obeys the message meets no second one.
Plumbing; no lesson derives it.
"""

import math
import sys
import warnings

import numpy as np
import torch

from .settled import settled

HAIR = 1e-4  # beyond 0..1 that is clipped: scalers of float32 give 1.0000001
KEEP = "keep = {}; x, y = x[keep], y[keep]"


class _Search:
    """One of x and y on its way to what is wanted: its value so far, what was wrong, code that mends it."""

    def __init__(self, name, value, training):
        self.name, self.value, self.training, self.kind = name, value, training, ValueError
        self.faults, self.code, self.lines, self.bytes = [], name, [], False

    def found(self, fault, code=None, value=None):
        """code: what mends it, where {} stands for the code so far; None: no line does."""
        self.faults += [fault] * bool(fault)
        self.code, self.value = code and self.code and code.format(self.code), value

    def line(self, code):
        """A statement of its own, after the code so far."""
        self.lines += [*self.assigned(), code]
        self.code = self.name

    def assigned(self):
        return [f"{self.name} = {self.code}"] * (self.code not in (None, self.name))


@settled
def check_samples(where, pair, classes=None, training=True):
    """(x, y) of the pair, checked: plain tensors in the CPU's memory, without a graph, else not copied.

    `where` opens the message, e.g. "digits, train"; labels must be smaller than `classes`. Values of x less
    than 0.0001 beyond 0..1 are clipped in a copy, with a warning. training: the part whose range and labels
    give the measure for the other. TypeError: wrong type or dtype; ValueError: wrong shape or values.
    """
    x, y = map(_plain, _two(where, pair, classes))
    searches = _searches(x, y, classes, training)
    faults = [fault for each in searches for fault in each.faults]
    if faults:
        lines = [line for each in searches if each.code for line in each.lines + each.assigned()]
        advice = f" Write {'; '.join(lines)}." * bool(lines)
        wanted = "x float32 (n, channels, height, width) in 0..1, y int64 (n,), class numbers from 0"
        kind = TypeError if TypeError in [each.kind for each in searches] else ValueError
        raise kind(f"{where}: {'; '.join(faults)}.{advice} Wanted: {wanted}")
    return _clipped(where, x), y


def text(name, value):
    """The value. Raises TypeError where it is no str."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {value!r}; write str({value!r})")
    return value


def _plain(value):
    """A tensor without graph, subclass or mark of inference mode; what is none comes back as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    if value.requires_grad or type(value) is not torch.Tensor:
        value = value.detach().as_subclass(torch.Tensor)
    return value.clone() if value.is_inference() else value


def _clipped(where, x):
    low, high = (value.item() for value in x.aminmax())
    if low >= 0 and high <= 1:
        return x
    count = int(((x < 0) | (x > 1)).sum())
    told = f"{count:,} of {x.numel():,} values lie a hair beyond 0..1, in {low:.9g}..{high:.9g}"
    warnings.warn(f"{where}: {told}; they were clipped", stacklevel=_outside())
    return x.clamp(0, 1)


def _outside():
    """How many calls up the caller's line stands that is not of this package: where a warning belongs."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(f"{__package__}."):
        frame, level = frame.f_back, level + 1
    return level


def _two(where, pair, classes):
    """The pair as it is. TypeError where it is none, ValueError where its two parts are not an x and a y."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        came = type(pair).__name__ + (f" of {len(pair)}" if isinstance(pair, tuple | list) else "")
        raise TypeError(f"{where} must be a tuple (x, y), got {came}{_from_items(pair, classes)}")
    x, y = (tuple(getattr(part, "shape", ())) for part in pair)
    if len(x) == 1 and (len(y) > 2 or (len(y) == 2 and y[1] > 1 and _whole(pair[0]))):
        raise ValueError(f"{where}: x and y seem to be swapped, got shapes {x} and {y}. Write (y, x)")
    if x[1:] == y[1:] and (len(x) > 2 or (len(x) == 2 and len({1, x[0], y[0], *x[1:]}) == 4)):
        both = "train=(x_train, y_train), test=(x_test, y_test)"
        raise ValueError(f"{where}: got two sets of samples, {x} and {y}, and no labels. Write {both}")
    return pair


def _from_items(data, classes):
    """How the pairs (x, y) of a data set of torch, or of a loader of such, become one."""
    name = "data" if not hasattr(data, "dataset") else "data.dataset"
    data = getattr(data, "dataset", data)
    if isinstance(data, str | list | tuple | dict | np.ndarray | torch.Tensor):
        return ""
    try:
        x, y = zip(*(data[i] for i in range(min(len(data), 100))), strict=True)
        x, y = _searches(x, y, classes, True)
    except Exception:  # whatever it is, it holds no pairs
        return ""
    lines = [f"x, y = zip(*{name})", *x.lines, *x.assigned(), *y.lines, *y.assigned()]
    return f". Write {'; '.join(lines)}, and give (x, y)"


def _searches(x, y, classes, training):
    x, y = _Search("x", x, training), _Search("y", y, training)
    _typed(x, torch.float32)
    _typed(y, torch.int64)
    if x.code and y.code:
        _shaped(x, y)
    if x.code and x.value.numel():
        _scaled(x)
    if y.code and y.value.numel():
        _numbered(y, classes)
    return x, y


# ---- types


def _typed(search, want):
    """A tensor of numbers in the CPU's memory; floats in y stay what they are until it is known which."""
    given, name = search.value, search.name
    tensor, came, code = _read(given)
    right = isinstance(given, torch.Tensor) and given.dtype == want
    if right and code == "{}":
        return
    search.kind = TypeError
    fault = f"{name} must be a tensor of {want}, got {came}"
    if tensor is None or tensor.is_complex():
        if name == "y" and _words(given):
            names = sorted(set(given))
            fault += "; give classes=tuple(names), the names of the training part, and their numbers"
            if search.training:
                search.line("names = sorted(set(y))")
            numbers = torch.tensor([names.index(label) for label in given])
            return search.found(fault, "torch.tensor([names.index(label) for label in {}])", numbers)
        hint = "; samples must all have one shape" * isinstance(given, list | tuple)
        return search.found(fault + hint)
    if right:  # only on another device, or sparse
        return search.found(fault, code, tensor)
    if want == torch.float32:
        search.bytes = tensor.dtype == torch.uint8 and bool((tensor > 1).any())
        return search.found(fault, f"torch.as_tensor({code}, dtype=torch.float32)", tensor.float())
    if tensor.is_floating_point() or tensor.dim() != 1:  # see _numbered, _shaped
        code = code if isinstance(given, torch.Tensor) else f"torch.as_tensor({code})"
        hint = "; class numbers, no regression" * tensor.is_floating_point()
        return search.found(fault + hint, code, tensor)
    return search.found(fault, f"torch.as_tensor({code}, dtype=torch.int64)", tensor.long())


def _read(given):
    """(the tensor or None, what came, code that gives something of which torch makes a tensor)."""
    came = type(given).__name__
    if given is None:
        return None, came, None
    if isinstance(given, torch.Tensor):
        if given.is_meta:  # so are tensors made under a default device of meta
            return (
                None,
                f"{given.dtype} on the device meta, which has no values; make it with device='cpu'",
                None,
            )
        if given.layout != torch.strided:
            return given.to_dense().cpu(), f"a sparse tensor of {given.dtype}", "{}.to_dense().cpu()"
        if given.device.type != "cpu":
            place = f"{given.dtype} on {given.device}; train(…, device=…) moves what it needs"
            return given.cpu(), place, "{}.cpu()"
        return given, str(given.dtype), "{}"
    if isinstance(given, list | tuple) and len(given):
        came += f" of {type(given[0]).__name__}" * (not isinstance(given[0], int | float))
    elif hasattr(given, "dtype"):
        came += f" of {given.dtype}"
    ways = [("{}", np.asarray), ("numpy.array({}).astype(float)", lambda each: np.array(each).astype(float))]
    if isinstance(given, list | tuple) and len(given) and hasattr(given[0], "__array_interface__"):
        ways = [("numpy.stack({})", np.stack)]
    elif isinstance(given, list | tuple) and len(given) and isinstance(given[0], torch.Tensor):
        ways = [("torch.stack({}).detach()", lambda each: torch.stack(each).detach().numpy())]
    elif hasattr(given, "to_numpy"):
        ways = [("{}.to_numpy(copy=True)", lambda each: each.to_numpy(copy=True))]
    for code, read in ways:
        try:
            return torch.tensor(read(given)), came, code
        except (TypeError, ValueError, RuntimeError):
            continue
    return None, came, None


def _words(values):
    """Whether all are str."""
    values = values.tolist() if hasattr(values, "tolist") else values
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)


def _whole(values):
    """Whether these are whole numbers by type."""
    return "int" in str(getattr(values, "dtype", ""))


# ---- shapes


def _shaped(x, y):
    """x (n, channels, height, width), y (n,), as many of one as of the other, at least one."""
    got = f"got {tuple(x.value.shape)} and {tuple(y.value.shape)}"
    want = f"x must be (n, channels, height, width) and y (n,), {got}"
    if x.value.dim() != 4 or _channels_last(x.value.shape):
        hint, code, change = _axes(x.value.shape)
        x.found(f"{want}{hint}", code, code and change(x.value))
    if y.value.dim() != 1:
        _one_column(y, "" if x.faults and want in x.faults[-1] else f"{want}; ")
    if not x.code or not y.code:
        return
    if len(x.value) != len(y.value):
        x.found(f"{want}, as many of one as of the other")
    elif not x.value.numel():
        x.found(f"is empty, expected at least one image, {got}")


def _channels_last(shape):
    """Whether (n, height, width, colours) is far likelier than (n, channels, height, width)."""
    _, rows, columns, last = shape
    square = rows == columns if last == 1 else max(rows, columns) <= 2 * min(rows, columns)
    return last in (1, 3, 4) and min(rows, columns) >= 8 and square


def _axes(shape):
    """(hint, code, function) that gives samples of this shape their four axes."""
    if len(shape) == 4:
        return "; channels come second", "{}.permute(0, 3, 1, 2)", lambda x: x.permute(0, 3, 1, 2)
    if len(shape) == 3:
        pictures = max(shape[1:]) <= 2 * min(shape[1:])
        code = "{}[:, None]" if pictures else "{}[:, :, None]"
        hint = "; pictures (n, height, width): x[:, None], sensors (n, channels, readings): x[:, :, None]"
        return hint, code, lambda x: x[:, None] if pictures else x[:, :, None]
    if len(shape) == 2:
        side = math.isqrt(shape[1])
        if side**2 == shape[1] and side >= 8:
            hint = f"; flat pictures of {side} × {side}, or else features: x[:, None, None]"
            return hint, f"{{}}.reshape(-1, 1, {side}, {side})", lambda x: x.reshape(-1, 1, side, side)
        return "; features are one row of pixels", "{}[:, None, None]", lambda x: x[:, None, None]
    if len(shape) == 1:
        return "", "{}[:, None, None, None]", lambda x: x[:, None, None, None]
    if len(shape) > 4:
        return "", "{}.flatten(1, -3)", lambda x: x.flatten(1, -3)
    return "", None, None


def _one_column(y, want):
    """y (n, 1) loses its axis; rows that add up to 1 name the class by their largest number."""
    value = y.value.float()
    if value.dim() == 2 and value.shape[1] == 1:
        return y.found(f"{want}y has one axis", "{}[:, 0]", y.value[:, 0])
    if value.dim() == 2 and len(value) and (value >= 0).all() and (value.sum(1) - 1).abs().max() < 1e-3:
        code = "{}.int().argmax(1)" if y.value.dtype == torch.bool else "{}.argmax(1)"
        return y.found(f"{want}y is the class's number, not one-hot", code, value.argmax(1))
    y.found(f"{want}y is one class number a sample, shape {tuple(value.shape)} is something else")


# ---- values


def _scaled(x):
    """In 0..1."""
    if not (sound := x.value.isfinite()).all():
        _dropped(x, sound)
        if not x.code:
            return
    low, high = (value.item() for value in x.value.aminmax())
    if low >= -HAIR and high <= 1 + HAIR:
        return
    fault = f"pixels must lie in 0..1, got {low:.9g}..{high:.9g}"
    if x.bytes or (low >= 0 and 16 < high <= 255):
        x.found(f"{fault}; divide bytes by 255", "{} / 255")
    elif low >= 0 and high <= 16 and not (x.value % 1).any():
        x.found(f"{fault}; divide by the highest", f"{{}} / {high:g}")
    elif (low >= -0.5 and high <= 1.5) or low == high:
        x.found(f"{fault}; scale by the training part, then .clamp(0, 1)", "{}.clamp(0, 1)")
    elif -1 - HAIR <= low and high <= 1 + HAIR:
        x.found(f"{fault}; these are in -1..1", "(({} + 1) / 2).clamp(0, 1)")
    elif x.training:
        x.line("low, high = x.min(), x.max()")
        code = "(({} - low) / (high - low)).clamp(0, 1)"
        x.found(f"{fault}; scale by the training part, then .clamp(0, 1)", code)
    else:
        x.found(f"{fault}; scale by the training part's lowest and highest, then .clamp(0, 1)")


def _dropped(x, sound):
    """Samples with NaN or infinite values are told and left out."""
    nan, total = x.value.isnan(), f"{x.value.numel():,}"
    faults = [f"{int(nan.sum()):,} NaN pixels of {total}"] * bool(nan.any())
    if inf := int((~sound & ~nan).sum()):
        low, high = (value.item() for value in x.value[~nan].aminmax())
        faults.append(f"pixels must lie in 0..1, got {low:.9g}..{high:.9g}, {inf:,} infinite of {total}")
    keep = sound.flatten(1).all(1)
    if keep.any():
        x.found(f"{' and '.join(faults)}; drop those samples", "{}", x.value[keep])
        x.line(KEEP.format("x.isfinite().flatten(1).all(1)"))
    else:
        x.found(f"{' and '.join(faults)}; no sample is without")


def _numbered(y, classes):
    """Class numbers 0 … classes − 1; of a task (classes None) any."""
    value = y.value
    if not value.isfinite().all() or (value.is_floating_point() and (value % 1).any()):
        return y.found(f"got {value[:3].tolist()} …, not whole; cut the values into classes")
    if value.dtype != torch.int64:
        y.found("", "{}.long()", value := value.long())
    low, high = (each.item() for each in value.aminmax())
    if classes is None or (low >= 0 and high < classes):
        return
    fault = f"labels must lie in 0..{classes - 1}, one per class, got {low}..{high}"
    known = value.unique().tolist()
    if known == [-1, 1] and classes == 2:
        y.found(fault, "({} > 0).long()")
    elif low < 0 <= high < classes:
        y.found(f"{fault}; leave out the samples without a label", "{}")
        y.line(KEEP.format("y >= 0"))
    elif low > 0 and high == classes:
        y.found(f"{fault}; they begin at 0", "{} - 1")
    elif low >= 0 and len(known) <= classes and y.training:
        y.found(f"{fault}; number them from 0", "{}.unique(return_inverse=True)[1]")
    else:
        y.found(f"{fault}; name every class in `classes`, and number them from 0 as in the training part")
