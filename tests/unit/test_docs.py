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
