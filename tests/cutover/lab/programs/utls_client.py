"""A client that imitates browsers' hellos by uTLS (Go), as PyPI's tls_client brings it: PORT NAME IDENTIFIER. Prints the page if it came through."""

import sys

import tls_client
from tls_client.exceptions import TLSClientException


def main(port, name, identifier):
    session = tls_client.Session(client_identifier=identifier)
    try:
        print(session.get(f"https://{name}:{port}/page.html", insecure_skip_verify=True, timeout_seconds=8).text)
    except TLSClientException as error:
        print("said:", error)


main(*sys.argv[1:])
