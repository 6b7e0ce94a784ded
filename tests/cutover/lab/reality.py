"""Step 1 and step 3: runs clients against servers, and keeps what the two ends said."""

import concurrent.futures
import contextlib

from .clients import Attempt, Target
from .converse import Late
from .servers import Deployment


def deployments(lab, program, policies):
    return [Deployment(program.NAME, name, title, settings.accepts(), lab.network.next_port(), program.SERVICE, settings) for name, title, settings in policies]


def lenient(lab, program, clients, path, workers):
    """Records every client at the most lenient server that the program can be; gives the results."""
    there = deployments(lab, program, [("lenient", "everything that the program takes", program.LENIENT)])
    with program.Servers(lab, there) as servers, lab.network.record(path, [d.port for d in there]):
        lab.network.wait_for_listeners(d.port for d in there)
        return [results[0] for results in _each(lab, program, servers, there, clients, workers)]


def after(lab, program, policies, clients, workers):
    """Runs every client at the program under each policy; yields a client's results."""
    there = deployments(lab, program, policies)
    with program.Servers(lab, there) as servers:
        lab.network.wait_for_listeners(d.port for d in there)
        yield from _each(lab, program, servers, there, clients, workers)


def _each(lab, program, servers, there, clients, workers):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(_client, lab, program, servers, there, client, number) for number, client in clients
                   if program.SERVICE in client.services]
        for result in running:
            yield result.result()


def _client(lab, program, servers, there, client, number):
    lab.network.admit(number)
    left_out = getattr(program, "LEFT_OUT", {})
    return [_attempt(lab, program, servers, deployment, client, number) for deployment in there if client.name not in left_out.get(deployment.policy, ())]


def _attempt(lab, program, servers, deployment, client, number):
    target = Target(lab.network.server_address(number), deployment.port, lab.name, deployment.service)
    source = lab.network.client_address(number)
    for last in (False, True):
        with deployment.lock if program.ONE_AT_A_TIME else contextlib.nullcontext():
            mark = servers.before(deployment)
            try:
                attempt = client.attempt(lab, target)
            except Late as late:
                attempt = Attempt("late", str(late))
            server, server_said = servers.after(deployment, source, mark)
        if attempt.outcome != "late" or last:
            break
    return {"program": deployment.program, "policy": deployment.policy, "client": client.name, "stack": client.stack, "address": source, "service": deployment.service,
            "reality": settle(attempt.outcome, server), "client_outcome": attempt.outcome, "server_outcome": server, "client_said": attempt.said,
            "server_said": server_said}


def settle(client, server):
    """What happened, where both ends agree; else "disputed", which is an error of the laboratory or a finding."""
    if client == "encrypted" and server == "completed":
        return "works"
    if client == "failed" and server in ("failed", None):
        return "fails"
    if client == "cleartext" and server == "cleartext":
        return "cleartext"
    return "disputed"
