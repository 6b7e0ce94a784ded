"""Messages between programs: AMQP."""

import re

from ..ends import amqp, line_client, openssl
from ..lab import scenario
from .mail import PYTHON_VERSION, failed, in_clear, left, upgraded
from .upgrades import IDLE, NONE, SECRET, WORK
from .versions import both

TLS_HEADER = r">>AMQP\x02\x01\x00\x00"


@scenario("amqp.pcap", "AMQP: 0-9-1 and 1.0 in the clear at RabbitMQ and Proton, with and without a password; TLS asked for and refused; the TLS header of 1.0 at TLS 1.0 to 1.3; TLS from the first byte")
def messages(lab):
    client, server = lab.pair()
    lab.truth.uses(*amqp.names(), line_client.name(lab.tools), openssl.name(), "this project's own AMQP server on Python's ssl")
    cert = lab.ca.issue("queue.example")
    rabbit = lab.start(amqp.rabbitmq(server, lab.folder / "rabbitmq", lab.ca.pem, *cert))
    qpid = lab.start(amqp.proton_server(lab.tools, server, 5673))
    own = lab.start(amqp.tls_server(lab.tools, server, *cert, 5674))
    modern = lab.start(amqp.tls_server(lab.tools, server, *cert, 5675, "TLSv1_2"))

    def add(port, said, log_of, what, seen, expect):
        log = re.sub(r"^\d{4}-\S+ \S+ \[\w+\] <[\d.]+> ", "", log_of.wait_for(what, after=seen))
        opened = re.search(r"^opened by (\S+)", log)
        names = {"client_name": opened[1]} if opened else {}
        lab.truth.add(client, server, port, {**expect, **names}, said.line, log, said.port)

    def talk(port, log_of, what, expect, *steps):
        seen = len(log_of.lines)
        said = line_client.session(lab.tools, client, server.ip, port, *steps)
        said.line = said.line.split(" | ")[-1]  # The dialogue is no text.
        add(port, said, log_of, what, seen, expect)

    def clear(state, work, secret=NONE):
        return in_clear("amqp", state, **work, **secret)

    with lab.record():
        seen = len(rabbit.lines)
        add(5672, amqp.publish(client, "--url", f"amqp://guest:guest@{server.ip}"), rabbit, "authenticated", seen, {**clear("not-requested", WORK, SECRET), "server_name_banner": amqp.names()[0]})
        seen = len(rabbit.lines)
        add(5672, amqp.proton(lab.tools, client, server.ip, 5672, "guest", "guest"), rabbit, "accepting AMQP", seen, clear("not-requested", WORK, SECRET))
        seen = len(qpid.lines)
        add(5673, amqp.proton(lab.tools, client, server.ip, 5673), qpid, "opened by", seen, clear("not-requested", WORK))
        talk(5672, rabbit, "closing AMQP connection", clear("not-requested", IDLE), r">>AMQP\x00\x00\x09\x01", r"<\x0a\x00\x0a")
        # RabbitMQ answers with the header of a version that it can and closes; Proton never answers.
        talk(5672, rabbit, "unsupported_amqp1_0_protocol_id", clear("refused", IDLE), TLS_HEADER, "<AMQP", ".")
        talk(5673, qpid, "closed", clear("refused", IDLE), TLS_HEADER, ".")
        for version, name in PYTHON_VERSION.items():
            seen = len(own.lines)
            said = line_client.session(lab.tools, client, server.ip, 5674, TLS_HEADER, r"<AMQP\x02\x01\x00\x00", f"!{name}", r">>AMQP\x03\x01\x00\x00", r"<AMQP\x03")
            log = amqp.read(own.wait_for("{", after=seen))
            lab.truth.add(client, server, 5674, both(said, log).expect(**upgraded("amqp"), client_max_version=version), said.line, log.line, said.port)
        talk(5674, own, "{", left("amqp"), TLS_HEADER, r"<AMQP\x02\x01\x00\x00")
        talk(5675, modern, "{", {**failed("amqp"), "negotiated_version": None, "client_max_version": "TLS 1.0", "alerts": ["server fatal protocol_version"]},
             TLS_HEADER, r"<AMQP\x02\x01\x00\x00", "!TLSv1")
        said = openssl.connect(client, f"{server.ip}:5671", only="TLS 1.2")
        lab.truth.add(client, server, 5671, said.expect(upgrade=None, continued_in_clear=None, client_max_version="TLS 1.2"), said.line, client_port=said.port)
