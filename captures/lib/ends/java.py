"""Java's JSSE, with the algorithms that current runtimes switch off switched on again, as old runtimes have them."""

import functools
import json
import subprocess

from ..process import Background, run
from ..said import Said

SOURCE_NAME = "JavaEnds"
RELAXED = "jdk.tls.disabledAlgorithms=NULL\njdk.certpath.disabledAlgorithms=\njdk.tls.legacyAlgorithms=\n"


@functools.cache
def name():
    text = subprocess.run(["java", "-version"], stderr=subprocess.PIPE, text=True, check=True).stderr
    return "Java JSSE " + text.splitlines()[1].split("(build ")[-1].rstrip(")")


@functools.cache
def ready(cache, source, *jars):
    """Compiles the program once a run; gives the command's beginning."""
    folder = cache / "java"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "relaxed.security").write_text(RELAXED)
    classes = ":".join(map(str, (folder, *jars)))
    subprocess.run(["javac", "-cp", classes, "-d", str(folder), str(source)], check=True)
    return ["java", f"-Djava.security.properties={folder}/relaxed.security", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
            "-Djava.net.preferIPv4Stack=true", "-cp", classes, source.stem]


def connect(tools, client, target, protocols, suites="", sni="", smtp="", session=1):
    """`smtp`: the EHLO name of a session that goes on with STARTTLS. `session`: how many connections in one program (for resumption)."""
    port = client.next_port()
    if session > 1:
        client.use_ports(port, port + session)
    words = client.enter(*ready(tools.cache, tools.clients / f"{SOURCE_NAME}.java"), "client", target, f"protocols={protocols}",
                         f"suites={suites}", f"sni={sni}", f"smtp={smtp}", f"count={session}")
    text = run(words, seconds=30)
    all_said = [read(line) for line in text.splitlines() if line.startswith("{")]
    if not all_said:
        return Said(text=text, line=text.strip()[-300:], port=port)
    return all_said[0] if session == 1 else all_said


def server(tools, host, port, p12, protocols, suites=""):
    return Background(host.enter(*ready(tools.cache, tools.clients / f"{SOURCE_NAME}.java"), "server", port, p12, f"protocols={protocols}",
                                 f"suites={suites}"), ready="listening")


def read(line):
    entry = json.loads(line)
    return Said(text=line, line=line, version=entry.get("version"), cipher=entry.get("cipher"), port=entry.get("client_port"))
