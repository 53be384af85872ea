"""har.py against a small archive in the original text layout, and against the real data where it is at hand.

The small one: three people, every recording cut out of one random signal, so that true windows overlap.
"""

import hashlib
import importlib
import os
import shutil
import zipfile
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from stored import FrozenFront, _reached
from test_data import Mirror, closed_port

from edgecl_lite import Finetune, LatentReplay, har, har_net, har_people, har_windows, split, train
from edgecl_lite.lanes import stack
from edgecl_lite.lessons.results import stored
from edgecl_lite.models import apply, initial

module = importlib.import_module("edgecl_lite.data.har")
real = pytest.mark.skipif(
    not os.path.exists(os.path.join(os.environ.get("EDGECL_DATA", ""), "uci_har", "uci_har_signals.npz")),
    reason="EDGECL_DATA holds no uci_har/uci_har_signals.npz, so UCI HAR itself was NOT tested",
)


def recorded(person, activity, windows, rng):
    """(windows, 9, 128) cut with half overlap out of one recording, and their labels as in the archive."""
    signal = rng.normal(size=(9, 64 * (windows + 1))) * module.SPAN / 8 + (activity - 3) * module.SPAN / 8
    signal = np.float32([[f"{v:.7e}" for v in row] for row in signal.clip(-module.SPAN, module.SPAN)])
    cut = np.stack([signal[:, 64 * i : 64 * i + 128] for i in range(windows)])
    return cut, np.full(windows, activity), np.full(windows, person)


@pytest.fixture(scope="module")
def small():
    """{part: (signals, labels 1 … 6, people)}: people 1 and 3 to train on, 2 to test, 4 recordings each."""
    rng, parts = np.random.default_rng(0), {}
    for part, people in (("train", (1, 3)), ("test", (2,))):
        pieces = [recorded(p, a, 2 + i % 2, rng) for p in people for a in range(1, 7) for i in range(4)]
        parts[part] = [np.concatenate(piece) for piece in zip(*pieces)]
    return parts


def write(folder, parts):
    """The archive's folder, with its number format: two blanks, seven places, exponents of three digits."""
    for part, (signals, *labels) in parts.items():
        (folder / part / "Inertial Signals").mkdir(parents=True)
        for c, name in enumerate(module.CHANNELS):
            rows = ["".join(f" {v:15.7e}" for v in row) for row in signals[:, c].tolist()]
            rows = "\n".join(rows).replace("e-0", "e-00").replace("e+0", "e+00") + "\n"
            (folder / part / "Inertial Signals" / f"{name}_{part}.txt").write_text(rows)
        for name, values in zip(("y", "subject"), labels):
            (folder / part / f"{name}_{part}.txt").write_text("".join(f"{v}\n" for v in values))
    return folder


def expect(parts, monkeypatch):
    """Make the module take these parts for the real ones."""
    y, person = (np.concatenate([part[i] for part in parts.values()]) for i in (1, 2))
    labels = np.stack([y - 1, person]).astype(np.uint8).tobytes()
    monkeypatch.setattr(module, "LABELS", hashlib.sha256(labels).hexdigest())
    monkeypatch.setattr(module, "ROWS", {part: len(values[1]) for part, values in parts.items()})


def zipped(folder, path):
    """Of the folder, as its original: an archive that holds it by its name."""
    return shutil.make_archive(str(path), "zip", folder.parent, folder.name)


@pytest.fixture
def own(small, tmp_path, monkeypatch):
    """$EDGECL_DATA/uci_har with the small archive, unpacked."""
    expect(small, monkeypatch)
    monkeypatch.setenv("EDGECL_DATA", str(tmp_path))
    write(tmp_path / "uci_har" / "UCI HAR Dataset", small)
    return tmp_path / "uci_har"


