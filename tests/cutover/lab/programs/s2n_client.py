"""A client on s2n-tls, as PyPI's awscrt brings it: ADDRESS PORT NAME OPTIONS, a JSON object (`least`, `preference`). Prints the page if it came through."""

import json
import sys

from awscrt import exceptions, http, io


def main(address, port, name, options):
    options = json.loads(options)
    chosen = io.TlsContextOptions()
    chosen.verify_peer = False
    if "least" in options:
        chosen.min_tls_ver = io.TlsVersion[options["least"]]
    if "preference" in options:
        chosen.cipher_pref = io.TlsCipherPref[options["preference"]]
    group = io.EventLoopGroup(1)
    bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
    tls = io.ClientTlsContext(chosen).new_connection_options()
    tls.set_server_name(name)
    try:
        connection = http.HttpClientConnection.new(address, int(port), bootstrap, tls_connection_options=tls).result(8)
        request = http.HttpRequest("GET", "/page.html", http.HttpHeaders([("Host", "www.cutover.example"), ("Connection", "close")]))
        fetch(connection, request)
    except (exceptions.AwsCrtError, TimeoutError) as error:
        print("said:", type(error).__name__, error)


def fetch(connection, request):
    stream = connection.request(request, on_response=lambda **_: None, on_body=lambda chunk, **_: print(chunk.decode()))
    stream.activate()
    stream.completion_future.result(8)


main(*sys.argv[1:])
