"""What the documents name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
READ = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "deploy/**/*.md")
DOCUMENTS = sorted(path for pattern in READ for path in ROOT.glob(pattern))
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def test_decisions_are_numbered_without_gaps():
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))
    titles = [path.read_text("utf-8").splitlines()[0] for path in ADRS]
    assert [title.split()[1] for title in titles] == [f"{n}." for n in range(1, len(ADRS) + 1)]


def test_every_decision_is_in_the_index():
    index = (ROOT / "docs" / "adr" / "README.md").read_text("utf-8")
    assert re.findall(r"\((\d{4}-[^)]+)\)", index) == [path.name for path in ADRS]


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.stem)
def test_a_decision_has_context_decision_and_consequences(path):
    headings = [line for line in path.read_text("utf-8").splitlines() if line.startswith("## ")]
    wanted = ["## Context", "## Decision", "## Consequences"]
    assert [heading for heading in headings if heading in wanted] == wanted


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_documents_lead_somewhere(path):
    links = LINK.findall(path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_decisions_that_the_code_names_are_there():
    sources = [
        *ROOT.glob("services/**/*.py"),
        *ROOT.glob("ui/**/*.py"),
        *ROOT.glob("tests/**/*.py"),
    ]
    named = {
        name
        for path in sources
        for name in re.findall(r"docs/adr/[\w-]+\.md", path.read_text("utf-8"))
    }
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
