"""The captures, by theme. Importing this package fills the table of scenarios, in the order of the README."""

from . import versions, handshakes, failures, fallbacks, segments, partial  # noqa: F401, I001
from . import mail, upgrades, mail_servers, more_upgrades, tunnels, desks, messages, terminals, refusals, silences, eap, datagrams, addresses, encapsulations, dialled, teredo, formats, links, built, office  # noqa: F401
