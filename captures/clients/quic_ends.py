"""A QUIC client and server on aioquic. Each connection prints one line of JSON.

client ADDRESS PORT NAME CA LOCAL_PORT VERSION [TICKET_FILE]      server ADDRESS PORT CERT KEY [retry]      (VERSION 1 or 2)
"""

import asyncio
import json
import pickle
import ssl
import sys
from pathlib import Path

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamDataReceived
from aioquic.quic.packet import QuicProtocolVersion

VERSIONS = {"1": QuicProtocolVersion.VERSION_1, "2": QuicProtocolVersion.VERSION_2}


def describe(protocol, event, port):
    quic = protocol._quic  # The library has no public name for version and suite.
    suite = quic.tls.key_schedule.cipher_suite.name
    print(json.dumps({"client_port": port, "quic_version": f"v{ {v: k for k, v in VERSIONS.items()}[quic._version] }", "suite": "TLS_" + suite,
                      "alpn": event.alpn_protocol, "resumed": event.session_resumed}), flush=True)


class Server(QuicConnectionProtocol):
    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            describe(self, event, self._quic._network_paths[0].addr[1])
        elif isinstance(event, StreamDataReceived) and event.end_stream:
            self._quic.send_stream_data(event.stream_id, b"hello\n", end_stream=True)
            self.transmit()


class Client(QuicConnectionProtocol):
    completed = None

    def quic_event_received(self, event):
        super().quic_event_received(event)
        if isinstance(event, HandshakeCompleted):
            self.completed = event
        elif isinstance(event, ConnectionTerminated) and event.error_code:
            print(json.dumps({"error": event.reason_phrase, "code": event.error_code}), flush=True)


async def client(address, port, name, ca, local_port, version, ticket_file=None):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["hq-interop"], server_name=name, original_version=VERSIONS[version],
                                      supported_versions=[VERSIONS[version]])
    configuration.load_verify_locations(ca)
    ticket_file = ticket_file and Path(ticket_file)
    if ticket_file and ticket_file.exists():
        configuration.session_ticket = pickle.loads(ticket_file.read_bytes())  # Written by this program a moment ago.

    def keep(ticket):
        if ticket_file:
            ticket_file.write_bytes(pickle.dumps(ticket))

    async with connect(address, int(port), configuration=configuration, create_protocol=Client, session_ticket_handler=keep,
                       local_port=int(local_port)) as protocol:
        reader, writer = await protocol.create_stream()
        writer.write(b"GET /\r\n")
        writer.write_eof()
        await reader.read()
        describe(protocol, protocol.completed, int(local_port))
        await asyncio.sleep(0.2)  # The ticket comes after the handshake.


async def server(address, port, cert, key, retry=None):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["hq-interop"], supported_versions=list(VERSIONS.values()))
    configuration.verify_mode = ssl.CERT_NONE
    configuration.load_cert_chain(cert, key)
    tickets = {}
    await serve(address, int(port), configuration=configuration, create_protocol=Server, retry=bool(retry),
                session_ticket_fetcher=lambda label: tickets.pop(label, None), session_ticket_handler=lambda ticket: tickets.update({ticket.ticket: ticket}))
    print("listening", flush=True)
    await asyncio.Future()


if __name__ == "__main__":
    asyncio.run({"client": client, "server": server}[sys.argv[1]](*sys.argv[2:]))
