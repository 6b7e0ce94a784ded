"""The captures, by theme. Importing this package fills the table of scenarios."""

from . import addresses, failures, formats, handshakes, mail, office, partial, segments, versions  # noqa: F401
