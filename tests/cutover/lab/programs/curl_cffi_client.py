"""A client on BoringSSL: curl as PyPI's curl_cffi brings it. ADDRESS PORT NAME OPTIONS, a JSON object: `impersonate`, or names of curl's options.

Prints the page if it came through.
"""

import json
import sys

from curl_cffi import CurlOpt, requests


def main(address, port, name, options):
    options = json.loads(options)
    impersonate = options.pop("impersonate", None)
    chosen = {getattr(CurlOpt, key): value.encode() if isinstance(value, str) else value for key, value in options.items()}
    chosen[CurlOpt.RESOLVE] = [f"{name}:{port}:{address}"]
    try:
        answer = requests.get(f"https://{name}:{port}/page.html", impersonate=impersonate, verify=False, timeout=8, http_version="v1", curl_options=chosen)
        print(answer.text)
    except requests.exceptions.RequestException as error:
        print("said:", error)


main(*sys.argv[1:])
