"""The README is true: its commands exist, its table of lessons is that of the notebooks."""

import re
import sys
from pathlib import Path

import pytest

from course_utils import readme
from course_utils.__main__ import COMMANDS
from course_utils.environment import ROOT, CourseError
from course_utils.practice.course_map import lessons

TEXT = readme.README.read_text(encoding="utf-8")


def test_it_opens_with_the_two_commands() -> None:
    first_block = TEXT.split("```")[1]
    assert [line.split("#")[0].strip() for line in first_block.strip().splitlines()] == [
        "python3 course.py lab",
        "python3 course.py test",
    ]


def test_every_command_it_names_exists() -> None:
    named = set(re.findall(r"(?:course\.py|-m course_utils) (\w+)", TEXT))
    assert named
    assert named <= set(COMMANDS)


def test_its_lessons_are_those_of_the_notebooks() -> None:
    assert readme.renewed(TEXT, readme.lesson_table(lessons())) == TEXT, "run `python -m course_utils refresh all`"


def test_every_file_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_a_changed_table_is_written_and_an_equal_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n", encoding="utf-8")
    assert readme.update(path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "01_overfitting.ipynb" in text
    assert not readme.update(path)


def test_lost_marks_are_named(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="lost its marks"):
        readme.renewed("no marks", "table")


def test_the_python_versions_it_names_are_those_that_the_course_takes() -> None:
    named = re.search(r"You need Python ([\d., or]+) on", TEXT)
    assert named
    versions = re.findall(r"3\.\d+", named.group(1))
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in versions
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    low, high = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project).groups()  # type: ignore[union-attr]
    assert versions == [f"3.{minor}" for minor in range(int(low), int(high))]
