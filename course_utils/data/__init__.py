"""Data sets of the course: real ones that installed packages carry, and made-up ones where the truth must be known."""

from course_utils.data.dataset import Dataset, Each, Pair, resplit, split

__all__ = ["Dataset", "Each", "Pair", "resplit", "split"]
