"""NAME.truth.json: what the endpoints said of each connection, in the order in which they were opened."""

import datetime
import json


class Truth:
    def __init__(self, capture, shows):
        self.capture, self.shows, self.made_with, self.connections = capture, shows, [], []

    def uses(self, *stacks):
        for stack in stacks:
            if stack and stack not in self.made_with:
                self.made_with.append(stack)

    def add(self, client, server, server_port, expect, client_said="", server_said="", client_port=None, transport="tcp", **more):
        """One connection. `client` and `server` are hosts or addresses."""
        self.connections.append({
            "transport": transport,
            "client_ip": getattr(client, "ip", client), "client_port": client_port,
            "server_ip": getattr(server, "ip", server), "server_port": server_port,
            **more,
            "client_said": client_said, "server_said": server_said, "expect": expect,
        })
        return self.connections[-1]

    def write(self, folder):
        document = {
            "schema": 1, "capture": self.capture, "shows": self.shows, "made_with": self.made_with,
            "made": datetime.datetime.now(datetime.timezone.utc).date().isoformat(), "connections": self.connections,
        }
        stem = self.capture.split(".pcap")[0]
        path = folder / f"{stem}.truth.json"
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        return path
