"""FreeRADIUS, whose debugging output tells of each EAP conversation, and wpa_supplicant's eapol_test as switch and device in one."""

import functools
import re
import subprocess

from ..process import Background, run
from ..said import Said, pick

SECRET = "secret-of-the-test"
IDENTITY = "desk@office.example"  # Goes over the wire in the clear, and must not come out of an auditor.

CONFIG = """
prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = {folder}
logdir = {folder}
run_dir = {folder}
max_request_time = 30
cleanup_delay = 20
log {{
  destination = stdout
  auth = yes
}}
security {{
  allow_vulnerable_openssl = yes
}}
client any {{
  ipaddr = 0.0.0.0/0
  secret = {secret}
  require_message_authenticator = yes
}}
modules {{
  pap {{
  }}
  mschap {{
  }}
  files {{
    usersfile = {folder}/authorize
  }}
  eap eap_inner {{
    default_eap_type = mschapv2
    mschapv2 {{
    }}
  }}
  {modules}
}}
server inner {{
  authorize {{
    files
    mschap
    eap_inner
    pap
  }}
  authenticate {{
    mschap
    pap
    eap_inner
  }}
}}
{servers}
"""

TLS_METHODS = """
    tls-config common {{
      certificate_file = {cert}
      private_key_file = {key}
      ca_file = {ca}
      cipher_list = "DEFAULT@SECLEVEL=0"
      tls_min_version = "{least}"
      tls_max_version = "{most}"
      fragment_size = {fragment}
      cache {{
        enable = {cache}
        lifetime = 1
      }}
    }}
    tls {{
      tls = common
    }}
    ttls {{
      tls = common
      virtual_server = inner
    }}
    peap {{
      tls = common
      virtual_server = inner
    }}
"""

MODULE = """
  eap eap_{port} {{
    default_eap_type = {first}
    timer_expire = 30
    md5 {{
    }}
    {methods}
  }}
"""

SERVER = """
server s{port} {{
  listen {{
    type = auth
    ipaddr = 0.0.0.0
    port = {port}
  }}
  authorize {{
    files
    eap_{port}
  }}
  authenticate {{
    eap_{port}
  }}
}}
"""


@functools.cache
def names():
    def version(package):
        return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdout=subprocess.PIPE, text=True, check=True).stdout

    return "FreeRADIUS " + version("freeradius").partition("+")[0], "eapol_test " + version("eapoltest").partition(":")[2].partition("-")[0]


def site(port, first="tls", tls=True, least="1.0", most="1.3", fragment=1024, cache="no"):
    """One UDP port: the EAP method that it proposes first, and whether it has those that carry TLS."""
    return dict(port=port, first=first, tls=tls, least=least, most=most, fragment=fragment, cache=cache)


def server(host, folder, authority, cert, key, *sites):
    folder.mkdir(parents=True)
    modules, servers = "", ""
    for one in sites:
        methods = TLS_METHODS.format(cert=cert, key=key, ca=authority.pem, **{k: one[k] for k in ("least", "most", "fragment", "cache")}) if one["tls"] else ""
        modules += MODULE.format(port=one["port"], first=one["first"], methods=methods)
        servers += SERVER.format(port=one["port"])
    (folder / "radiusd.conf").write_text(CONFIG.format(folder=folder, secret=SECRET, modules=modules, servers=servers))
    (folder / "authorize").write_text(f'{IDENTITY} Cleartext-Password := "{SECRET}"\n')
    (folder / "dictionary").write_text("")
    return Background(host.enter("freeradius", "-fxx", "-l", "stdout", "-d", folder), ready="Ready to process requests")


def network(method, *, only=None, ca=None, cert=None, key=None, inner=None, identity=IDENTITY, fragment=None):
    """wpa_supplicant's words for one network. `only`: the one version of TLS that is offered."""
    lines = ["key_mgmt=IEEE8021X", f"eap={method}", f'identity="{identity}"', f'password="{SECRET}"', "eapol_flags=0"]
    if only:
        number = only.removeprefix("TLS 1.")
        lines += ['phase1="' + " ".join(f"tls_disable_tlsv1_{n}={int(str(n) != number)}" for n in range(4)) + '"', 'openssl_ciphers="DEFAULT@SECLEVEL=0"']
    lines += [f'ca_cert="{ca}"'] if ca else []
    lines += [f'client_cert="{cert}"', f'private_key="{key}"'] if cert else []
    lines += [f'phase2="auth={inner}"'] if inner else []
    lines += [f"fragment_size={fragment}"] if fragment else []
    return "network={\n " + "\n ".join(lines) + "\n}\n"


def ask(client, folder, address, port, words, *options, mac="02:00:5e:10:aa:01", seconds=8):
    """One conversation (with `-r1` two) by eapol_test. Its port is told by the kernel's range of one."""
    config = folder / "network.conf"
    config.write_text("fast_reauth=1\n" + words)
    local = client.next_port()
    text = run(client.enter("eapol_test", "-c", config, "-a", address, "-p", port, "-s", SECRET, "-M", mac, "-t", seconds - 2, *options), seconds=seconds)
    return read(text, local)


def read(text, port=None):
    """What wpa_supplicant's EAP machine says of its last conversation."""
    line = pick(text, "Using TLS version", "proposed method", "remote certificate verification", "session resumed", "SSL3 alert: ", "CTRL-EVENT-EAP-SUCCESS", "CTRL-EVENT-EAP-FAILURE")
    end = text.strip().splitlines()[-1]  # eapol_test's own verdict.
    version = re.findall(r"SSL: Using TLS version (\S+)", text)
    said = Said(text=text, line=f"{line} | {end}" if end in ("SUCCESS", "FAILURE") else line, version=version[-1] if version else None, port=port)
    if version and version[-1] != "TLSv1.3":
        said.resumed = "SSL: Handshake finished - resumed=1" in text
    return said


def resumptions(said):
    """Whether each of its handshakes resumed a session, in their order."""
    return [done == "1" for done in re.findall(r"SSL: Handshake finished - resumed=(\d)", said.text)]


def certificate(said):
    """Mutual TLS, as the client's trace of its handshake tells it; TLS 1.3 and resumption hide it."""
    if said.version == "TLSv1.3" or said.resumed:
        return {"client_certificate": None}
    if "read server certificate request" not in said.text:
        return {"client_certificate": "not-requested"}
    return {"client_certificate": "sent" if "write certificate verify" in said.text else "requested"}


def log(lines):
    """What the server said of a conversation: the lines that decide, and the version and suite if it had TLS."""
    text = "\n".join(re.sub(r"^\(\d+\)\s*", "", re.sub(r"^\w+ \w+ +\d+ [\d:]+ \d+ : (?:\w+: )?", "", line)) for line in lines)
    found = [line.strip() for line in text.splitlines()
             if re.match(r"\s*TLS-Session-(Version|Cipher)|.*(Peer NAK|ERROR: |Alert|fatal|Login OK|Login incorrect)|Sent Access-(Accept|Reject)", line)]
    said = Said(text=text, line=" | ".join(dict.fromkeys(re.sub(r"^(Sent Access-\w+).*", r"\1", line) for line in found))[:600])
    version, cipher = re.findall(r'TLS-Session-Version = "([^"]+)"', text), re.findall(r'TLS-Session-Cipher-Suite = "([^"]+)"', text)
    said.version, said.cipher = version[-1] if version else None, cipher[-1] if cipher else None
    return said
