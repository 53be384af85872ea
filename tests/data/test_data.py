"""data.py against oracles: scikit-learn's digits, published checksums of the real files, IDX bytes by hand.

Downloads come from a server on 127.0.0.1 that can be down, wrong or cut short; nothing leaves the machine.
"""

import gzip
import hashlib
import os
import re
import socket
import subprocess
import sys
import threading
from dataclasses import FrozenInstanceError, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from tqdm import tqdm

from edgecl_lite.data import images as data
from edgecl_lite.data.images import Dataset, digits, fashion_mnist, mnist, parse_idx

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def idx(array):
    """uint8 array -> IDX bytes, written from the format's description."""
    header = bytes((0, 0, 8, array.ndim)) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.astype(np.uint8).tobytes()


def small(**changes):
    """A correct Dataset of two images, three classes, with some fields changed."""
    x, y = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1), torch.tensor([0, 2])
    return Dataset(**{"name": "toy", "train": (x, y), "test": (x, y), "classes": ("a", "b", "c"), **changes})


# ---- digits ------------------------------------------------------------------------------------------------


def test_digits_equal_scikit_learn():
    oracle = pytest.importorskip(
        "sklearn.datasets", reason="the oracle for digits is scikit-learn"
    ).load_digits()
    with np.load(Path(data.__file__).with_name("digits.npz")) as file:
        images, labels, order = file["images"], file["labels"], file["order"]
    assert images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(images, oracle.images)
    np.testing.assert_array_equal(labels, oracle.target)
    np.testing.assert_array_equal(np.sort(order), np.arange(1797))
    x, y = (torch.cat(parts).numpy() for parts in zip(digits().train, digits().test, strict=True))
    np.testing.assert_array_equal(x[:, 0] * 16, oracle.images[order])
    np.testing.assert_array_equal(y, oracle.target[order])


def test_digits_shape_range_and_classes():
    images = digits()
    assert images.name == "digits"
    assert images.classes == tuple("0123456789")
    assert images.train[0].shape == (1400, 1, 8, 8)
    assert images.test[0].shape == (397, 1, 8, 8)
    for x, y in (images.train, images.test):
        assert x.dtype == torch.float32
        assert y.dtype == torch.int64
        assert len(x) == len(y)
        assert (x.min(), x.max()) == (0, 1)
        assert set(y.tolist()) == set(range(10))
    assert images.train[1].bincount().tolist() == [144, 141, 146, 140, 140, 142, 140, 133, 132, 142]
    assert images.train[1][:8].tolist() == [6, 5, 5, 7, 9, 9, 8, 4], (
        "every taught number depends on this split"
    )


def test_digits_are_fresh_each_time():
    digits().train[0].zero_()
    assert digits().train[0].max() == 1


def test_digits_file_is_checked(monkeypatch):
    monkeypatch.setitem(data.SHA256, "digits.npz", "0" * 64)
    with pytest.raises(
        ValueError, match=r"digits\.npz is damaged .* expected sha256 0{64}, found 23487d4a.* Install"
    ):
        digits()