def nested(own):
    """Turn the folder into the archive as the repository's page gives it: a zip in a zip."""
    zipped(own / "UCI HAR Dataset", own / "UCI HAR Dataset")
    shutil.rmtree(own / "UCI HAR Dataset")
    with zipfile.ZipFile(own / module.ARCHIVE, "w") as outer:
        outer.write(own / "UCI HAR Dataset.zip", "UCI HAR Dataset.zip")
        outer.writestr("UCI HAR Dataset.names", "names")
    (own / "UCI HAR Dataset.zip").unlink()
    return own / module.ARCHIVE


# ---- layouts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["folder", "archive", "archive in an archive", "npz"])
def test_every_layout_gives_the_same_windows(layout, own, small):
    signals, y, person = (np.concatenate([part[i] for part in small.values()]) for i in range(3))
    if layout == "archive":
        zipped(own / "UCI HAR Dataset", own / "UCI HAR Dataset")
    elif layout == "archive in an archive":
        nested(own)
    elif layout == "npz":
        np.savez(own / "uci_har_signals.npz", X=signals, y=np.uint8(y - 1), subject=np.uint8(person))
    if layout != "folder":
        shutil.rmtree(own / "UCI HAR Dataset", ignore_errors=True)
    x, activity, who, recording = har_windows()
    assert torch.equal(x[:, :, 0], torch.from_numpy((signals / module.SPAN + 1) / 2))
    assert (activity.tolist(), who.tolist()) == ((y - 1).tolist(), person.tolist())
    assert recording.tolist() == [r for r in range(3 * 6 * 4) for _ in range(2 + r % 2)]
    assert {part.dtype for part in (activity, who, recording)} == {torch.int64}


def test_scale_by_hand():
    """Half is zero, one the end of the span: 1 g is 0.7 of total acceleration, -3 rad/s a quarter."""
    signal = np.zeros((9, 1), np.float32)
    signal[0], signal[4], signal[8] = 1.0, 1.5, -3.0
    assert ((signal / module.SPAN + 1) / 2)[:, 0].tolist() == pytest.approx(
        [0.7, 0.5, 0.5, 0.5, 1.0, 0.5, 0.5, 0.5, 0.25]
    )
    assert [name.rpartition("_")[0] for name in module.CHANNELS[::3]] == [
        "total_acc",
        "body_acc",
        "body_gyro",
    ]


# ---- splits ------------------------------------------------------------------------------------------------


def pieces(x):
    """Every half window, as bytes: what two overlapping windows have in common."""
    return {half.numpy().tobytes() for window in x for half in window[:, 0].split(64, 1)}


def test_split_by_person(own):
    x, y, person, _ = har_windows()
    data = har(test_people=(2,))
    assert data.name == "har"
    assert data.classes == module.ACTIVITIES
    for (part, labels), who in ((data.train, [1, 3]), (data.test, [2])):
        mask = torch.isin(person, torch.tensor(who))
        assert torch.equal(part, x[mask])
        assert torch.equal(labels, y[mask])
    assert not pieces(data.train[0]) & pieces(data.test[0])
    assert torch.equal(har([3], [1]).train[0], x[person == 3])
    assert split(data).names[0] == "walking & walking upstairs"


def test_one_task_a_person_and_no_recording_on_both_sides(own):
    x, y, person, recording = har_windows()
    stream = har_people((3, 1))
    assert (stream.scenario, stream.outputs, stream.names) == ("domain", 6, ["person 3", "person 1"])
    for who, task in zip((3, 1), stream):
        assert len(task.train[1]) + len(task.test[1]) == (person == who).sum()
        assert not pieces(task.train[0]) & pieces(task.test[0])
        last = [recording[(person == who) & (y == c)].max() for c in range(6)]
        assert torch.equal(task.test[0], x[torch.isin(recording, torch.stack(last))])
    half = har_people((1,), test=0.5).tasks[0]
    assert half.train[1].bincount().tolist() == half.test[1].bincount().tolist() == [5] * 6


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: har(people=[1, 2]), ValueError, r"nobody may be in people and in test_people, got \[2\]"),
        (lambda: har(test_people=[31]), ValueError, "each of test_people must be .* <= 30, got 31"),
        (lambda: har(people=[]), ValueError, "people must be a list of at least one value"),
        (lambda: har(people=["1"]), TypeError, "each of people must be a whole number >= 1, got '1'"),
        (lambda: har_people(7), ValueError, "people must be a list"),
        (lambda: har_people(test=0), ValueError, "test must be a finite number > 0 and <= 0.75, got 0"),
    ],
)
def test_arguments_are_checked_before_any_file_is_touched(call, error, says, monkeypatch):
    monkeypatch.setattr(module, "har_windows", lambda: pytest.fail("read the data first"))
    with pytest.raises(error, match=says):
        call()


