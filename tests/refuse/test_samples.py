"""Samples of a reader's own: what is right is shared, and the code in a message mends what is not.

Each message is obeyed to the letter: its code is run on the very same input, and what comes out is accepted.
"""

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

import edgecl_lite as cl
from edgecl_lite import Dataset, Stream, Task, split

N = 24
G = torch.Generator().manual_seed(0)
X, Y = torch.rand(N, 1, 8, 8, generator=G), torch.arange(N) % 3
BYTES, WORDS = (X[:, 0] * 255).byte(), ["abc"[y] for y in Y]
STANDARD = torch.randn(N, 1, 8, 8, generator=G) * 3
COLOUR = np.random.default_rng(0).integers(0, 256, (N, 12, 10, 3)).astype(np.uint8)
HOT = torch.eye(3)[Y]


def with_value(x, value):
    changed = x.clone()
    changed[3, 0, 1, 1] = value
    return changed


class Items:
    """Like the data sets of torchvision: a length, and pairs by number."""

    def __init__(self, x, y):
        self.pairs = list(zip(x, y, strict=True))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, i):
        return self.pairs[i]


MENDED = {  # what came: (x, y), words of the message
    "NumPy": (X.numpy(), Y.numpy(), "got ndarray of float32; .*(x, dtype=torch.float32); y ="),
    "NumPy's own types": (X.numpy().astype(float), Y.numpy().astype("i4"), "of float64; .*=torch.int64)"),
    "float64": (X.double(), Y, "torch.float32, got torch.float64. Write x = .* dtype=torch.float32)"),
    "float16": (X.half(), Y, "got torch.float16. Write x = torch.as_tensor(x, dtype=torch.float32)"),
    "bfloat16": (X.bfloat16(), Y, "got torch.bfloat16"),
    "bytes": (BYTES[:, None], Y, "got torch.uint8; .*divide bytes by 255. Write x = .* / 255"),
    "bytes without channels": (BYTES.numpy(), Y.numpy(), "dtype=torch.float32)[:, None] / 255; y = "),
    "dark bytes": (BYTES[:, None] // 32, Y, "got 0..7; divide bytes by 255"),
    "a mask of bytes": ((X > 0.5).byte(), Y, "got torch.uint8. Write x = .*dtype=torch.float32). Wanted"),
    "bool": (X > 0.5, Y, "got torch.bool"),
    "bytes as int": (BYTES[:, None].int(), Y, "got torch.int32; pixels must lie in 0..1, got 0..2.*; divide"),
    "bytes as float": (BYTES[:, None].float(), Y, "divide bytes by 255. Write x = x / 255"),
    "0 to 16": ((X * 16).round(), Y, "got 0..16; divide by the highest. Write x = x / 16"),
    "scikit-learn's digits": ((X * 16).round().double().flatten(1).numpy(), Y.numpy(), "(-1, 1, 8, 8) / 16"),
    "uint16": ((X * 65535).numpy().astype("u2"), Y, "low, high = x.min(), x.max()"),
    "0 to 1,000": (X * 1000, Y, "got .*..99.*; scale by the training part, then .clamp(0, 1)"),
    "normalised": (X * 2 - 1, Y, "these are in -1..1. Write x = ((x + 1) / 2)"),
    "standardised": (STANDARD, Y, "((x - low) / (high - low)).clamp(0, 1)"),
    "standardised table": (STANDARD[:, 0, 0].double().numpy(), Y, "[:, None, None]; low, high"),
    "scaled by others": (X * 1.05 - 0.028, Y, "got -0.027.*..1.02.*; scale by .* Write x = x.clamp(0, 1)"),
    "NaN": (with_value(X, np.nan), Y, "1 NaN pixels of 1,536; drop those samples. Write keep = "),
    "infinite": (with_value(X, -np.inf), Y, "pixels must lie in 0..1, got -inf..0.99.*, 1 infinite of 1,536"),
    "both, standardised": (with_value(with_value(STANDARD, np.nan).flip(0), np.inf), Y, "1 NaN .* 1 inf"),
    "NaN in NumPy": (with_value(X, np.nan).double().numpy(), Y.numpy(), "x, y = x[keep], y[keep]; y = "),
    "constant": (X * 0 + 7.5, Y, "got 7.5..7.5"),
    "channels last": (torch.rand(N, 8, 8, 3), Y, "channels come second. Write x = x.permute(0, 3, 1, 2)"),
    "channels last, grey": (X.permute(0, 2, 3, 1), Y, "permute(0, 3, 1, 2)"),
    "channels last, bytes": (COLOUR, Y, "dtype=torch.float32).permute(0, 3, 1, 2) / 255"),
    "no channels": (X[:, 0], Y, "pictures (n, height, width): x[:, None], .* Write x = x[:, None]"),
    "windows": (torch.rand(N, 6, 128), Y, "(n, channels, readings): x[:, :, None]. Write x = x[:, :, None]"),
    "features": (torch.rand(N, 5), Y, "Write x = x[:, None, None]"),
    "flat pictures": (X.flatten(1), Y, "flat pictures of 8 × 8, .* Write x = x.reshape(-1, 1, 8, 8)"),
    "one value": (torch.rand(N), Y, "got (24,) and (24,)"),
    "films": (torch.rand(N, 4, 3, 8, 8), Y, "x.flatten(1, -3)"),
    "a column": (X, Y[:, None], "got (24, 1, 8, 8) and (24, 1); y has one axis. Write y = y[:, 0]"),
    "a column of floats": (X, Y[:, None].float(), "y[:, 0].long()"),
    "one-hot": (X, HOT, "y is the class's number, not one-hot. Write y = y.argmax(1)"),
    "one-hot int64": (X, HOT.long(), "not one-hot"),
    "one-hot bool": (X, HOT.bool(), "y.int().argmax(1)"),
    "one-hot NumPy": (X, HOT.numpy(), "torch.as_tensor(y).argmax(1)"),
    "one-hot list": (X, HOT.tolist(), "got list of list"),
    "soft labels": (X, HOT * 0.8 + 0.2 / 3, "argmax(1)"),
    "bytes and one-hot": (BYTES.numpy(), HOT.double().numpy(), "[:, None] / 255; y = torch.as_tensor(y).arg"),
    "floats": (X, Y.float(), "got torch.float32; class numbers, no regression. Write y = y.long()"),
    "NumPy floats": (X, Y.double().numpy(), "no regression. Write y = torch.as_tensor(y).long()"),
    "int32": (X, Y.int(), "torch.int64, got torch.int32. Write y = torch.as_tensor(y, dtype=torch.int64)"),
    "uint8": (X, Y.byte(), "torch.int64, got torch.uint8"),
    "from 1": (X, Y + 1, "labels must lie in 0..2, .* got 1..3; they begin at 0. Write y = y - 1"),
    "from 1, int32": (X, (Y + 1).int().numpy(), "dtype=torch.int64) - 1"),
    "10, 20, 30": (X, (Y + 1) * 10, "got 10..30; number them from 0"),
    "unlabelled": (X, Y - 1, "got -1..1; leave out the samples without a label. Write keep = y >= 0"),
    "a list": (X, Y.tolist(), "torch.int64, got list. Write y = torch.as_tensor(y, dtype=torch.int64)"),
    "nested lists": (X.tolist(), Y.tolist(), "got list of list"),
    "words": (X, WORDS, "got list of str; .* Write names = sorted(set(y)); y = torch.tensor([names.index"),
    "NumPy words": (X, np.array(WORDS), "got ndarray of <U1"),
    "pandas words": (X, pd.Series(WORDS), "got Series of"),
    "digits as words": (X, [str(y) for y in Y.tolist()], "got list of str"),
    "pandas": (pd.DataFrame(X[:, 0, 0].numpy()), pd.Series(Y.numpy(), range(N)[::-1]), "y.to_numpy("),
    "a pandas column": (X, pd.DataFrame(Y.numpy()), "y has one axis"),
    "lists of tensors": (list(X), list(Y), "torch.stack(x)"),
    "a list with a graph": ([x.clone().requires_grad_() for x in X], Y, "torch.stack(x).detach()"),
    "a list of arrays": ([x.numpy() for x in X], Y, "numpy.stack(x)"),
    "PIL": ([Image.fromarray(x.numpy()) for x in BYTES], Y, "got list of Image; .*numpy.stack(x).* / 255"),
    "PIL in colour": ([Image.fromarray(x) for x in COLOUR], Y, "permute(0, 3, 1, 2) / 255"),
    "sparse": (X.to_sparse(), Y.to_sparse(), "got a sparse tensor of torch.float32; .* x.to_dense().cpu()"),
    "flipped NumPy": (X.numpy()[..., ::-1], Y.numpy()[::-1], "numpy.array(x).astype(float)"),
    "another byte order": (X.numpy().astype(">f4"), Y.numpy().astype(">i8"), "got ndarray of >f4"),
    "objects": (X.numpy().astype(object), Y.numpy().astype(object), "got ndarray of object"),
}  # fmt: skip


def pattern(words):
    """The words as they stand, with anything at each `.*`."""
    return ".*".join(map(re.escape, words.split(".*")))


def obeyed(message, x, y, **names):
    code = re.search(r"Write (.*?)(?:\. Wanted|, and give \(x, y\)$)", message)[1]
    names |= {"x": x, "y": y, "torch": torch, "numpy": np}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        exec(code, names)
    return names["x"], names["y"]


def refused(*pair):
    with pytest.raises((TypeError, ValueError)) as error, warnings.catch_warnings():
        warnings.simplefilter("error")
        Dataset("m", pair if len(pair) > 1 else pair[0], (X, Y), ("a", "b", "c"))
    assert error.traceback[-1].path.is_relative_to(Path(cl.__file__).parent)
    return str(error.value)


@pytest.mark.parametrize("case", MENDED)
def test_the_message_mends_it(case):
    x, y, words = MENDED[case]
    message = refused(x, y)
    assert message.startswith("m, train: ")
    assert re.search(pattern(words), message), message
    mended = Dataset("m", (pair := obeyed(message, x, y)), pair, ("a", "b", "c"))
    assert (mended.train[0], mended.train[1]) == pair, "accepted as it is, and shared"
    if case not in ("10, 20, 30", "unlabelled", "NaN", "infinite", "both, standardised", "NaN in NumPy",
                    "flipped NumPy"):  # fmt: skip
        assert torch.equal(mended.train[1], Y)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            Items(X, Y.tolist()),
            "train must be a tuple (x, y), got Items. Write x, y = zip(*data); x = .*stack",
        ),
        (Items([Image.fromarray(x.numpy()) for x in BYTES], Y.tolist()), "numpy.stack(x).*[:, None] / 255"),
        (TensorDataset(X, Y), "got TensorDataset. Write x, y = zip(*data)"),
        (DataLoader(TensorDataset(X, Y)), "got DataLoader. Write x, y = zip(*data.dataset)"),
    ],
)
def test_data_sets_of_others(data, words):
    message = refused(data)
    assert re.search(pattern(words), message), message
    x, y = obeyed(message, None, None, data=data)
    assert x.shape == (N, 1, 8, 8) and torch.equal(Dataset("m", (x, y), (x, y), ("a", "b", "c")).train[1], Y)