def test_import_is_light():
    code = (
        "import sys, edgecl_lite.data as d; d.digits(); "
        "print(*{'pooch', 'requests', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# ---- Dataset -----------------------------------------------------------------------------------------------


def test_dataset_accepts_and_shows():
    good = small()
    assert repr(good) == "Dataset('toy', train (2, 1, 1, 1), test (2, 1, 1, 1), 3 classes)"
    with pytest.raises(FrozenInstanceError):
        good.name = "other"
    assert good == good
    assert good != small()


X, Y = torch.zeros(2, 1, 3, 4), torch.tensor([0, 1])
NAN, INF, NEGATIVE = X.clone(), X.clone(), X.clone()
NAN[0, 0, 1, 1:3] = float("nan")
INF[1, 0, 0, 0] = float("inf")
NEGATIVE[1, 0, 0, 0] = -0.5


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        (
            {"train": (X.numpy(), Y)},
            TypeError,
            r"toy, train: x must be a tensor of torch\.float32, got ndarray",
        ),
        ({"train": (X.double(), Y)}, TypeError, r"x must be a tensor of torch\.float32, got torch\.float64"),
        ({"test": (X.byte(), Y)}, TypeError, r"toy, test: x must be .* got torch\.uint8"),
        ({"train": (X, [0, 1])}, TypeError, r"y must be a tensor of torch\.int64, got list"),
        ({"train": (X, Y.float())}, TypeError, r"y must be a tensor of torch\.int64, got torch\.float32"),
        ({"train": (X[:, 0], Y)}, ValueError, r"\(n, channels, height, width\).* got \(2, 3, 4\) and \(2,\)"),
        ({"train": (X, Y[:, None])}, ValueError, r"got \(2, 1, 3, 4\) and \(2, 1\)"),
        ({"train": (X, Y[:1])}, ValueError, r"got \(2, 1, 3, 4\) and \(1,\)"),
        ({"train": (X[:0], Y[:0])}, ValueError, r"train: is empty, .* got \(0, 1, 3, 4\) and \(0,\)"),
        ({"train": (X[..., :0], Y)}, ValueError, r"train: is empty, .* got \(2, 1, 3, 0\)"),
        ({"test": (NAN, Y)}, ValueError, r"toy, test: 2 NaN pixels of 24"),
        ({"train": (INF, Y)}, ValueError, r"pixels must lie in 0\.\.1, got 0\.\.inf"),
        ({"train": (NEGATIVE, Y)}, ValueError, r"pixels must lie in 0\.\.1, got -0\.5\.\.0"),
        ({"train": (X + 255, Y)}, ValueError, r"got 255\.\.255; divide bytes by 255"),
        ({"train": (X, Y + 2)}, ValueError, r"labels must lie in 0\.\.2, .* got 2\.\.3"),
        ({"train": (X, Y - 1)}, ValueError, r"labels must lie in 0\.\.2, .* got -1\.\.0"),
        (
            {"train": (X, Y)},
            ValueError,
            r"train and test images differ in shape, got \(1, 3, 4\) and \(1, 1, 1\)",
        ),
        ({"train": [X, Y]}, TypeError, r"train must be a tuple \(x, y\), got list"),
        ({"test": (X, Y, Y)}, TypeError, r"test must be a tuple \(x, y\), got tuple"),
        ({"test": None}, TypeError, r"test must be a tuple \(x, y\), got NoneType"),
        ({"classes": ()}, TypeError, r"classes must be a tuple of at least one str, got \(\)"),
        ({"classes": ["a", "b", "c"]}, TypeError, r"got \['a', 'b', 'c'\]"),
        ({"classes": (0, 1, 2)}, TypeError, r"got \(0, 1, 2\)"),
        ({"classes": "abc"}, TypeError, r"got 'abc'"),
    ],
)
def test_dataset_says_what_is_wrong(changes, error, says):
    with pytest.raises(error, match=says):
        small(**changes)


def test_dataset_checks_its_copies():
    with pytest.raises(ValueError, match=r"digits, train: labels must lie in 0\.\.2"):
        replace(digits(), classes=("0", "1", "2"))


# ---- IDX files ---------------------------------------------------------------------------------------------

HAND = bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255))


def test_idx_by_hand():
    array = parse_idx(HAND, 3)
    assert array.dtype == np.uint8
    assert array.tolist() == [[[1, 2, 3]], [[4, 5, 255]]]
    assert parse_idx(bytes((0, 0, 8, 1, 0, 0, 0, 2, 7, 9)), 1).tolist() == [7, 9]
    assert parse_idx(bytes((0, 0, 8, 1, 0, 0, 1, 0)) + bytes(256), 1).shape == (256,)
    assert idx(array) == HAND


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "expected IDX magic 00 00 08 03, found nothing"),
        (HAND[:3], "found 00 00 08"),
        (bytes((0, 0, 8, 1, 0, 0, 0, 2, 7, 9)), "expected IDX magic 00 00 08 03, found 00 00 08 01"),
        (bytes((0, 0, 13)) + HAND[3:], "found 00 00 0d 03"),
        (b"<html>", "found 3c 68 74 6d"),
        (HAND[:4], "found 4"),
        (HAND[:10], "found 10"),
        (HAND[:-1], r"expected 22 bytes of IDX for shape \(2, 1, 3\), found 21"),
        (HAND + b"\0", "expected 22 bytes .* found 23"),
    ],
)
def test_idx_malformed(raw, says):
    with pytest.raises(ValueError, match=says):
        parse_idx(raw, 3)


