"""EAP: between a switch and its RADIUS server, and between a device and its switch (EAPOL)."""

import concurrent.futures

from ..ends import freeradius, hostapd
from ..lab import scenario
from .mail import upgraded
from .upgrades import IDLE, NONE, WORK
from .versions import both

MAC = "02:00:5e:10:aa:{:02x}"
LOCAL, FOREIGN = "radius.example", "desk.example"


def named(mac):
    """A switch's name for a device: its Calling-Station-Id (RFC 3580, section 3.21)."""
    return {"client_name": mac.upper().replace(":", "-")}


def clear(upgrade, work, service="radius"):
    return {"service": service, "upgrade": upgrade, "outcome": "cleartext", "carrier": None, "negotiated_version": None, **(WORK if work else IDLE), **NONE}


@scenario("radius-eap.pcap", "EAP in RADIUS at FreeRADIUS: EAP-TLS, PEAP and TTLS at TLS 1.0 to 1.3, in small fragments, resumed; too old a client, a certificate refused, MD5 alone, TLS refused with a Nak and by the server")
def radius_eap(lab):
    client, server = lab.pair()
    lab.truth.uses(*freeradius.names(), hostapd.names()[0])
    own = dict(zip(("cert", "key"), lab.ca.issue(FOREIGN)))
    stranger = lab.ca.__class__(lab.folder / "stranger", "Somebody Else")
    site = freeradius.site
    radius = lab.start(freeradius.server(server, lab.folder / "radius", lab.ca, *lab.ca.issue(LOCAL), site(1812), site(1645, first="peap", least="1.2"), site(1814, first="md5", tls=False),
                                         site(1815, first="peap", fragment=150), site(1816, first="ttls", cache="yes", most="1.2")))
    modern = hostapd.own_server(lab.folder / "other", lab.ca.pem, *lab.ca.issue(LOCAL), flags="[DISABLE-TLSv1.0][DISABLE-TLSv1.1]")
    other = lab.start(hostapd.radius_server(server, lab.folder / "other", 1817, modern))
    number = 0

    def ask(port, method, expect, *options, times=1, **more):
        nonlocal number
        number, seen, mac = number + 1, len(radius.lines), MAC.format(number + 1)
        said = freeradius.ask(client, lab.folder, server.ip, port, freeradius.network(method, **{"ca": lab.ca.pem, **more}), *options, mac=mac)
        log = freeradius.log(radius.lines[seen:])
        for turn in range(times):
            fields = expect(said, log, turn) if callable(expect) else expect
            lab.truth.add(client, server, port, {**fields, **named(mac)}, said.line, log.line, said.port, transport="udp")

    def done(version, retry=False):
        def expect(said, log, turn):
            fields = both(said, log).expect(**upgraded("radius"), client_max_version=version, service_source="content")
            if retry:
                said.resumed = freeradius.resumptions(said)[turn]
                fields["resumed"] = said.resumed
            return {**fields, **freeradius.certificate(said)}
        return expect

    failed = {"service": "radius", "upgrade": "hello-failed", "carrier": "tls", **IDLE, **NONE}
    with lab.record(filter="udp portrange 1812-1817 or udp port 1645 or (ip[6:2] & 0x1fff != 0)"):
        for version in ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"):
            ask(1812, "TLS", done(version), only=version, **own)
        # The server proposes EAP-TLS, and the client answers that it wants another: no refusal of TLS.
        for method, inner in (("PEAP", "MSCHAPV2"), ("TTLS", "PAP")):
            for version in ("TLS 1.0", "TLS 1.2", "TLS 1.3"):
                ask(1812, method, done(version), only=version, inner=inner)
        ask(1815, "PEAP", done("TLS 1.2"), only="TLS 1.2", inner="MSCHAPV2")
        ask(1815, "TLS", done("TLS 1.2"), only="TLS 1.2", fragment=200, **own)
        ask(1816, "TTLS", done("TLS 1.2", retry=True), "-r1", only="TLS 1.2", inner="PAP", times=2)
        # Both say in their logs that they send an alert, and send a Reject without one.
        too_old = {"outcome": "refused-by-server", "client_max_version": "TLS 1.0", "negotiated_version": None}
        ask(1645, "PEAP", {**failed, **too_old}, only="TLS 1.0", inner="MSCHAPV2")
        ask(1645, "TLS", {**failed, **too_old}, only="TLS 1.0", **own)
        seen = len(other.lines)
        said = freeradius.ask(client, lab.folder, server.ip, 1817, freeradius.network("PEAP", only="TLS 1.0", inner="MSCHAPV2", ca=lab.ca.pem), mac=MAC.format(64))
        lab.truth.add(client, server, 1817, {**failed, **too_old, **named(MAC.format(64))}, said.line, hostapd.log(other.lines[seen:]).line, said.port, transport="udp")
        ask(1645, "PEAP", {**failed, "negotiated_version": "TLS 1.2", "alerts": ["client fatal unknown_ca"]}, only="TLS 1.2", inner="MSCHAPV2", ca=stranger.pem)
        # Proposed EAP-TLS, the client wants MD5 alone; a server without TLS is asked for PEAP; neither speaks of TLS.
        ask(1812, "MD5", clear("offered-unused", True), "-n")
        ask(1814, "PEAP", clear("refused", False), inner="MSCHAPV2")
        ask(1814, "MD5", clear("not-offered", True), "-n")


