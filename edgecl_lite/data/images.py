"""Images to learn from: `digits` inside the package; `mnist` and `fashion_mnist` on request.

Each is a `Dataset` of tensors: x float32 `(n, channels, height, width)` in 0..1, y int64 `(n,)`.
The sha256 of every file is checked, and only the bytes that passed are parsed: a damaged file never
reaches a training. Papers: Kaynak (1995); LeCun et al. (1998); Xiao, Rasul & Vollgraf (2017).
The lesson start_here shows the digits.
"""

import gzip
import math
from dataclasses import dataclass
from io import BytesIO
from numbers import Integral
from pathlib import Path

import numpy as np
import torch

from .._refuse.samples import check_samples, text
from ..machine.settled import settled
from .download import at_hand, fetched, intact

DIGITS = tuple("0123456789")
GARMENTS = "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot"
SHA256 = dict(map(str.split, Path(__file__).with_name("checksums.txt").read_text().splitlines()))
ZALANDO = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
MIRRORS = (  # tried in this order
    ("mnist", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    ("mnist", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    ("fashion_mnist", ZALANDO),
    ("fashion_mnist", "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"),
    ("fashion_mnist", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images, checked on construction and not copied.

    `train` and `test` are pairs (x, y): float32 `(n, channels, height, width)` in 0..1 and int64
    `(n,)`. `classes` says in words what the labels 0, 1, … mean. Values a hair beyond 0..1 are
    clipped in a copy, with a warning; tensors with a graph are detached. TypeError or ValueError as
    `samples.check_samples`.
    """

    name: str
    train: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]
    classes: tuple[str, ...]

    def __post_init__(self):
        text("the name of a data set", self.name)
        _check_classes(self.name, self.classes)
        for part, pair in (("train", self.train), ("test", self.test)):
            pair = check_samples(f"{self.name}, {part}", pair, len(self.classes), part == "train")
            object.__setattr__(self, part, pair)
        ours, theirs = (tuple(x.shape[1:]) for x, _ in (self.train, self.test))
        if ours != theirs:
            unlike = f"train and test images differ in shape, got {ours} and {theirs}"
            raise ValueError(f"{self.name}: {unlike}")

    def __repr__(self):
        train, test = (tuple(x.shape) for x, _ in (self.train, self.test))
        return f"Dataset({self.name!r}, train {train}, test {test}, {len(self.classes)} classes)"


def _check_classes(data, classes):
    """TypeError or ValueError where a data set's classes are no names, or two have the same."""
    named = isinstance(classes, tuple) and all(isinstance(name, str) for name in classes)
    if not (named and classes):
        some = hasattr(classes, "__len__") and len(classes) > 0 and not isinstance(classes, str)
        got = f"{classes!r}{'; write classes=tuple(map(str, classes))' * some}"
        raise TypeError(f"{data}: classes must be a tuple of at least one str, got {got}")
    if twice := sorted({name for name in classes if classes.count(name) > 1}):
        raise ValueError(f"{data}: classes must have different names, got {twice} more than once")


@settled
def digits():
    """1,797 real handwritten digits, 8x8 pixels: a `Dataset`, 1,400 to train and 397 to test.

    17 grey levels. Inside the package (48 kB), equal to scikit-learn's `load_digits`. One fixed
    shuffled split: the same 13 people write in both parts. Licence: CC BY 4.0; here re-encoded as
    bytes. Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998, doi:10.24432/C50P49 (its test part); C. Kaynak, MSc thesis, Bogazici
    University, 1995. Errors: ValueError if damaged.
    """
    path = Path(__file__).with_name("digits.npz")
    file = np.load(BytesIO(intact(path, SHA256[path.name], "Install the package again.")))
    order = file["order"]  # stored, so that the split never depends on a random generator
    images = file["images"][order].astype(np.float32)
    x = torch.from_numpy(images).div_(16).unsqueeze(1)  # (1797, 1, 8, 8)
    y = torch.from_numpy(file["labels"][order].astype(np.int64))
    return Dataset("digits", (x[:1400], y[:1400]), (x[1400:], y[1400:]), DIGITS)


def mnist(train=60_000, test=10_000):
    """MNIST, handwritten digits, 28x28 pixels: a `Dataset` of the first `train` and `test` images.

    Read from `$EDGECL_DATA/mnist`, else from the cache (`$EDGECL_CACHE`, or the usual place of the
    operating system), else downloaded once (11.6 MB). All 70,000 images take 220 MB of memory.
    Licence: none is known from the original page; Keras names CC BY-SA 3.0, copyright Y. LeCun and
    C. Cortes. Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied
    to document recognition", Proc. IEEE 86(11), 2278-2324, 1998. Errors: ValueError for a damaged
    file, OSError if no mirror delivers.
    """
    return _load("mnist", train, test, DIGITS)


def fashion_mnist(train=60_000, test=10_000):
    """Fashion-MNIST, ten kinds of clothes, 28x28 pixels: else as `mnist`.

    30.9 MB, folder `fashion_mnist`. Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel
    Image Dataset for Benchmarking Machine Learning Algorithms", arXiv:1708.07747, 2017. Licence:
    MIT, copyright (c) 2017 Zalando SE.
    """
    return _load("fashion_mnist", train, test, tuple(GARMENTS.split(", ")))


def parse_idx(raw, axes):
    """The uint8 array with `axes` axes in the bytes of an IDX file, the format of MNIST.

    They are 0, 0, 8, the number of axes; the lengths, big-endian; the values. Errors: ValueError
    for another magic number or another number of bytes.
    """
    if (magic := raw[:4]) != bytes((0, 0, 8, axes)):
        found = magic.hex(" ") or "nothing"
        raise ValueError(f"expected IDX magic 00 00 08 {axes:02x}, found {found}")
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(raw[i : i + 4], "big") for i in range(4, start, 4))
    size = start + math.prod(shape)
    if len(raw) != size:
        raise ValueError(f"expected {size:,} bytes of IDX for shape {shape}, found {len(raw):,}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


@settled
def _load(name, train, test, classes):
    for part, count, most in (("train", train, 60_000), ("test", test, 10_000)):
        if isinstance(count, bool) or not (isinstance(count, Integral) and 1 <= count <= most):
            raise ValueError(f"{part} must be a whole number of images in 1..{most}, got {count!r}")
    pairs = []
    for part, count in (("train", train), ("t10k", test)):
        images = parse_idx(_unpacked(f"{name}/{part}-images-idx3-ubyte.gz"), 3)[:count]
        labels = parse_idx(_unpacked(f"{name}/{part}-labels-idx1-ubyte.gz"), 1)[:count]
        x = torch.from_numpy(images.astype(np.float32)).div_(255).unsqueeze(1)  # (n, 1, 28, 28)
        pairs.append((x, torch.from_numpy(labels.astype(np.int64))))
    return Dataset(name, *pairs, classes)


def _unpacked(file):
    """The bytes packed in "folder/name", of EDGECL_DATA or else of the cache or a mirror."""
    folder, name = file.split("/")
    if path := at_hand(folder, name):
        advice = "Replace it, or remove it to have it downloaded."
    else:
        mirrors = [url for of, url in MIRRORS if of == folder]
        names = [path.name for path in map(Path, SHA256) if path.parent.name == folder]
        path = fetched(folder, name, SHA256[file], mirrors, ", ".join(names))
        advice = "Try again."
    return gzip.decompress(intact(path, SHA256[file], advice))