REFUSED = {
    "a complex x": (X.to(torch.complex64), Y, "got torch.complex64"),
    "no values": (X.to("meta"), Y, "got torch.float32 on the device meta, which has no values"),
    "None": (None, Y, "x must be a tensor of torch.float32, got NoneType"),
    "no y": (X, None, "y must be a tensor of torch.int64, got NoneType"),
    "a function": (torch.rand, Y, "x must be .* got builtin_function"),
    "paths": ("x.npy", "y.npy", "x must be .* got str; y must be .* got str"),
    "numbers": (3, 4, "got int"),
    "scalars": (torch.tensor(0.5), torch.tensor(1), "got () and ()"),
    "regression": (
        X,
        torch.rand(N) + 0.01,
        "class numbers, no regression; got [.*] …, not whole; cut the values",
    ),
    "regression in a column": (X, torch.rand(N, 1), "no regression; .* cut the values into classes"),
    "NaN in y": (X, Y * np.nan, "class numbers, no regression; got [nan, nan, nan]"),
    "several labels": (
        X,
        torch.ones(N, 3).long(),
        "y is one class number a sample, shape (24, 3) is something",
    ),
    "masks": (X, torch.zeros(N, 8, 8).long(), "y is one class number a sample"),
    "more labels": (
        X,
        torch.arange(N),
        "labels must lie in 0..2, one per class, got 0..23; name every class",
    ),
    "swapped": (Y, X, "x and y seem to be swapped, got shapes (24,) and (24, 1, 8, 8). Write (y, x)"),
    "two of samples": (
        X,
        X[:5],
        "got two sets of samples, .* Write train=(x_train, y_train), test=(x_test, y_",
    ),
    "two of features": (torch.rand(N, 5), torch.rand(9, 5), "got two sets of samples"),
    "another length": (X, Y[1:], "got (24, 1, 8, 8) and (23,), as many of one as of the other"),
    "empty": (X[:0], Y[:0], "is empty, expected at least one image, got (0, 1, 8, 8) and (0,)"),
    "ragged": ([[1, 2], [1]], [0, 1], "got list of list; samples must all have one shape"),
    "all NaN": (X * np.nan, Y, "1,536 NaN pixels of 1,536; no sample is without"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_line_mends(case):
    *pair, words = REFUSED[case]
    message = refused(*pair)
    assert re.search(pattern(words), message), message


@pytest.mark.parametrize(
    "given", [[X, Y], (X,), (X, Y, Y), None, X, {"x": X, "y": Y}, "mnist", 5, Items([], [])]
)
def test_no_pair(given):
    with pytest.raises(
        TypeError, match=r"m, test must be a tuple \(x, y\), got (list|tuple|None|Te|dict|str|i|I)"
    ):
        Dataset("m", (X, Y), given, ("a", "b", "c"))


def test_the_test_part_is_measured_by_the_training_part():
    with pytest.raises(
        ValueError, match=r"m, test: pixels .* by the training part's lowest and highest"
    ) as error:
        Dataset("m", (X, Y), (STANDARD, Y), ("a", "b", "c"))
    assert "Write" not in str(error.value)
    with pytest.raises(ValueError, match=r"got -0\.02.*then \.clamp\(0, 1\)\. Write x = x\.clamp"):
        Dataset("m", (X, Y), (X - 0.028, Y), ("a", "b", "c"))
    with pytest.raises(ValueError, match="number them from 0 as in the training part"):
        Dataset("m", (X, Y), (X, Y * 10), ("a", "b", "c"))


def test_a_hair_beyond_is_clipped_and_told_once():
    x = X.clone()
    x[0, 0, 0, :3] = torch.tensor([1.0000001, 1.00005, -2e-5])
    before = x.clone()
    with pytest.warns(UserWarning) as told:
        data = Dataset("m", (x, Y), (X, Y), ("a", "b", "c"))
        split(data, per_task=3)
    assert [str(each.message) for each in told] == [
        "m, train: 3 of 1,536 values lie a hair beyond 0..1, in -1.99999995e-05..1.00004995; "
        "they were clipped"
    ]
    assert told[0].filename == __file__
    assert torch.equal(data.train[0], before.clamp(0, 1)) and torch.equal(x, before)
    with pytest.raises(ValueError, match=r"pixels must lie in 0\.\.1, got -1.99999995e-05\.\.1\.0002"):
        x[0, 0, 0, 0] = 1.0002
        Dataset("m", (x, Y), (X, Y), ("a", "b", "c"))
    with pytest.warns(UserWarning, match="train of task 't': 3 of 1,536 values") as told:
        Task("t", (before, Y), (X, Y), (0, 1, 2))
    assert told[0].filename == __file__


def test_what_is_right_is_shared():
    data = Dataset("m", (X, Y), (X, Y), ("a", "b", "c"))
    task = Task("t", (X, Y), (X, Y), (0, 1, 2))
    for holder in (data, task):
        assert holder.train[0] is X and holder.test[1] is Y
    view = X.expand(N, 3, 8, 8)
    assert Dataset("m", (view, Y), (view, Y), ("a", "b", "c")).train[0] is view


def test_no_graph_no_subclass_no_mark_of_inference():
    leaf = X.clone().requires_grad_()
    with torch.inference_mode():
        marked = X * 1

    class Own(torch.Tensor):
        pass

    for x in (leaf, leaf * 1, torch.nn.Parameter(X), X.as_subclass(Own), marked):
        for data in (Dataset("m", (x, Y), (x, Y), ("a", "b", "c")), Task("t", (x, Y), (x, Y), (0, 1, 2))):
            kept = data.train[0]
            assert type(kept) is torch.Tensor and not kept.requires_grad and not kept.is_inference()
            assert torch.equal(kept, X)
    assert leaf.requires_grad and leaf.grad_fn is None, "the reader's own is not changed"


@pytest.mark.parametrize(
    ("classes", "error", "says"),
    [
        (
            ["a", "b", "c"],
            TypeError,
            r"tuple of at least one str, got \['a', .*; write classes=tuple\(map\(str",
        ),
        (np.array(["a", "b", "c"]), TypeError, r"write classes=tuple\(map\(str, classes\)\)"),
        (range(3), TypeError, r"got range\(0, 3\); write classes=tuple\(map\(str, classes\)\)"),
        (3, TypeError, "got 3$"),
        (("a", "b", "a"), ValueError, r"classes must have different names, got \['a'\] more than once"),
    ],
)
def test_classes(classes, error, says):
    with pytest.raises(error, match=says):
        Dataset("m", (X, Y), (X, Y), classes)


@pytest.mark.parametrize("name", [None, 3, b"bytes", ("a",)])
def test_names_are_text(name):
    with pytest.raises(TypeError, match="the name of a data set must be a str, got .*; write str"):
        Dataset(name, (X, Y), (X, Y), ("a", "b", "c"))
    with pytest.raises(TypeError, match="the name of a task must be a str, got .*; write str"):
        Task(name, (X, Y), (X, Y), (0, 1, 2))


@pytest.mark.parametrize("name", ["", "$5_{ to 6$", "_hidden", "%s {0} \\n", "同", "a & b"])
def test_any_text_is_a_name(name):
    task = Task(name, (X, Y), (X, Y), (0, 1, 2))
    assert Stream([task, task], "domain", 3).names == [name, name]