# ---- the real files ----------------------------------------------------------------------------------------

REAL = {
    "mnist": {
        "load": mnist,
        "mean, std": (0.1307, 0.3081),
        "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        "md5": {
            "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
            "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
            "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
        },
    },
    "fashion_mnist": {
        "load": fashion_mnist,
        "mean, std": (0.2860, 0.3530),
        "train": [6000] * 10,
        "test": [1000] * 10,
        "md5": {
            "t10k-images-idx3-ubyte.gz": "8181f5470baa50b63fa0f6fddb340f0a",
            "t10k-labels-idx1-ubyte.gz": "15d484375f8d13e6eb1aabb0c3f46965",
            "train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "train-labels-idx1-ubyte.gz": "9018921c3c673c538a1fc5bad174d6f9",
        },
    },
}


@pytest.mark.skipif(
    not os.environ.get("EDGECL_DATA"),
    reason="EDGECL_DATA is not set, so the real MNIST and Fashion-MNIST files were NOT tested",
)
@pytest.mark.parametrize("name", REAL)
def test_real_files(name):
    real, folder = REAL[name], Path(os.environ["EDGECL_DATA"]).expanduser() / name
    for file, md5 in real["md5"].items():
        raw = (folder / file).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == data.SHA256[f"{name}/{file}"]
        assert hashlib.md5(gzip.decompress(raw)).hexdigest() == md5
    loaded = real["load"]()
    assert loaded.name == name
    for part, count in (("train", 60_000), ("test", 10_000)):
        x, y = getattr(loaded, part)
        assert x.shape == (count, 1, 28, 28)
        assert y.bincount().tolist() == real[part]
        assert (x.min(), x.max()) == (0, 1)
    mean, std = loaded.train[0].mean().item(), loaded.train[0].std().item()
    assert (mean, std) == pytest.approx(real["mean, std"], abs=5e-5)
    few = real["load"](train=100, test=50)
    assert torch.equal(few.train[0], loaded.train[0][:100])
    assert torch.equal(few.test[1], loaded.test[1][:50])


def test_the_table_of_files():
    assert set(data.SHA256) == {"digits.npz", "smartwatch.npz", "boards.csv"} | {
        f"{name}/{file}" for name in REAL for file in REAL[name]["md5"]
    }
    assert all(len(checksum) == 64 for checksum in data.SHA256.values())
    assert {folder for folder, _ in data.MIRRORS} == set(REAL)
    assert all(url.startswith("http") and url.endswith("/") for _, url in data.MIRRORS)


@pytest.mark.parametrize(
    "wrong", [0, -1, 60_001, 2.5, "all", None, True, False, np.bool_(True), np.float64(3)]
)
def test_counts_are_checked_before_any_file_is_touched(wrong):
    with pytest.raises(
        ValueError,
        match=rf"train must be a whole number of images in 1\.\.60000, got {re.escape(repr(wrong))}",
    ):
        mnist(train=wrong)
    with pytest.raises(ValueError, match=r"test must be a whole number of images in 1\.\.10000, got 0"):
        fashion_mnist(test=0)


# ---- download, cache, EDGECL_DATA --------------------------------------------------------------------------


class Mirror:
    """A web server on 127.0.0.1: `files` is what it answers (bytes or a status), `asked` the requests."""

    def __init__(self, files):
        self.files, self.asked, self.cut = dict(files), [], set()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.strip("/")
                mirror.asked.append(name)
                body = mirror.files.get(name, 404)
                if isinstance(body, int):
                    return self.send_error(body)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if name in mirror.cut else body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


