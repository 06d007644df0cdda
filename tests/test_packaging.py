"""What an install brings along, and what the repository must never carry."""

import re
import shutil
import subprocess
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LISTS = sorted((ROOT / "requirements").glob("*.txt"))

# An index or a download address in the shapes that tools write. No host is named: every registry is meant.
REGISTRY_ADDRESS = re.compile(
    r"""(?<!-emit-)index[-_]url\b["']?\s*[=:\s]\s*["']?\w   # an option or a setting, with a value
      | \bfind[-_]links\b["']?\s*[=:\s]\s*["']?[\w/]
      | \b(?:https?|file)://[^\s"'<>)]*/simple\b                         # an index
      | \bhttps?://[^\s"'<>)]+\.(?:whl|tgz|tar\.gz)\b                    # a file on one
      | ^\s*"resolved"\s*:\s*"http                                       # npm's lock
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)


def direct() -> dict[str, Requirement]:
    """Our own runtime requirements that apply here, by canonical name."""
    return requirements_of(distribution("antiphon"))


def requirements_of(dist: Distribution, extras: frozenset[str] = frozenset()) -> dict[str, Requirement]:
    wanted = [Requirement(line) for line in dist.requires or []]
    return {
        canonicalize_name(r.name): r
        for r in wanted
        if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in (extras or {""}))
    }


def closure() -> dict[str, Distribution]:
    """Every distribution that a plain install brings, ours left out, by canonical name."""
    found: dict[str, Distribution] = {}
    waiting = list(direct().values())
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name not in found:
            found[name] = distribution(wanted.name)
            waiting += requirements_of(found[name], frozenset(wanted.extras)).values()
    return found


def size_bytes(dist: Distribution) -> int:
    return sum(path.stat().st_size for file in dist.files or [] if (path := Path(str(file.locate()))).is_file())


def pins(text: str) -> list[str]:
    """The logical lines of a requirements file, comments left out."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    return [line for line in joined.splitlines() if line.strip()]


def test_an_install_asks_for_at_most_twelve_packages_directly() -> None:
    assert len(direct()) <= 12


def test_all_that_an_install_brings_fits_in_60_megabytes() -> None:
    sizes = {name: size_bytes(dist) for name, dist in closure().items()}
    assert all(sizes.values()), sizes
    assert sum(sizes.values()) <= 60_000_000, sorted(sizes.items(), key=lambda entry: -entry[1])


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_with_a_hash(path: Path) -> None:
    lines = pins(path.read_text(encoding="utf-8"))
    assert lines
    loose = [line for line in lines if not re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)]
    assert loose == []


def test_the_lists_agree_on_every_version() -> None:
    by_list = {path.stem: set(re.findall(r"^[\w.-]+==[^\s\\]+", path.read_text(), re.MULTILINE)) for path in LISTS}
    assert by_list["run"] | by_list["build"] <= by_list["dev"]


def test_every_direct_dependency_is_in_the_lists() -> None:
    pinned = {line.partition("==")[0] for line in pins((ROOT / "requirements" / "run.txt").read_text())}
    assert set(direct()) <= pinned


def test_no_tracked_file_holds_the_address_of_a_registry() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("only a git checkout knows which files are tracked")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    found = {
        str(path.relative_to(ROOT)): hit.group()
        for path in paths
        if path.is_file() and (hit := REGISTRY_ADDRESS.search(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "--index|-url https://mirror.example/root",
        'index|-url = "https://mirror.example/root"',
        "UV_INDEX|_URL=x",
        'registry| = "https://mirror.example/|simple"',
        "https:|//mirror.example/ab/cd/name-1.0-py3-none-any.whl",
        '  "resolved"|: "https://mirror.example/name"',
    ],
)
def test_an_address_of_a_registry_is_recognised(text: str) -> None:
    # Each is written with a bar in its middle, or the test above would find it here.
    assert REGISTRY_ADDRESS.search(text.replace("|", ""))


def test_the_readme_says_what_each_direct_dependency_is_for() -> None:
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("README.md isn't written yet")
    lines = readme.read_text(encoding="utf-8").splitlines()
    unexplained = [
        name
        for name in direct()
        # a line that names it and says more than the name
        if not any(re.search(rf"\b{re.escape(name)}\b", line) and len(line.split()) > 3 for line in lines)
    ]
    assert unexplained == []
