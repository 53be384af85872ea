"""The closure of a reading path finds all that is called, and nothing else."""

import pytest
import reading
from reading import PATHS, Package, counted, path_of, recorded, table

FILES = {
    "learn.py": '''
        from .method import spare
        def steps(method, plan, moment):
            """The loop."""
            for batch in plan.batches():
                method.loss(batch)
    ''',
    "plan.py": """
        SIZE = 3
        class Plan:
            def batches(self):
                return range(self.many)
            @property
            def many(self):
                return SIZE
            def unused(self):
                return None
    """,
    "method.py": """
        from ._refuse import check
        def spare():
            return 0
        def helper(x):
            return x
        class Base:
            def loss(self, batch):
                return self.part(batch)
            def part(self, batch):
                return helper(batch)
            def end_task(self, batch):
                check(batch)
                return batch
    """,
    "_refuse.py": """
        def check(x):
            if x is None:
                raise ValueError
    """,
    "methods/own.py": """
        import torch
        from .. import method as module
        from ..method import Base
        class Own(Base):
            def loss(self, batch):
                # why
                return super().loss(batch) + torch.gather(batch) + module.helper(1)
            def gather(self):
                return None
    """,
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / name.replace("_refuse.py", "_refuse/__init__.py")
        path.parent.mkdir(exist_ok=True)
        lines = text.strip("\n").splitlines()
        path.write_text("\n".join(line[8:] for line in lines).rstrip() + "\n", encoding="utf-8")
    return Package(tmp_path)


def test_calls_are_followed_and_nothing_else(package):
    read, refusing = path_of(package, ["methods/own.py Own"])
    assert {(piece.owner, piece.name) for piece in read} == {
        ("", "steps"), ("Plan", "batches"), ("Plan", "many"), ("", "SIZE"),
        ("Own", "loss"), ("Base", "loss"), ("Base", "part"), ("Base", "end_task"), ("", "helper"),
    }  # fmt: skip
    assert [piece.name for piece in refusing] == ["check"]


def test_lines_and_tokens_are_those_of_the_code(package):
    read, _ = path_of(package, ["methods/own.py Own"])
    own = [piece for piece in read if piece.owner == "Own"]
    # def loss ( self , batch ) :   return super ( ) . loss ( batch ) + torch … + module . helper ( 1 )
    assert counted(package, own) == (1, 2, 8 + 9 + 7 + 7)
    assert counted(package, [piece for piece in read if piece.name == "steps"])[1] == 3


def test_no_path_has_become_longer_by_a_tenth():
    """The table in docs/reading.md is what the source says, give or take; `make sizes` writes it anew."""
    rows, known = table(), recorded()
    assert rows.keys() == known.keys() == PATHS.keys()
    for name, row in rows.items():
        for what, was in zip(("lines", "tokens"), known[name][1:], strict=True):
            assert was / 1.1 <= row[what] <= 1.1 * was, (
                f"{name}: {row[what]} {what}, docs/reading.md has {was}"
            )


def test_the_page_is_written_as_it_is_read(tmp_path, monkeypatch):
    rows = table()
    monkeypatch.setattr(reading, "PAGE", tmp_path / "page.md")
    reading.PAGE.write_text(reading.page(rows), encoding="utf-8")
    assert recorded() == {name: [row[k] for k in ("files", "lines", "tokens")] for name, row in rows.items()}