@pytest.fixture(scope="module")
def good():
    """The four files of a very small MNIST."""
    images = {"train": np.arange(12).reshape(3, 2, 2) * 23, "t10k": np.full((1, 2, 2), 255)}
    labels = {"train": np.array([3, 1, 9]), "t10k": np.array([0])}
    files = {f"{part}-images-idx3-ubyte.gz": idx(array) for part, array in images.items()}
    files |= {f"{part}-labels-idx1-ubyte.gz": idx(array) for part, array in labels.items()}
    return {name: gzip.compress(raw, mtime=0) for name, raw in files.items()}


@pytest.fixture
def mirrors(good, tmp_path, monkeypatch):
    """Two mirrors with the good files, an empty cache, no EDGECL_DATA."""
    servers = Mirror(good), Mirror(good)
    sums = {f"mnist/{name}": hashlib.sha256(raw).hexdigest() for name, raw in good.items()}
    monkeypatch.setattr(data, "SHA256", sums)
    monkeypatch.setattr(data, "MIRRORS", tuple(("mnist", server.url) for server in servers))
    monkeypatch.setenv("EDGECL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("EDGECL_DATA", raising=False)
    yield servers
    for server in servers:
        server.close()


def assert_loads():
    loaded = mnist()
    assert loaded.train[0].shape == (3, 1, 2, 2)
    assert torch.equal(loaded.train[0].flatten(), torch.arange(12) * 23 / 255)
    assert loaded.train[1].tolist() == [3, 1, 9]
    assert loaded.test[0].flatten().tolist() == [1, 1, 1, 1]


def cached(tmp_path):
    return {path.name: path.read_bytes() for path in (tmp_path / "cache" / "mnist").glob("*")}


def test_download_then_cache(mirrors, good, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("pooch.downloaders.tqdm", partial(tqdm, disable=False))  # whatever TQDM_DISABLE says
    first, second = mirrors
    assert_loads()
    assert sorted(first.asked) == sorted(good)
    assert cached(tmp_path) == good
    assert capfd.readouterr().err.count("100%") == 4, "a progress bar for each file"
    assert_loads()
    assert mnist(train=2).train[1].tolist() == mnist(train=np.int64(2)).train[1].tolist() == [3, 1]
    assert len(first.asked) == 4, "a file in the cache asks no mirror"
    assert not second.asked


@pytest.mark.parametrize("trouble", ["down", "missing", "broken", "wrong", "cut short"])
def test_next_mirror_takes_over(trouble, mirrors, good, tmp_path, monkeypatch):
    first, second = mirrors
    if trouble == "down":
        monkeypatch.setattr(data, "MIRRORS", (("mnist", closed_port()), ("mnist", second.url)))
    elif trouble == "cut short":
        first.cut = set(good)
    else:
        answer = {"missing": 404, "broken": 503, "wrong": gzip.compress(b"an error page")}[trouble]
        first.files = dict.fromkeys(good, answer)
    assert_loads()
    assert sorted(second.asked) == sorted(good)
    assert cached(tmp_path) == good, "neither a wrong file nor a temporary one stays"


@pytest.mark.parametrize("trouble", ["wrong", "truncated", "cut short", "missing"])
def test_good_downloads_are_kept(trouble, mirrors, good, tmp_path):
    wrong = {"wrong": b"an error page", "truncated": good[LABELS][:-9], "missing": 404}
    for server in mirrors:
        server.files["t10k-images-idx3-ubyte.gz"] = wrong.get(trouble, good["t10k-images-idx3-ubyte.gz"])
        server.cut = {"t10k-images-idx3-ubyte.gz"} if trouble == "cut short" else set()
    with pytest.raises(OSError, match="could not be downloaded") as failure:
        mnist()
    says = str(failure.value)
    assert says.startswith("mnist/t10k-images-idx3-ubyte.gz could not be downloaded; no lesson needs it.")
    assert all(f"{server.url}t10k-images-idx3-ubyte.gz: " in says for server in mirrors)
    if trouble in ("wrong", "truncated"):
        assert f"expected {data.SHA256['mnist/t10k-images-idx3-ubyte.gz']}" in says
        assert f"got {hashlib.sha256(wrong[trouble]).hexdigest()}" in says
    assert cached(tmp_path) == {name: good[name] for name in (IMAGES, LABELS)}
    for server in mirrors:
        server.files, server.cut, server.asked = good, set(), []
    assert_loads()
    assert sorted(mirrors[0].asked) == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]


def test_no_network(mirrors, good, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "MIRRORS", (("mnist", closed_port()), ("mnist", closed_port())))
    with pytest.raises(OSError, match="No network") as failure:
        mnist()
    says = str(failure.value)
    assert says.startswith("No network: no mirror of mnist answered; no lesson needs it. To use it, ")
    assert str(tmp_path / "cache" / "mnist") in says
    assert "$EDGECL_DATA/mnist" in says
    assert all(name in says for name in good)
    assert "\n" not in says
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


def test_damaged_cache_is_replaced(mirrors, good, tmp_path):
    assert_loads()
    bad = tmp_path / "cache" / "mnist" / IMAGES
    bad.write_bytes(good[IMAGES][:-5])
    assert_loads()
    assert mirrors[0].asked.count(IMAGES) == 2
    assert cached(tmp_path) == good


def test_damaged_cache_without_network(mirrors, good, tmp_path, monkeypatch):
    assert_loads()
    bad = tmp_path / "cache" / "mnist" / IMAGES
    bad.write_bytes(b"garbage")
    monkeypatch.setattr(data, "MIRRORS", (("mnist", closed_port()),))
    with pytest.raises(ValueError, match="is damaged and was not used") as failure:
        mnist()
    says = str(failure.value)
    assert str(bad) in says
    assert f"expected sha256 {data.SHA256[f'mnist/{IMAGES}']}" in says
    assert f"found {hashlib.sha256(b'garbage').hexdigest()} in 7 bytes" in says
    assert "No network: " in says


@pytest.fixture
def own(good, tmp_path, monkeypatch):
    """A folder of the user's with all four files, named by EDGECL_DATA."""
    folder = tmp_path / "own" / "mnist"
    folder.mkdir(parents=True)
    for name, raw in good.items():
        (folder / name).write_bytes(raw)
    return folder


def test_own_folder_comes_first(mirrors, own, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECL_DATA", str(own.parent))
    assert_loads()
    assert not mirrors[0].asked
    assert not (tmp_path / "cache").exists()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGECL_DATA", "own")
    assert_loads()


@pytest.mark.parametrize("damage", [b"", b"garbage", "truncated"])
def test_damaged_file_of_the_user_is_left_alone(damage, mirrors, own, good, monkeypatch):
    monkeypatch.setenv("EDGECL_DATA", str(own.parent))
    raw = good[LABELS][:-1] if damage == "truncated" else damage
    (own / LABELS).write_bytes(raw)
    with pytest.raises(ValueError, match="is damaged and was not used") as failure:
        mnist()
    says = str(failure.value)
    assert str(own / LABELS) in says
    assert f"expected sha256 {data.SHA256[f'mnist/{LABELS}']}" in says
    assert f"found {hashlib.sha256(raw).hexdigest()}" in says
    assert "Replace it, or remove it" in says
    assert (own / LABELS).read_bytes() == raw
    assert not mirrors[0].asked


def test_own_folder_lacks_a_file(mirrors, own, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECL_DATA", str(own.parent))
    (own / LABELS).unlink()
    assert_loads()
    assert mirrors[0].asked == [LABELS]
    assert set(cached(tmp_path)) == {LABELS}
    assert not (own / LABELS).exists(), "the user's folder is only read"


def test_own_folder_missing_and_no_network(mirrors, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECL_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr(data, "MIRRORS", (("mnist", closed_port()),))
    with pytest.raises(OSError, match="No network: ") as failure:
        mnist()
    says = str(failure.value)
    assert (
        f"{tmp_path / 'nowhere' / 'mnist'} or {tmp_path / 'cache' / 'mnist'}, neither has an intact {IMAGES}"
        in says
    )