# ---- damage ------------------------------------------------------------------------------------------------

SIGNAL = "train/Inertial Signals/body_gyro_x_train.txt"


def lines(path, change):
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


def another_release(own):
    lines(own / "test/subject_test.txt", lambda rows: ["5\n", *rows[1:]])


DAMAGES = {
    "a file is missing": (lambda own: (own / SIGNAL).unlink(), "body_gyro_x_train.txt"),
    "rows are missing": (
        lambda own: lines(own / SIGNAL, lambda rows: rows[:-7]),
        rf"expected 120 rows of 128 in {SIGNAL}, found \(113, 128\)",
    ),
    "columns are missing": (
        lambda own: lines(own / SIGNAL, lambda rows: [row[:-33] + "\n" for row in rows]),
        r"rows of 128 in .*, found \(120, 126\)",
    ),
    "cut in a row": (lambda own: lines(own / SIGNAL, lambda rows: [*rows[:-1], rows[-1][:-99]]), "columns"),
    "not a number": (lambda own: lines(own / SIGNAL, lambda rows: ["x" + rows[0], *rows[1:]]), "convert"),
    "labels are missing": (
        lambda own: lines(own / "train/y_train.txt", lambda rows: rows[1:]),
        r"expected 120 rows of 1 in train/y_train.txt, found \(119, 1\)",
    ),
    "another release": (another_release, "expected labels and people of sha256 .*, found "),
    "another unit": (
        lambda own: lines(own / SIGNAL, lambda rows: ["9.8" + rows[0].lstrip()[3:], *rows[1:]]),
        r"expected readings within ±\[2.5 .* 6. \], found up to \[.* 9.8",
    ),
    "no number": (
        lambda own: lines(own / SIGNAL, lambda rows: [" nan " + rows[0].split(maxsplit=1)[1], *rows[1:]]),
        "expected readings within .* nan",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_and_nothing_is_used(damage, own):
    cause, says = DAMAGES[damage]
    cause(own / "UCI HAR Dataset")
    with pytest.raises(ValueError, match=says) as failure:
        har(test_people=(2,))
    text = str(failure.value)
    assert text.startswith(f"{own / 'UCI HAR Dataset'} is damaged or another version and was not used: ")
    assert text.endswith(
        "Replace it by the archive of https://archive.ics.uci.edu/dataset/240, or remove it."
    )


@pytest.mark.parametrize("change", ["cut", "one bit", "empty", "another archive"])
def test_damaged_archive(change, own):
    path = nested(own)
    raw = bytearray(path.read_bytes())
    if change == "cut":
        raw = raw[: len(raw) * 2 // 3]
    elif change == "one bit":
        raw[len(raw) // 2] ^= 1
    elif change == "empty":
        raw = b""
    path.write_bytes(raw)
    if change == "another archive":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("HAPT/RawData/acc_exp01_user01.txt", "0.9 0.1 0.1\n")
    with pytest.raises(ValueError, match="is damaged or another version and was not used"):
        har()


@pytest.mark.parametrize("change", ["cut", "rows", "another array", "garbage"])
def test_damaged_npz(change, own, small):
    signals, y, person = (np.concatenate([part[i] for part in small.values()]) for i in range(3))
    path = own / "uci_har_signals.npz"
    arrays = {"X": signals, "y": np.uint8(y - 1), "subject": np.uint8(person)}
    if change == "rows":
        arrays["X"] = signals[:-1]
    np.savez(path, **{("Z" if k == "X" and change == "another array" else k): v for k, v in arrays.items()})
    if change in ("cut", "garbage"):
        path.write_bytes(path.read_bytes()[:5000] if change == "cut" else b"garbage")
    with pytest.raises(ValueError, match="uci_har_signals.npz is damaged or another version"):
        har()


# ---- archives that are larger than they should be, or say nonsense -----------------------------------------

MEMBER = f"UCI HAR Dataset/{SIGNAL}"
LIMIT = 120 * (32 * 128 + 2)  # bytes, of a table of 120 rows in `small`


def rewritten(path, name, raw, compression=zipfile.ZIP_DEFLATED):
    """The archive with another content of one member; the others as they were."""
    with zipfile.ZipFile(path) as old:
        members = {each: old.read(each) for each in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for each, content in {**members, name: raw}.items():
            new.writestr(each, content, compression if each == name else None)


def patched(path, name, **fields):
    """Both headers of a member changed in place: flags, method, version, declared size."""
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        local = archive.getinfo(name).header_offset
    central = raw.rindex(name.encode(), raw.rindex(b"PK\1\2", 0, raw.rindex(name.encode())), None) - 46
    places = {"version": (6, 4, 2), "flags": (8, 6, 2), "method": (10, 8, 2), "size": (24, 22, 4)}
    for field, value in fields.items():
        in_central, in_local, length = places[field]
        for start in (central + in_central, local + in_local):
            raw[start : start + length] = value.to_bytes(length, "little")
    path.write_bytes(raw)


@pytest.fixture
def archive(own):
    path = zipped(own / "UCI HAR Dataset", own / "UCI HAR Dataset")
    shutil.rmtree(own / "UCI HAR Dataset")
    return own / os.path.basename(path)


@pytest.fixture
def unpacked(monkeypatch):
    """How many bytes all reads of zip members gave."""
    sizes = []

    def read(self, n=-1, original=zipfile.ZipExtFile.read):
        raw = original(self, n)
        sizes.append(len(raw))
        return raw

    monkeypatch.setattr(zipfile.ZipExtFile, "read", read)
    return sizes


def test_an_archive_that_unpacks_to_far_more(archive, unpacked):
    rewritten(archive, MEMBER, b"0" * (20 * LIMIT))
    with pytest.raises(
        ValueError, match=rf"expected at most {LIMIT:,} bytes in .*_train.txt, found {20 * LIMIT:,}"
    ):
        har()
    assert max(unpacked) <= LIMIT, "refused before it was unpacked"


def test_a_header_that_lies_about_the_size(archive, unpacked):
    rewritten(archive, MEMBER, b"0" * (20 * LIMIT))
    patched(archive, MEMBER, size=LIMIT)
    with pytest.raises(ValueError, match="is damaged or another version and was not used"):
        har()
    assert max(unpacked) <= LIMIT


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_cannot_be_unpacked_in_parts(compression, archive, unpacked):
    rewritten(archive, MEMBER, b"0" * (20 * LIMIT), compression)
    patched(archive, MEMBER, size=LIMIT)
    with pytest.raises(ValueError, match=rf"{MEMBER} stored or deflated, found compression {compression}"):
        har()
    assert max(unpacked, default=0) <= LIMIT


def test_an_archive_in_an_archive_that_is_too_large(own, unpacked, monkeypatch):
    path = nested(own)
    monkeypatch.setattr(module, "INNER", 10_000)
    with pytest.raises(ValueError, match=r"expected at most 10,000 bytes in UCI HAR Dataset\.zip, found "):
        har()
    assert not unpacked and path.exists()


def test_a_folder_with_a_file_that_is_too_large(own):
    with (own / "UCI HAR Dataset" / SIGNAL).open("wb") as file:
        file.truncate(2**40)  # a hole: takes no room, and would take all memory
    with pytest.raises(
        ValueError, match=rf"at most {LIMIT:,} bytes in body_gyro_x_train.txt, found {2**40:,}"
    ):
        har()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"flags": 1}, "expected no password on .*, found it encrypted"),
        ({"flags": 1 | 64}, "expected no password"),
        ({"flags": 64}, "strong encryption"),
        ({"flags": 32}, "compressed patched data"),
        ({"method": 99}, "stored or deflated, found compression 99"),
        ({"method": 6}, "stored or deflated, found compression 6"),
        ({"version": 255}, "zip file version 25.5"),
    ],
)
def test_headers_that_ask_for_what_there_is_not(fields, says, archive):
    patched(archive, MEMBER, **fields)
    with pytest.raises(ValueError, match=f"is damaged or another version and was not used: .*{says}"):
        har()


def test_any_byte_of_the_headers_may_be_wrong(archive):
    """Every failure is the one clear ValueError; what is not noticed gives the same windows."""
    raw, want, told = archive.read_bytes(), [part.tolist() for part in har_windows()], 0
    central = raw.index(b"PK\1\2")
    rng = np.random.default_rng(0)
    places = [*rng.integers(0, 60, 6), *rng.integers(central, len(raw), 24)]
    for place in places:
        damaged = bytearray(raw)
        damaged[place] ^= int(rng.integers(1, 256))
        archive.write_bytes(damaged)
        try:
            assert [part.tolist() for part in har_windows()] == want
        except ValueError as error:
            assert "is damaged or another version and was not used" in str(error)
            told += 1
    assert told > 5


def npz(own, small, **changes):
    signals, y, person = (np.concatenate([part[i] for part in small.values()]) for i in range(3))
    arrays = {"X": signals, "y": np.uint8(y - 1), "subject": np.uint8(person), **changes}
    np.savez_compressed(own / "uci_har_signals.npz", **arrays)
    return own / "uci_har_signals.npz"


def test_an_npz_that_unpacks_to_far_more(own, small, unpacked):
    most = 8 * 180 * 9 * 128 + 4096
    npz(own, small, X=np.zeros((180, 9, 128 * 30), np.float32))
    with pytest.raises(ValueError, match=rf"expected at most {most:,} bytes in X.npy, found "):
        har()
    assert max(unpacked, default=0) <= most


@pytest.mark.parametrize(
    "shape", ["(1000000000000,)", "(180, 9, 99999999999)", "(-1,)", "(True, 2)", "(180,"]
)
def test_an_npz_whose_header_lies(shape, own, small):
    path = npz(own, small)
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    rewritten(path, "X.npy", b"\x93NUMPY\x01\x00\x76\x00" + header.encode() + bytes(1000))
    with pytest.raises(
        ValueError, match="uci_har_signals.npz is damaged or another version and was not used"
    ):
        har()


@pytest.mark.parametrize("kind", ["U8", "c8", "M8[s]", "O", "S3"])
def test_an_npz_of_other_types(kind, own, small):
    for name in ("X", "y"):
        npz(own, small, **{name: np.zeros(3, kind)})
        with pytest.raises(
            ValueError, match="is damaged or another version and was not used: .*(Object|numbers)"
        ):
            har()


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_an_npz_of_other_floats_is_the_same(kind, own, small):
    shutil.rmtree(own / "UCI HAR Dataset")
    signals = np.concatenate([part[0] for part in small.values()])
    npz(own, small, X=signals.astype(kind))
    x = har_windows()[0]
    assert x.dtype == torch.float32
    assert torch.equal(x[:, :, 0], torch.from_numpy((signals / module.SPAN + 1) / 2))


# ---- the reader's own settings of torch --------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["float64", "meta", "no gradients", "inference mode"])
def test_the_readers_own_settings_change_nothing(setting, own):
    def made():
        stream, data, windows = har_people((3, 1)), har(test_people=(2,)), har_windows()
        net = har_net(stream)
        tensors = [*windows, *data.train, *(part for task in stream for part in (*task.train, *task.test))]
        assert not any(part.is_inference() for part in (*tensors, *net.parameters()))
        assert all(p.device.type == "cpu" and p.dtype == torch.float32 for p in net.parameters())
        return [part.numpy().tobytes() for part in tensors]

    want = made()
    try:
        with ExitStack() as stack:
            if setting == "float64":
                torch.set_default_dtype(torch.float64)
            elif setting == "meta":
                stack.enter_context(torch.device("meta"))
            else:
                how = {"no gradients": torch.no_grad, "inference mode": torch.inference_mode}
                stack.enter_context(how[setting]())
            assert made() == want
    finally:
        torch.set_default_dtype(torch.float32)


# ---- download ----------------------------------------------------------------------------------------------


@pytest.fixture
def mirror(own, tmp_path, monkeypatch):
    """The archive at an address of this machine; an empty cache, no EDGECL_DATA."""
    raw = nested(own).read_bytes()
    server = Mirror({module.ARCHIVE: raw})
    monkeypatch.setattr(module, "ADDRESS", server.url)
    monkeypatch.setattr(module, "SHA256", hashlib.sha256(raw).hexdigest())
    monkeypatch.setenv("EDGECL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("EDGECL_DATA")
    yield server
    server.close()


def test_download_then_cache(mirror, tmp_path):
    assert len(har_windows()[1]) == len(har_windows()[1]) == 180
    assert mirror.asked == [module.ARCHIVE]
    assert [path.name for path in (tmp_path / "cache" / "uci_har").iterdir()] == [module.ARCHIVE]


@pytest.mark.parametrize("trouble", ["down", "missing", "wrong", "cut"])
def test_no_download(trouble, mirror, tmp_path, monkeypatch):
    if trouble == "down":
        monkeypatch.setattr(module, "ADDRESS", closed_port())
    elif trouble == "cut":
        mirror.cut = {module.ARCHIVE}
    else:
        mirror.files[module.ARCHIVE] = 404 if trouble == "missing" else b"an error page"
    with pytest.raises(OSError, match="; no lesson needs it. To use it, try again later or put ") as failure:
        har()
    says = str(failure.value)
    failed = f"uci_har/{module.ARCHIVE} could not be downloaded"
    assert says.startswith("No network: no mirror of uci_har answered" if trouble == "down" else failed)
    assert (
        f"put {module.ARCHIVE} from {module.PAGE} into $EDGECL_DATA/uci_har or {tmp_path / 'cache'}" in says
    )
    assert not [*(tmp_path / "cache").rglob("*.*")], "neither a wrong file nor a temporary one stays"


def test_damaged_cache(mirror, tmp_path, monkeypatch):
    har_windows()
    (tmp_path / "cache" / "uci_har" / module.ARCHIVE).write_bytes(b"garbage")
    har_windows()
    assert len(mirror.asked) == 2, "it is downloaded again"
    (tmp_path / "cache" / "uci_har" / module.ARCHIVE).write_bytes(b"garbage")
    monkeypatch.setattr(module, "ADDRESS", closed_port())
    with pytest.raises(ValueError, match="is damaged and was not used: .* in 7 bytes. No network: "):
        har_windows()


# ---- network -----------------------------------------------------------------------------------------------


def test_net_by_hand(own):
    """9·5·16 + 16·5·32 weights of convolutions; a bias and two of GroupNorm for each channel; a head."""
    stream = split(har(test_people=(2,)), per_task=3)
    net = har_net(stream)
    assert sum(p.numel() for p in net.parameters()) == 720 + 2560 + 3 * 48 + 32 * 6 + 6
    x = torch.rand(3, 5, 9, 1, 128)
    params = [initial(net, seed) for seed in range(3)]
    lanes = apply(net, {k: torch.stack([p[k] for p in params]) for k in params[0]}, x)
    assert lanes.shape == (3, 5, 6)
    for seed in range(3):
        assert torch.allclose(
            lanes[seed], torch.func.functional_call(net, params[seed], (x[seed],)), atol=1e-5
        )


def test_methods_take_it(own):
    stream = split(har(test_people=(2,)))
    net = har_net(stream, channels=(4, 8, 8))
    assert train(Finetune(net), stream, seeds=2, epochs=1, progress=False).curve.shape == (2, 4, 3)
    run = train(LatentReplay(net, 30, cut=len(net) - 1), stream, epochs=1, progress=False)
    assert run.state["memory.x"].shape == (1, 31, 8), "a latent has a byte for each of the last channels"
    for channels in ((), (0,), 16):
        with pytest.raises(ValueError, match="channels"):
            har_net(stream, channels)


# ---- the real data -----------------------------------------------------------------------------------------


@real
def test_real_data():
    data = har()
    assert repr(data) == "Dataset('har', train (7352, 9, 1, 128), test (2947, 9, 1, 128), 6 classes)"
    assert data.train[1].bincount().tolist() == [1226, 1073, 986, 1286, 1374, 1407]
    assert data.test[1].bincount().tolist() == [496, 471, 420, 491, 532, 537]
    x, y, person, recording = har_windows()
    with np.load(os.path.join(os.environ["EDGECL_DATA"], "uci_har", "uci_har_signals.npz")) as file:
        assert recording.tolist() == file["recording"].tolist()
        assert torch.equal(person, torch.tensor(file["subject"].astype(int)))
    g = (x[:, :3, 0].mean(2) * 2 - 1) * 2.5  # the mean acceleration of each window: gravity
    assert g.square().sum(1).sqrt().mean().item() == pytest.approx(1.023, abs=5e-4)
    per = torch.tensor(
        [[len(recording[(person == p) & (y == c)].unique()) for c in range(6)] for p in range(1, 31)]
    )
    assert per.min() >= 4, "every person has recordings of each activity for both sides of a split"
    for task in har_people():
        assert task.train[1].unique().tolist() == task.test[1].unique().tolist() == list(range(6))
        assert 0.15 < len(task.test[1]) / (len(task.train[1]) + len(task.test[1])) < 0.35
        assert not pieces(task.train[0]) & pieces(task.test[0])


@real
def test_real_windows_survive_the_original_text_layout(tmp_path, monkeypatch):
    """Some of the real windows, written as the archive writes them, come back bit for bit."""
    with np.load(os.path.join(os.environ["EDGECL_DATA"], "uci_har", "uci_har_signals.npz")) as file:
        X, y, person, test = (file[k] for k in ("X", "y", "subject", "is_test"))
    rows = {part: np.flatnonzero(test == flag)[:300:2] for part, flag in (("train", False), ("test", True))}
    parts = {part: (X[pick], y[pick] + 1, person[pick]) for part, pick in rows.items()}
    expect(parts, monkeypatch)
    write(tmp_path / "uci_har" / "UCI HAR Dataset", parts)
    monkeypatch.setenv("EDGECL_DATA", str(tmp_path))
    x, *labels, _ = har_windows()
    assert torch.equal(
        x[:, :, 0], torch.from_numpy((np.concatenate([p[0] for p in parts.values()]) / module.SPAN + 1) / 2)
    )
    assert [part.tolist() for part in labels] == [
        np.concatenate([p[1] - 1 for p in parts.values()]).tolist(),
        np.concatenate([p[2] for p in parts.values()]).tolist(),
    ]


# ---- the stored figure: accuracy over bytes ----------------------------------------------------------------


def test_the_front_stands_still(own):
    stream = split(har(test_people=(2,)))
    net = har_net(stream, channels=(4, 8))
    start = stack([initial(net, 0)])
    run = train(FrozenFront(net, 12, weights=start), stream, epochs=2, lr=1e-2, progress=False)
    moved = {name for name, p in run.params.items() if not torch.equal(p, start[name])}
    assert moved == {"8.weight", "8.bias"}


def test_where_raw_reaches_latents():
    latent = {"budgets": [1024, 2048], "mean": [0.6, 0.7]}
    raw = {"budgets": [4096, 8192, 16384], "mean": [None, 0.69, 0.7]}
    assert _reached(raw, latent) == {
        "latents' bytes": 2048, "accuracy": 0.7, "raw bytes": 16384, "ratio": 8.0, "between budgets": 16384,
    }  # fmt: skip
    half = _reached({**raw, "mean": [None, 0.65, 0.75]}, latent)["between budgets"]
    assert half == round(8192 * 2**0.5)
    assert _reached({**raw, "mean": [None, 0.8, 0.9]}, latent)["between budgets"] is None, (
        "the first that fits"
    )
    never = _reached({**raw, "mean": [None, 0.6, 0.5]}, latent)
    assert (never["raw bytes"], never["ratio"]) == (None, None)


def test_the_stored_figure_is_consistent():
    figure = stored("edge_budget")["har"]
    settings, methods = figure["settings"], figure["methods"]
    front, stream, test = (
        set(who) for who in (settings["front"]["people"], settings["people"], settings["test people"])
    )
    assert not (front & stream or front & test or stream & test), "three groups of people"
    assert front | stream | test == set(module.PEOPLE)
    assert set(settings["held out for lr"]) < stream
    sizes = settings["bytes"]
    assert (sizes["raw, 8 bits"], sizes["raw, float"]) == (1153, 4608)
    for name, each in methods.items():
        raw = name.startswith("raw")
        size, fixed = (1153, 0) if raw else (sizes["latent, 8 bits"], sizes["scale"])
        for row in zip(*(each[k] for k in ("budgets", "capacity", "bytes", "accuracy", "mean", "sd"))):
            budget, capacity, kept, accuracy, mean, sd = row
            if budget < fixed + 6 * size:
                assert row[1:] == (None,) * 5, "fewer than one sample a class do not fit"
                continue
            assert capacity == (budget - fixed) // size
            assert fixed + size * 6 <= kept <= budget
            assert (kept - fixed) % size == 0
            assert len(accuracy) == settings["seeds"] == 5
            assert (mean, sd) == pytest.approx((np.mean(accuracy), np.std(accuracy, ddof=1)), abs=2e-4)
    for pair, told in figure["reached"].items():
        raw, latent = pair.split(" against ")
        assert told == _reached(methods[raw], methods[latent])
    cheap = figure["cheap"]
    for each in cheap.values():
        assert len(each["accuracy"]) == 5
        assert each["mean"] == pytest.approx(np.mean(each["accuracy"]), abs=2e-4)
    width = sizes["latent, 8 bits"] - 1
    assert cheap["learn nothing"]["bytes"] == 0 and not any(cheap["learn nothing"]["new"])
    assert cheap["nearest mean, factory front"]["bytes"] == 6 * (4 * width + 4)
    assert cheap["streaming LDA, factory front"]["bytes"] == 6 * (4 * width + 4) + 4 * width**2
    assert len(settings["front"]["activities"]) == 4


def test_the_stored_league_is_consistent():
    figure = stored("edge_budget")["league"]
    draws = len(figure["settings"]["orders"]) * figure["settings"]["seeds"]
    for rule, rooms in figure["settings"]["rooms"].items():
        for each in figure["rules"][rule].values():
            if "bytes" in each:
                assert len(each["accuracy"]) == draws
                continue
            for room, capacity, scores, mean in zip(rooms, each["capacity"], each["accuracy"], each["mean"]):
                assert (capacity is None) == (scores is None) == (mean is None)
                if capacity:
                    assert capacity * each["a sample"] + each["once"] <= room and len(scores) == draws
                    assert mean == pytest.approx(np.mean(scores), abs=2e-4)
