"""hostapd as the switch that lets a device in over a wire, and wpa_supplicant as the device."""

import functools
import subprocess
import time

from ..process import Background
from ..said import Said, pick
from . import freeradius

CONFIG = """
interface=eth0
driver=wired
logger_stdout=-1
logger_stdout_level=0
ieee8021x=1
eap_reauth_period=0
use_pae_group_addr={group}
"""
OWN_SERVER = """
eap_server=1
eap_user_file={folder}/users
ca_cert={ca}
server_cert={cert}
private_key={key}
openssl_ciphers=DEFAULT@SECLEVEL=0
tls_flags={flags}
fragment_size=1000
"""
ELSEWHERE = """
own_ip_addr={own}
nas_identifier=switch.example
auth_server_addr={address}
auth_server_port={port}
auth_server_shared_secret={secret}
"""
RADIUS_SERVER = """
driver=none
radius_server_clients={folder}/clients
radius_server_auth_port={port}
"""


@functools.cache
def names():
    def version(package):
        text = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdout=subprocess.PIPE, text=True, check=True).stdout
        return text.partition(":")[2].partition("-")[0]

    return "hostapd " + version("hostapd"), "wpa_supplicant " + version("wpasupplicant")


def switch(host, folder, more, group=0):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hostapd.conf").write_text(CONFIG.format(group=group) + more)
    return Background(host.enter("hostapd", "-dd", folder / "hostapd.conf"), ready="AP-ENABLED")


def own_server(folder, ca, cert, key, methods="TLS,PEAP,TTLS,MD5", flags="[ENABLE-TLSv1.0][ENABLE-TLSv1.1][ENABLE-TLSv1.3]"):
    """The switch decides itself: the methods that it proposes, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = freeradius.SECRET
    inside = f'"{freeradius.IDENTITY}" MSCHAPV2,TTLS-PAP,TTLS-MSCHAPV2 "{secret}" [2]\n'  # [2]: within the tunnel.
    (folder / "users").write_text(f'"{freeradius.IDENTITY}" {methods} "{secret}"\n' + ("" if methods == "MD5" else inside))
    return OWN_SERVER.format(folder=folder, ca=ca, cert=cert, key=key, flags=flags)


def behind(own, address, port=1812):
    """The switch asks a RADIUS server."""
    return ELSEWHERE.format(own=own, address=address, port=port, secret=freeradius.SECRET)


def radius_server(host, folder, port, own):
    """hostapd as a RADIUS server alone; `own` is `own_server`'s."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clients").write_text(f"0.0.0.0/0 {freeradius.SECRET}\n")
    (folder / "hostapd.conf").write_text(RADIUS_SERVER.format(folder=folder, port=port) + own)
    return Background(host.enter("hostapd", "-dd", folder / "hostapd.conf"), ready="ENABLED")


def device(host, folder, words, seconds=10):
    """One device that wants to be let in, until it is told whether it is."""
    config = folder / f"{host.name}.conf"
    config.write_text("ap_scan=0\nfast_reauth=1\n" + words)
    with Background(host.enter("wpa_supplicant", "-dd", "-D", "wired", "-i", "eth0", "-c", config)) as supplicant:
        end = time.monotonic() + seconds
        while not any(what in supplicant.text for what in ("CTRL-EVENT-EAP-SUCCESS", "CTRL-EVENT-EAP-FAILURE")):
            if time.monotonic() > end:
                raise RuntimeError(f"{host.name} was neither let in nor kept out:\n{supplicant.text[-2000:]}")
            time.sleep(0.05)
        time.sleep(0.3)
        text = supplicant.text
    return freeradius.read(text)


def log(lines):
    """What hostapd's own EAP server said."""
    text = "\n".join(lines)
    found = freeradius.read(text)
    return Said(text=text, line=pick(text, "SSL: Using TLS version", "SSL: cipher", "authenticated - EAP type", "EAP-SUCCESS", "EAP-FAILURE", "SSL3 alert: ", "proposed method")[:500], version=found.version)
