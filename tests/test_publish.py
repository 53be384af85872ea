"""`make publish`: one address everywhere it stands, all or nothing; and what runs on GitHub, checked here."""

import io
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import publish
import pytest
import yaml
from public_address import FORM, Address, Refused, parsed

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = [p for p in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) if p.stem != "config"]
ADDRESS = Address("tests-only", "on-edge", "1.2.3")


@pytest.fixture
def course(tmp_path):
    """A copy of the files that an address stands in."""
    for path in (*publish.PLACES, "edgecl_lite/__init__.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    return tmp_path


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def published(folder, repo):
    """All texts after `make publish REPO=repo`."""
    publish.write(folder, publish.changes(folder, repo))
    return {path: data.decode("utf-8") for path, data in tree(folder).items()}


# ---- the address


def test_addresses():
    """Against addresses written out by hand."""
    assert ADDRESS.repository == "https://github.com/tests-only/on-edge"
    assert ADDRESS.site == "https://tests-only.github.io/on-edge/"
    assert Address("Ada", "ada.github.io", "1").site == "https://ada.github.io/"
    assert ADDRESS.package == "edgecl_lite @ git+https://github.com/tests-only/on-edge@v1.2.3"
    colab = "https://colab.research.google.com/github/tests-only/on-edge/blob/v1.2.3/notebooks/03_ewc.ipynb"
    assert ADDRESS.colab("notebooks/03_ewc.ipynb") == colab
    binder = "https://mybinder.org/v2/gh/tests-only/on-edge/HEAD?urlpath=lab/tree/notebooks/03_ewc.ipynb"
    assert ADDRESS.binder("notebooks/03_ewc.ipynb") == binder


@pytest.mark.parametrize("repo", ["a/b", "ada/edgecl", "Ada-L/on.edge_2", "a" * 39 + "/" + "b" * 100])
def test_what_github_allows_is_taken(repo):
    assert f"{(to := parsed(repo, '1')).owner}/{to.name}" == repo


WRONG = {
    "": "got nothing",
    " ": "blank",
    "ada": "0 slashes",
    "ada/": "got 'ada/'",
    "/edgecl": "got '/edgecl'",
    "ada/edge cl": "blank",
    " ada/edgecl": "blank",
    "ada/edgecl\n": "blank",
    "ada/edgecl/": "2 slashes",
    "ada/edgecl/tree": "2 slashes",
    "https://github.com/ada/edgecl": "whole address",
    "github.com/ada/edgecl": "whole address",
    "git@github.com:ada/edgecl.git": "whole address",
    "ada/edgecl.git": "the ending .git",
    "ada/..": "got 'ada/..'",
    "-ada/edgecl": "got",
    "ada-/edgecl": "got",
    "a--b/edgecl": "got",
    "a_b/edgecl": "got",
    "ada/edge$cl": "got",
    'ada/"edgecl"': "got",
    "ädä/edgecl": "got",
    "a" * 40 + "/edgecl": "got",
    "ada/" + "b" * 101: "got",
}


@pytest.mark.parametrize("repo", WRONG, ids=range(len(WRONG)))
def test_what_github_does_not_allow_is_refused(repo):
    with pytest.raises(Refused, match=re.escape(FORM)) as refusal:
        parsed(repo, "1")
    assert WRONG[repo] in str(refusal.value) and "make publish REPO=" in str(refusal.value)


# ---- everywhere


def test_it_stands_everywhere(course):
    texts = published(course, "tests-only/on-edge")
    to = Address("tests-only", "on-edge", publish.version(course))
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert project["urls"]["Repository"] == to.repository
    citation = yaml.safe_load(texts["CITATION.cff"])
    assert (citation["repository-code"], citation["url"]) == (to.repository, to.site)
    links = yaml.safe_load(texts[".github/ISSUE_TEMPLATE/config.yml"])["contact_links"]
    assert [link["url"] for link in links] == [to.site]
    lessons = [path for path in texts if re.match(r"notebooks/\d", path)]
    for needed in (to.binder(publish.START), to.site, f"git clone {to.repository}", *map(to.colab, lessons)):
        assert f"{needed})" in texts["README.md"] or f"{needed} " in texts["README.md"], needed
    for path in lessons:
        cells = json.loads(texts[path])["cells"]
        title = "".join(cells[0]["source"])
        assert title.endswith(f"({to.colab(path)}) or on [Binder]({to.binder(path)}).")
        setup = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert f"""line = '%pip install -q "{to.package}"'""" in setup and publish.UNSET not in setup


BADGE = r"\[!\[[^]]*\]\(http\S+\)\]\((\S+)\)"


def test_a_badge_leads_to_the_address_or_is_not_there(course):
    """Whatever stands here now, published or not."""
    project = tomllib.loads((course / "pyproject.toml").read_text("utf-8"))["project"]
    readme = (course / "README.md").read_text("utf-8")
    here = project.get("urls", {}).get("Repository", "https://github.com/nobody").partition(".com")[2]
    assert all(here in badge for badge in re.findall(BADGE, readme))
    badges = re.findall(BADGE, published(course, "tests-only/on-edge")["README.md"])
    assert len(badges) == 3 and all("/tests-only/on-edge" in badge for badge in badges)


def test_the_same_again_changes_nothing(course):
    published(course, "tests-only/on-edge")
    assert publish.changes(course, "tests-only/on-edge") == {}


def test_a_second_address_replaces_the_first(course, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "course"
    shutil.copytree(course, other)
    published(course, "tests-only/on-edge")
    assert published(course, "grace/cl") == published(other, "grace/cl")


def test_a_new_version_is_followed(course):
    published(course, "tests-only/on-edge")
    core = course / "edgecl_lite/__init__.py"
    now = f'__version__ = "{publish.version(course)}"'
    core.write_text(core.read_text("utf-8").replace(now, '__version__ = "9.8.7"'), encoding="utf-8")
    texts = published(course, "tests-only/on-edge")
    assert "version: 9.8.7\n" in texts["CITATION.cff"]
    assert "on-edge@v9.8.7" in texts["notebooks/03_ewc.ipynb"] and "/blob/v9.8.7/" in texts["README.md"]


def test_a_notebook_keeps_all_the_rest(course):
    """Byte for byte: with the two cells as they were, it is what it was."""
    before, after = tree(course), published(course, "tests-only/on-edge")
    assert before["notebooks/glossary.ipynb"].decode("utf-8") == after["notebooks/glossary.ipynb"]
    for path in (path for path in after if re.match(r"notebooks/\d", path)):
        old, new = json.loads(before[path]), json.loads(after[path])
        changed = [i for i, cell in enumerate(old["cells"]) if cell != new["cells"][i]]
        assert [old["cells"][i]["cell_type"] for i in changed] == ["markdown", "code"]
        for i in changed:
            assert old["cells"][i] | {"source": 0} == new["cells"][i] | {"source": 0}
            new["cells"][i] = old["cells"][i]
        assert json.dumps(new, indent=1, ensure_ascii=False) + "\n" == before[path].decode("utf-8")


@pytest.mark.parametrize("path", ["README.md", "pyproject.toml", "notebooks/16_wrist.ipynb"])
def test_all_or_nothing(course, path):
    """A file without its place stops it before anything is written."""
    broken = (course / path).read_text("utf-8")
    for place in ("<!-- /address -->", "[project.urls]", "%pip install"):
        broken = broken.replace(place, "gone")
    (course / path).write_text(broken, encoding="utf-8")
    before = tree(course)
    with pytest.raises(Refused, match=f"{re.escape(path)}: expected .* nothing was written"):
        published(course, "tests-only/on-edge")
    assert tree(course) == before


def test_a_full_disk_leaves_nothing_half_written(course, monkeypatch):
    """The files are replaced only when all of them have been written beside."""
    before, new, written = tree(course), publish.changes(course, "tests-only/on-edge"), []

    def write_text(path, text, **options):
        if len(written) == 3:
            raise OSError("No space left on device")
        written.append(path.write_bytes(text.encode("utf-8")))

    monkeypatch.setattr(Path, "write_text", write_text)
    with pytest.raises(OSError, match="No space"):
        publish.write(course, new)
    assert tree(course) == before


def test_the_command_says_what_it_wants():
    """As make calls it: the address comes by the environment."""
    tool = [sys.executable, ROOT / "tests/tools/publish.py"]
    done = subprocess.run(tool, capture_output=True, text=True, check=False, env={"REPO": "ada", "PATH": ""})
    assert done.returncode != 0 and done.stderr.startswith(FORM) and "Traceback" not in done.stderr


# ---- what runs on GitHub


def test_workflows_pass_actionlint():
    lint = shutil.which("actionlint", path=Path(sys.executable).parent)
    assert lint, "actionlint is not installed: pip install -r tests/requirements.txt"
    done = subprocess.run([lint, "-no-color", *WORKFLOWS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


SCHEMAS = {
    "github-workflows": WORKFLOWS,
    "github-issue-forms": FORMS,
    "github-issue-config": [ROOT / ".github/ISSUE_TEMPLATE/config.yml"],
    "dependabot": [ROOT / ".github/dependabot.yml"],
}


def test_every_file_has_a_schema():
    assert sorted((ROOT / ".github").rglob("*.yml")) == sorted(sum(SCHEMAS.values(), []))


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schemas(kind):
    lint = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{kind}", *SCHEMAS[kind]]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_do_little(path):
    """Each reads the repository; a job that may write says what, and runs nothing of the repository."""
    text, flow = path.read_text("utf-8"), yaml.safe_load(path.read_text("utf-8"))
    assert flow["permissions"] == {"contents": "read"}
    assert "secrets." not in text and "pull_request_target" not in text
    for job in flow["jobs"].values():
        uses = [step["uses"] for step in job["steps"] if "uses" in step]
        assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in uses)
        assert job["timeout-minutes"] <= 120
        if "permissions" in job:
            assert not any("checkout" in action for action in uses)


def test_workflows_run_targets_of_the_makefile():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for path in WORKFLOWS:
        wanted = set(re.findall(r"run: make ([\w-]+)", path.read_text("utf-8")))
        assert wanted <= targets, f"{path.name} makes {wanted - targets}"


def test_the_systems_and_pythons_are_those_we_say():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text("utf-8"))["jobs"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert jobs["smoke"]["strategy"]["matrix"]["system"] == ["macos-latest", "windows-latest"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_forms_name_the_lessons_as_the_map_does(path):
    titles = re.findall(r"^\| \[([^|]*)\]\(notebooks", (ROOT / "README.md").read_text("utf-8"), re.M)
    form = yaml.safe_load(path.read_text("utf-8"))
    options = next(part for part in form["body"] if part.get("id") == "lesson")["attributes"]["options"]
    assert options[: len(titles)] == titles and "Glossary" in options


# ---- the moving picture


def test_the_moving_picture_is_small_calm_and_told():
    from PIL import Image

    path, readme = ROOT / "docs/lambda.gif", (ROOT / "README.md").read_text("utf-8")
    assert path.stat().st_size <= 1_000_000
    with Image.open(path) as picture:
        times = []
        for index in range(picture.n_frames):
            picture.seek(index)
            times.append(picture.info["duration"])
        assert picture.info["loop"] == 0 and picture.size[0] >= 700
    assert len(times) >= 10 and min(times) >= 500 and times[0] == times[-1] == max(times) >= 2000
    alternative = re.search(r'lambda\.gif"[^>]* alt="([^"]*)"', readme)[1]
    assert len(alternative) > 100 and "λ" in alternative
    assert 'media="(prefers-reduced-motion: reduce)" srcset="docs/lambda.png"' in readme


def test_the_picture_is_made_from_its_run_alone():
    """Twice the same bytes, one frame a value; its text says the numbers of the run."""
    import picture
    from PIL import Image

    import edgecl_lite as cl

    run = picture.trained([0, 30], seeds=2, every=1000, steps=5)
    made = lambda: picture.gif(picture.in_one_palette([picture.frame(run, i) for i in (0, 1)]), {0, 1})
    assert (once := made()) == made()
    assert Image.open(io.BytesIO(once)).n_frames == 2
    told = picture.alternative(run)
    for lam in (0, 30):
        mean = cl.metrics.average_accuracy(run.at(lam=lam).accuracy)
        assert f"{cl.plots.told(mean, 0)} at λ = {lam}" in told
