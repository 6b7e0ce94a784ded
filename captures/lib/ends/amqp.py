"""AMQP: RabbitMQ, rabbitmq-c's amqp-publish, Qpid Proton, and the project's own server that knows the TLS header."""

import functools
import json
import subprocess
from pathlib import Path

from ..process import Background, run
from ..said import Said

PROGRAMS = Path("/usr/lib/rabbitmq/lib")
PYTHON = "/usr/bin/python3"  # Proton is built for the system's own.
CONFIG = """
loopback_users = none
listeners.tcp.default = 0.0.0.0:5672
listeners.ssl.default = 0.0.0.0:5671
ssl_options.cacertfile = {ca}
ssl_options.certfile = {cert}
ssl_options.keyfile = {key}
ssl_options.verify = verify_none
log.console = true
log.console.level = debug
log.file = false
amqp1_0.default_user = guest
"""


@functools.cache
def names():
    def version(package):
        return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdout=subprocess.PIPE, text=True, check=True).stdout.partition("-")[0]

    return "RabbitMQ " + version("rabbitmq-server"), "rabbitmq-c " + version("amqp-tools"), "Qpid Proton " + version("python3-qpid-proton")


def rabbitmq(host, folder, ca, cert, key):
    folder.mkdir(parents=True)
    (folder / "rabbitmq.conf").write_text(CONFIG.format(ca=ca, cert=cert, key=key))
    (folder / "plugins").write_text("[rabbitmq_amqp1_0].\n")
    env = {"HOME": str(folder), "RABBITMQ_NODENAME": "rabbit@localhost", "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"), "RABBITMQ_LOGS": "-", "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
           "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"), "RABBITMQ_PID_FILE": str(folder / "pid"), "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "flags")}
    return Background(host.enter(next(PROGRAMS.glob("rabbitmq_server-*/sbin/rabbitmq-server"))), env=env, ready="Time to start RabbitMQ")


def publish(client, *where):
    port = client.next_port()
    text = run(client.enter("amqp-publish", *where, "--routing-key", "scans", "--body", "a scanned page"))
    return Said(text=text, line=text.strip() or "amqp-publish: published", port=port)


def proton_server(tools, host, port):
    return Background(host.enter(PYTHON, tools.clients / "proton_ends.py", "server", f"{host.ip}:{port}"), ready="listening")


def proton(tools, client, address, port, *login):
    local = client.next_port()
    text = run(client.enter(PYTHON, tools.clients / "proton_ends.py", "client", f"{address}:{port}", *login), seconds=10)
    return Said(text=text, line=" | ".join(text.strip().splitlines()[-3:]), port=local)


def tls_server(tools, host, cert, key, port, least="TLSv1"):
    return Background(host.enter(tools.python, "-W", "ignore", tools.clients / "amqp_tls_server.py", host.ip, port, cert, key, least), ready="listening")


def read(line):
    entry = json.loads(line)
    return Said(text=line, line=line, version=entry.get("version"), cipher=entry.get("cipher"))
