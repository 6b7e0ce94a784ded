"""Both ends of AMQP 1.0 by Qpid Proton (Debian's python3-qpid-proton, so for the system's Python).

proton_ends.py server ADDRESS:PORT                  prints what becomes of each connection
proton_ends.py client ADDRESS:PORT [USER PASSWORD]  opens a connection, sends a message, prints what became of it
"""

import sys

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Server(MessagingHandler):
    def __init__(self, where):
        super().__init__()
        self.where = where

    def on_start(self, event):
        event.container.listen(self.where)
        print("listening", flush=True)

    def on_connection_opened(self, event):
        print(f"opened by {event.connection.remote_container}", flush=True)

    def on_message(self, event):
        print(f"message: {event.message.body}", flush=True)

    def on_transport_error(self, event):
        print(f"transport: {event.transport.condition.name}: {event.transport.condition.description}", flush=True)

    def on_transport_closed(self, event):
        print("closed", flush=True)


class Client(MessagingHandler):
    def __init__(self, where, user=None, password=None):
        super().__init__()
        self.where, self.user, self.password = where, user, password

    def on_start(self, event):
        login = {"user": self.user, "password": self.password, "allowed_mechs": "PLAIN", "allow_insecure_mechs": True} if self.user else {"allowed_mechs": "ANONYMOUS"}
        connection = event.container.connect(self.where, reconnect=False, **login)
        event.container.create_sender(connection, "scans")

    def on_sendable(self, event):
        event.sender.send(Message(body="a scanned page"))
        event.sender.close()

    def on_accepted(self, event):
        print("accepted", flush=True)
        event.connection.close()

    def on_released(self, event):
        print("released", flush=True)
        event.connection.close()

    on_rejected = on_released

    def on_connection_opened(self, event):
        print(f"opened at {event.connection.remote_container}", flush=True)

    def on_transport_error(self, event):
        print(f"transport: {event.transport.condition.name}: {event.transport.condition.description}", flush=True)

    def on_link_error(self, event):
        print(f"link: {event.link.remote_condition.name}", flush=True)
        event.connection.close()


if __name__ == "__main__":
    Container({"server": Server, "client": Client}[sys.argv[1]](*sys.argv[2:])).run()