@scenario("radius-lossy.pcap", "EAP in RADIUS over a network that loses, reorders and doubles packets, recorded at the server: requests and answers sent again; EAP-TLS and PEAP at TLS 1.0 to 1.3, in fragments")
def radius_lossy(lab):
    client, server = lab.pair()
    lab.truth.uses(*freeradius.names(), "this project's own lossy wire")
    own = dict(zip(("cert", "key"), lab.ca.issue(FOREIGN)))
    radius = lab.start(freeradius.server(server, lab.folder / "radius", lab.ca, *lab.ca.issue(LOCAL), freeradius.site(1812, fragment=400)))
    lab.bad_network(seed=7)
    with lab.record(where="server", device="eth0", filter="udp port 1812"):
        number = 0
        for method, version, more in (("TLS", "TLS 1.0", own), ("PEAP", "TLS 1.2", {"inner": "MSCHAPV2"}), ("TLS", "TLS 1.3", own), ("PEAP", "TLS 1.0", {"inner": "MSCHAPV2"})):
            for _ in range(6):
                number, seen = number + 1, len(radius.lines)
                mac = MAC.format(number)
                said = freeradius.ask(client, lab.folder, server.ip, 1812, freeradius.network(method, only=version, ca=lab.ca.pem, **more), mac=mac, seconds=22)
                if said.line.endswith("SUCCESS"):
                    break  # What the network spoilt is recorded too, and nobody can say how far it came.
            else:
                raise RuntimeError("the network was too bad")
            log = freeradius.log(radius.lines[seen:])
            fields = both(said, log).expect(**upgraded("radius"), client_max_version=version)
            lab.truth.add(client, server, 1812, {**fields, **named(mac)}, said.line, log.line, said.port, transport="udp")


FAILED = {"service": "eapol", "upgrade": "hello-failed", "carrier": "tls", **IDLE, **NONE}


class Wires:
    """A switch with devices on its ports, recorded on the wires between them."""

    def __init__(self, lab):
        network = lab.network()
        # The bridge that stands for the wires keeps 01:80:c2:00:00:03 from its other side unless told.
        network.switch("ip", "link", "set", "lan", "type", "bridge", "group_fwd_mask", 8)
        self.lab, self.network, self.switch = lab, network, network.host("closet", "10.20.0.1/24")
        self.devices = {name: network.host(name, address, mac=MAC.format(number)) for number, (name, address) in
                        enumerate((("desk", "10.20.0.10/24"), ("printer", "10.20.0.11/24")), 1)}
        for number in (2, 3):  # Each device has its own wire to the switch, and none to the other device.
            network.switch("ip", "link", "set", f"p{number}", "type", "bridge_slave", "isolated", "on")
        self.pki = (lab.ca.pem, *lab.ca.issue("switch.example"))
        self.own = dict(zip(("cert", "key"), lab.ca.issue(FOREIGN)))
        lab.truth.uses(*hostapd.names())

    def with_own_server(self, name, *methods, group=0, **more):
        folder = self.lab.folder / name
        return hostapd.switch(self.switch, folder, hostapd.own_server(folder, *self.pki, *methods, **more), group)

    def connect(self, there, method, expect, device="desk", **more):
        host, seen = self.devices[device], len(there.lines)
        said = hostapd.device(host, self.lab.folder, freeradius.network(method, **{"ca": self.lab.ca.pem, **more}))
        log = hostapd.log(there.lines[seen:])
        fields = expect(said) if callable(expect) else expect
        self.lab.truth.add(None, None, None, {**fields, **self.macs(host)}, said.line, log.line, transport=None)

    def macs(self, device):
        return {"client_mac": device.mac, "server_mac": self.switch.mac}


def let_in(version, service="eapol"):
    def expect(said):
        if not said.version:
            raise RuntimeError(f"no TLS: {said.line}")
        return {**said.expect(**upgraded(service), client_max_version=version), **freeradius.certificate(said)}
    return expect


