"""The pages: their links lead somewhere, their lines can be read, and ARCHITECTURE.md
stays a page that one reads at a sitting.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = {".venv", ".pytest_cache", "node_modules", "dist"}
WIDTH = 120

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(
    r"`((?:schemas|runtime|gateway|dispatcher|persistence|cabrank|web|deploy|benchmarks"
    r"|tests|docs)/[\w./-]*)[`:]"
)


def pages() -> list[str]:
    return sorted(
        str(page.relative_to(ROOT))
        for page in ROOT.rglob("*.md")
        if not SKIPPED & set(page.relative_to(ROOT).parts)
    )


def lines(page: str) -> Iterator[tuple[int, str, bool]]:
    """Number, text, and whether it is code; a fence counts as code."""
    code = False
    for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
        fence = line.lstrip().startswith("```")
        yield number, line, code or fence
        code ^= fence


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    found = set()
    for _, line, code in lines(str(page.relative_to(ROOT))):
        if line.startswith("#") and not code:
            title = re.sub(r"[*`]|\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("# "))
            found.add(re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-"))
    return found


def dead_links(page: str) -> Iterator[str]:
    for number, line, code in lines(page):
        for target in [] if code else LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            to = (ROOT / page).parent / path if path else ROOT / page
            there = to.exists() and to.resolve().is_relative_to(ROOT)
            if not there or (
                anchor and to.suffix == ".md" and anchor not in anchors(to.resolve())
            ):
                yield f"{page}:{number}: {target}"


@pytest.mark.parametrize("page", pages())
def test_every_link_within_the_repository_leads_somewhere(page: str) -> None:
    assert list(dead_links(page)) == []


def test_a_dead_link_is_found() -> None:
    assert "ring-and-all" not in anchors(ROOT / "ARCHITECTURE.md")
    assert "the-path-of-one-trip" in anchors(ROOT / "ARCHITECTURE.md")


@pytest.mark.parametrize("page", pages())
def test_prose_is_no_wider_than_120(page: str) -> None:
    wide = [
        f"{page}:{number}: {len(line)}"
        for number, line, code in lines(page)
        if len(line) > WIDTH
        and not code
        and not line.startswith(("|", "![", "#"))
        and " " in line.strip("- ")[:WIDTH]
    ]
    assert wide == []


def test_architecture_is_a_page_of_200_lines_of_120() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text().splitlines()
    assert len(text) <= 200
    assert [line for line in text if len(line) > WIDTH] == []


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_the_files_that_a_page_names_are_there(page: str) -> None:
    named = FILE.findall((ROOT / page).read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


CITED = re.compile(
    r"(?<![\w/.-])((?:schemas|runtime|gateway|dispatcher|persistence|cabrank|web|deploy"
    r"|benchmarks|tests|docs)/[\w./-]+\.(?:py|md|sh|mjs|js|yml|yaml))\b"
)
NOW_GONE = {"CHANGELOG.md", "tests/data"}
"""They tell of versions before."""


def test_every_file_that_code_and_pages_cite_is_there() -> None:
    files = [
        str(path.relative_to(ROOT))
        for kind in ("*.py", "*.md", "*.yml", "*.yaml", "*.mjs")
        for path in ROOT.rglob(kind)
        if not SKIPPED & set(path.parts)
    ]
    missing = [
        f"{file}: {cited}"
        for file in files
        if not any(file.startswith(gone) for gone in NOW_GONE)
        for cited in CITED.findall((ROOT / file).read_text())
        if not (ROOT / cited).exists()
    ]
    assert missing == []


PACKAGES = [
    "schemas",
    "runtime",
    "gateway",
    "dispatcher",
    "persistence",
    "cabrank",
    "web",
]
ENTRY = re.compile(r"^( *)([\w.-]+/) +(\S.*)$")


def mapped() -> set[str]:
    """The folders of ARCHITECTURE.md's map: a line each, those below it indented; small
    ones may be named in the line of the one they lie in.
    """
    text = (ROOT / "ARCHITECTURE.md").read_text()
    drawn = text.partition("## The map")[2].split("```")[1].strip("\n")
    found: set[str] = set()
    above: list[str] = []
    for line in drawn.splitlines():
        entry = ENTRY.match(line)
        assert entry is not None, line
        indent, name, said = entry.groups()
        above[len(indent) // 2 :] = [name]
        folder = "".join(above)
        found |= {
            folder,
            *(folder + below for below in re.findall(r"\b[a-z]+/(?!\w)", said)),
        }
    return found


def folders(top: str, depth_max: int = 9) -> set[str]:
    """Those that hold files, but what is made and hidden."""
    return {
        f"{path.parent.relative_to(ROOT)}/"
        for path in (ROOT / top).rglob("*")
        if path.is_file()
        and not any(part[0] in "._" for part in path.relative_to(ROOT).parts[:-1])
        and not SKIPPED & set(path.parts)
        and len(path.relative_to(ROOT).parts) <= depth_max + 1
    }


def test_the_map_has_every_folder_of_the_packages_and_no_other() -> None:
    there = {f for package in PACKAGES for f in folders(package)}
    drawn = {f for f in mapped() if f.partition("/")[0] in PACKAGES}
    assert drawn == there


def test_the_map_has_every_folder_of_the_repository() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    there = {
        f"{folder.name}/"
        for folder in ROOT.iterdir()
        if folder.is_dir()
        and folder.name[0] not in "._"
        and not {f"{folder.name}/", f"/{folder.name}/"} & set(ignored)
    }
    assert {f for f in mapped() if f.count("/") == 1} == there


def test_contributing_tells_of_every_folder_of_the_tests() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.partition("| `tests/…` |")[2].partition("\n\n")[0]
    names = [line.split("|")[1] for line in table.splitlines()[1:]]
    told = {f"tests/{name}" for name in re.findall(r"`(\w+/)`", "".join(names))}
    assert told == folders("tests", 2) - {"tests/"}


def decisions() -> list[Path]:
    folder = ROOT / "docs" / "decisions"
    return sorted(page for page in folder.glob("*.md") if page.name != "README.md")


@pytest.mark.parametrize("page", decisions(), ids=lambda page: page.stem)
def test_a_decision_says_what_why_the_figures_and_what_else(page: Path) -> None:
    text = page.read_text()
    for word in ("What", "Why", "Figures"):
        assert f"\n**{word}.** " in text
    assert "\n**Tried.** " in text or "\n**Weighed.** " in text


def test_the_lists_of_pages_have_them_all() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert [page.name for page in decisions() if f"({page.name})" not in index] == []
    index = (ROOT / "docs" / "README.md").read_text()
    pages = (ROOT / "docs").glob("*.md")
    names = {page.name for page in pages} - {"README.md"}
    assert [name for name in names if f"({name})" not in index] == []
