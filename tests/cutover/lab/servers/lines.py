"""Server programs of which each policy has a process, that print a line for each connection: address, then "completed" or what went wrong."""

from lib.process import Background


class Servers:
    """`words(lab, deployment)` is the command line of one."""

    def __init__(self, lab, deployments, words, seconds=0.5):
        self.lab, self.seconds = lab, seconds
        self.processes = {d.policy: Background(lab.network.servers.enter(*words(lab, d)), ready="listening") for d in deployments}

    def __enter__(self):
        for process in self.processes.values():
            process.__enter__()
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.stop()

    def before(self, deployment):
        return len(self.processes[deployment.policy].lines)

    def after(self, deployment, client_address, mark=0):
        process = self.processes[deployment.policy]

        def found():
            return [line.partition(" ")[2] for line in process.lines[mark:] if line.startswith(client_address + " ")]

        self.lab.until(found, self.seconds)
        lines = found()
        if not lines:
            return None, ""
        return ("completed" if any(line.startswith("completed") for line in lines) else "failed"), " | ".join(lines)[:400]
