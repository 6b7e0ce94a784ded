"""Step 2: what hellotap says of each client, from the lenient capture alone."""

import json
import subprocess


class PredictionError(Exception):
    pass


def predict(hellotap, policy, capture):
    """Gives {client address: (verdict, reasons, number of flows)}."""
    done = subprocess.run([str(hellotap), "audit", "--policy", str(policy), "--flows", "-", str(capture)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise PredictionError(f"{policy.name}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    flows = {}
    for line in done.stdout.splitlines():
        flow = json.loads(line)
        flows.setdefault(flow["client_ip"], []).append(flow)
    return {address: combine(all_of_it) for address, all_of_it in flows.items()}


# A client that comes more than once (a dance, a browser's second connection) is judged by its best offer.
BEST_FIRST = ("ok", "at-risk", "goes-cleartext", "unknown", "breaks")


def combine(flows):
    best = min(flows, key=lambda flow: BEST_FIRST.index(flow["verdict"] or "unknown"))
    return {"verdict": best["verdict"] or "unknown", "reasons": best["reasons"], "act": best.get("act"), "flows": len(flows)}


# What `reasons` holds where a sender may go on in the clear as well as stop, which its hello does not tell.
EITHER = "may-go-cleartext"


def right(verdict, reasons, reality):
    """True, False, or None where nothing was predicted."""
    if verdict == "unknown":
        return None
    if verdict == "breaks" and EITHER in reasons:
        return reality in ("fails", "cleartext")
    return {"ok": "works", "at-risk": "works", "breaks": "fails", "goes-cleartext": "cleartext"}[verdict] == reality
