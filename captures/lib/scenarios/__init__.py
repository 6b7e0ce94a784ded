"""The captures, by theme. Importing this package fills the table of scenarios."""

from . import versions  # noqa: F401
