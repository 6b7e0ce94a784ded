"""README.md: its table comes from the truth files, so that it says what is there."""

import json

INTRODUCTION = """# Captures

Recordings of real TLS stacks talking to each other, made by this project (licence: MIT OR Apache-2.0, as the rest of it).
All hosts are network namespaces on one machine; addresses are private or from the ranges for documentation, names end in `.example`.
Keys and certificates are made for each run and thrown away.

Beside each `NAME.pcap` is `NAME.truth.json`: what the clients and servers themselves printed or logged of each connection (`client_said`,
`server_said`), and which fields of a flow record follow from that or from the way the scenario is built (`expect`). Nothing in it was read from packets.
A field that `expect` leaves out is one that they did not tell of; `null` means that the record must hold null.
Connections stand in the order in which they were opened; where `client_port` is null, match those between the same endpoints in that order.
EAPOL has neither addresses nor ports, so `transport` and all four of them are null (records have 0 for the ports): there, match those whose `expect` names the same `client_mac`.

Debian has no server that speaks TDS: `tds.pcap` is made with a small one of this project's (`clients/tds_server.py`), which speaks PRELOGIN, wraps TLS
in its packets by Python's ssl, and refuses every login. Nor has it a broker that answers the TLS header of AMQP 1.0: those connections of `amqp.pcap` go to
`clients/amqp_tls_server.py`, which knows that header and SASL's, and no more. Debian's FreeRDP does not speak RDP over UDP: OpenSSL's ends speak through a tunnel
of IronRDP's implementation of it (`clients/rdpudp`). The lossy mode is in no capture: none of the two sends it.

Tunnels, simulated radios and lines that one dials are Linux's own, in Debian's kernel under QEMU (`lib/machine.py`): few other kernels have them all.
What no software at hand sends is built: recorded connections, each put into one more header by `lib/wrapping.py`. tshark has to find both hellos
of each of them, or the capture is not made (`built-tunnels.pcapng`, `built-links.pcapng`).

To remake them: `captures/make` (all), `captures/make NAME...` (some), `captures/make --list`. It needs root, Debian 12 and Rust, and installs the rest;
all of them take about half an hour.
Ports, times and keys differ from run to run, so a remade capture is a new one.

| file | connections | what it shows | made with |
|---|---|---|---|
"""


def write(captures, files):
    rows = []
    for file in files:
        path = captures / f"{file.split('.pcap')[0]}.truth.json"
        if path.exists():
            truth = json.loads(path.read_text())
            rows.append(f"| `{file}` | {len(truth['connections'])} | {truth['shows']} | {', '.join(truth['made_with'])} |\n")
    (captures / "README.md").write_text(INTRODUCTION + "".join(rows))