@scenario("eapol.pcap", "EAPOL by wpa_supplicant at hostapd: EAP-TLS, PEAP and TTLS at TLS 1.0 to 1.3; too old a device, a certificate refused, MD5 alone, MD5 wanted and TLS proposed")
def eapol(lab):
    wires = Wires(lab)
    stranger = lab.ca.__class__(lab.folder / "stranger", "Somebody Else")
    with lab.record(filter="ether proto 0x888e"):
        with wires.with_own_server("may") as there:
            for method, more in (("TLS", wires.own), ("PEAP", {"inner": "MSCHAPV2"}), ("TTLS", {"inner": "PAP"})):
                for version in ("TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3") if method == "TLS" else ("TLS 1.0", "TLS 1.2", "TLS 1.3"):
                    wires.connect(there, method, let_in(version), only=version, device="printer" if version == "TLS 1.0" else "desk", **more)
            wires.connect(there, "PEAP", {**FAILED, "negotiated_version": "TLS 1.2", "alerts": ["client fatal unknown_ca"]}, only="TLS 1.2", inner="MSCHAPV2", ca=stranger.pem)
            # After a failure the switch is deaf to that device for a minute.
            wires.connect(there, "MD5", clear("offered-unused", True, "eapol"), device="printer")
        with wires.with_own_server("modern", flags="[DISABLE-TLSv1.0][DISABLE-TLSv1.1]") as there:
            # It says in its log that it sends an alert, and sends a Failure without one.
            too_old = {"outcome": "refused-by-server", "client_max_version": "TLS 1.0", "negotiated_version": None}
            wires.connect(there, "PEAP", {**FAILED, **too_old}, only="TLS 1.0", inner="MSCHAPV2", device="printer")
        with wires.with_own_server("md5", "MD5") as there:
            wires.connect(there, "MD5", clear("not-offered", True, "eapol"), device="printer")


@scenario("eapol-group.pcap", "EAPOL whose switch answers to the group's address instead of the device's: PEAP at TLS 1.0 and 1.2")
def eapol_group(lab):
    wires = Wires(lab)
    with lab.record(filter="ether proto 0x888e"), wires.with_own_server("group", group=1) as there:
        for version in ("TLS 1.0", "TLS 1.2"):
            wires.connect(there, "PEAP", let_in(version), only=version, inner="MSCHAPV2")


def two_devices(lab, legs, filter):
    """Two devices at once, and then one of them again, at a switch that asks FreeRADIUS; what was said on `legs`."""
    wires = Wires(lab)
    server = wires.network.host("server", "10.20.0.2/24")
    lab.truth.uses(freeradius.names()[0])
    radius = lab.start(freeradius.server(server, lab.folder / "radius", lab.ca, *lab.ca.issue(LOCAL), freeradius.site(1812, first="peap")))
    lab.start(hostapd.switch(wires.switch, lab.folder / "switch", hostapd.behind(wires.switch.ip, server.ip)))

    def ask(turns):
        """The devices, at once."""
        seen = len(radius.lines)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            started = [pool.submit(hostapd.device, wires.devices[name], lab.folder, freeradius.network(method, only=version, ca=lab.ca.pem, **more)) for name, method, version, more in turns]
            answers = [one.result() for one in started]
        at_first = [next(n for n, line in enumerate(radius.lines[seen:]) if named(wires.devices[name].mac)["client_name"] in line) for name, *_ in turns]
        for _, (name, _, version, _), said in sorted(zip(at_first, turns, answers), key=lambda one: one[0]):
            device = wires.devices[name]
            own = [line for line in radius.lines[seen:] if "Login OK" in line and named(device.mac)["client_name"] in line]
            log = freeradius.log(own).line
            for leg in legs:
                expect = let_in(version, leg)(said)
                if leg == "eapol":
                    lab.truth.add(None, None, None, {**expect, **wires.macs(device)}, said.line, log, transport=None)
                else:
                    lab.truth.add(wires.switch, server, 1812, {**expect, **named(device.mac)}, said.line, log, transport="udp")

    with lab.record(filter=filter):
        ask((("printer", "PEAP", "TLS 1.0", {"inner": "MSCHAPV2"}), ("desk", "TLS", "TLS 1.2", wires.own)))
        ask((("desk", "PEAP", "TLS 1.3", {"inner": "MSCHAPV2"}),))


@scenario("radius-switch.pcap", "A switch (hostapd) that asks FreeRADIUS for two devices at once through one socket, PEAP at TLS 1.0 and EAP-TLS at TLS 1.2, and then PEAP at TLS 1.3")
def radius_switch(lab):
    two_devices(lab, ("radius",), "udp port 1812 or (ip[6:2] & 0x1fff != 0)")


@scenario("eapol-radius.pcap", "A switch (hostapd) that asks FreeRADIUS, both legs of it: two devices at once, PEAP at TLS 1.0 and EAP-TLS at TLS 1.2, and then PEAP at TLS 1.3")
def eapol_radius(lab):
    two_devices(lab, ("eapol", "radius"), "ether proto 0x888e or udp port 1812 or (ip[6:2] & 0x1fff != 0)")
