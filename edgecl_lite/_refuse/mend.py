"""What is wrong with samples (x, y), and the code that mends it.

Each thing that is wrong says what came and adds to the code; what it would give is looked at in
turn, so that whoever obeys the message meets no second one. Only walked where `check_samples`
refuses. Left out of the reading paths; no lesson derives it.
"""

import math

import torch

from .given import read, words

HAIR = 1e-4  # beyond 0..1 that is clipped: scalers of float32 give 1.0000001
KEEP = "keep = {}; x, y = x[keep], y[keep]"


class Search:
    """x or y on its way to what is wanted: its value so far, what was wrong, code that mends it."""

    def __init__(self, name, value, training):
        self.name, self.value, self.training, self.kind = name, value, training, ValueError
        self.faults, self.code, self.lines = [], name, []
        self.bytes = False  # whether the values of x are of 255
        self.hair = None  # (lowest, highest) of x, to be clipped

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


def searches(x, y, classes, training):
    """The two searches, done."""
    x, y = Search("x", x, training), Search("y", y, training)
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
    """A tensor of numbers in the CPU's memory; floats in y stay floats until it is known which."""
    given, name = search.value, search.name
    tensor, came, code = read(given)
    right = isinstance(given, torch.Tensor) and given.dtype == want
    if right and code == "{}":
        return
    search.kind = TypeError
    fault = f"{name} must be a tensor of {want}, got {came}"
    if tensor is None or tensor.is_complex():
        if name == "y" and words(given):
            return _worded(search, fault)
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


def _worded(y, fault):
    """Labels in words."""
    names = sorted(set(y.value))
    numbers = torch.tensor([names.index(label) for label in y.value])
    if y.training:
        y.line("names = sorted(set(y))")
    hint = "give classes=tuple(names), the names of the training part, and their numbers"
    y.found(f"{fault}; {hint}", "torch.tensor([names.index(label) for label in {}])", numbers)


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
        hint = "; pictures (n, height, width): x[:, None]"
        hint += ", sensors (n, channels, readings): x[:, :, None]"
        if max(shape[1:]) <= 2 * min(shape[1:]):
            return hint, "{}[:, None]", lambda x: x[:, None]
        return hint, "{}[:, :, None]", lambda x: x[:, :, None]
    if len(shape) == 2:
        side = math.isqrt(shape[1])
        if side**2 == shape[1] and side >= 8:
            hint = f"; flat pictures of {side} × {side}, or else features: x[:, None, None]"
            code = f"{{}}.reshape(-1, 1, {side}, {side})"
            return hint, code, lambda x: x.reshape(-1, 1, side, side)
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
    rows = value.dim() == 2 and len(value) and (value >= 0).all()
    if rows and (value.sum(1) - 1).abs().max() < 1e-3:
        code = "{}.int().argmax(1)" if y.value.dtype == torch.bool else "{}.argmax(1)"
        return y.found(f"{want}y is the class's number, not one-hot", code, value.argmax(1))
    y.found(f"{want}y is one class number a sample, shape {tuple(value.shape)} is something else")


# ---- values


def _scaled(x):
    """In 0..1, or a hair beyond."""
    low, high = (value.item() for value in x.value.aminmax())  # both are NaN if any pixel is
    if not math.isfinite(high - low):
        _dropped(x)
        if not x.code:
            return
        low, high = (value.item() for value in x.value.aminmax())
    if low >= -HAIR and high <= 1 + HAIR:
        x.hair = None if low >= 0 and high <= 1 else (low, high)
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


def _dropped(x):
    """Samples with NaN or infinite values are told and left out."""
    sound, nan, total = x.value.isfinite(), x.value.isnan(), f"{x.value.numel():,}"
    faults = [f"{int(nan.sum()):,} NaN pixels of {total}"] * bool(nan.any())
    if inf := int((~sound & ~nan).sum()):
        low, high = (value.item() for value in x.value[~nan].aminmax())
        got = f"got {low:.9g}..{high:.9g}, {inf:,} infinite of {total}"
        faults.append(f"pixels must lie in 0..1, {got}")
    keep = sound.flatten(1).all(1)
    if keep.any():
        x.found(f"{' and '.join(faults)}; drop those samples", "{}", x.value[keep])
        x.line(KEEP.format("x.isfinite().flatten(1).all(1)"))
    else:
        x.found(f"{' and '.join(faults)}; no sample is without")


def _numbered(y, classes):
    """Class numbers 0 … classes − 1; of a task (classes None) any."""
    value = y.value
    if value.is_floating_point() and not (value % 1 == 0).all():
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
        hint = "name every class in `classes`, and number them from 0 as in the training part"
        y.found(f"{fault}; {hint}")
