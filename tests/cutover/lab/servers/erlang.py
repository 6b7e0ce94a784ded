"""Servers on Erlang's ssl, all in one virtual machine."""

import json
import subprocess
from dataclasses import dataclass

from lib.process import Background

from ..clients.others import erlang_stack as version  # noqa: F401
from ..converse import PAGE
from ..openssl_policies import P256, P384, RSA
from ..policy import Accepts, versions_between
from . import certificates

NAME, SERVICE = "erlang", "https"
ONE_AT_A_TIME = False
ATOM = {"TLS 1.0": "tlsv1", "TLS 1.1": "'tlsv1.1'", "TLS 1.2": "'tlsv1.2'", "TLS 1.3": "'tlsv1.3'"}
SUITES_13 = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256")
AEAD = ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")
CBC = ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA")
RSA_KX = ("TLS_RSA_WITH_AES_256_GCM_SHA384", "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA")
GROUPS = ("x25519", "secp256r1", "secp384r1", "secp521r1")
CODE = """
-module(cutover_server).
-export([main/1]).
main([File]) ->
    {ok, _} = application:ensure_all_started(ssl),
    {ok, Servers} = file:consult(File),
    lists:foreach(fun start/1, Servers),
    io:format("listening~n"),
    receive never -> ok end.
start({Port, Names, Options}) ->
    Suites = [ssl:str_to_suite(Name) || Name <- Names],
    {ok, Listener} = ssl:listen(Port, [{ip, {0,0,0,0}}, {ciphers, Suites}, {active, false}, {mode, binary}, {reuseaddr, true}, {backlog, 64}, {log_level, none} | Options]),
    spawn_link(fun() -> serve(Listener, Port) end).
serve(Listener, Port) ->
    {ok, Socket} = ssl:transport_accept(Listener),
    Pid = spawn(fun() -> receive go -> answer(Socket, Port) end end),
    ok = ssl:controlling_process(Socket, Pid),
    Pid ! go,
    serve(Listener, Port).
answer(Transport, Port) ->
    From = case ssl:peername(Transport) of {ok, {Ip, _}} -> inet:ntoa(Ip); _ -> "?" end,
    case ssl:handshake(Transport, 8000) of
        {ok, Socket} ->
            case request(Socket, <<>>) of
                ok ->
                    {ok, Info} = ssl:connection_information(Socket, [protocol]),
                    ssl:send(Socket, "HTTP/1.0 200 OK\\r\\nContent-Type: text/html\\r\\nContent-Length: LENGTH\\r\\n\\r\\nPAGE\\n"),
                    io:format("~s ~b completed ~0p~n", [From, Port, Info]),
                    ssl:close(Socket);
                Error -> io:format("~s ~b ~0p~n", [From, Port, Error])
            end;
        Error -> io:format("~s ~b ~0p~n", [From, Port, Error])
    end.
request(Socket, Before) ->
    case ssl:recv(Socket, 0, 8000) of
        {ok, Data} ->
            All = <<Before/binary, Data/binary>>,
            case binary:match(All, <<"\\r\\n\\r\\n">>) of nomatch -> request(Socket, All); _ -> ok end;
        Error -> Error
    end.
"""


@dataclass(frozen=True)
class Settings:
    least: str = "TLS 1.0"
    most: str = "TLS 1.3"
    suites: tuple = AEAD + CBC + RSA_KX
    groups: tuple = GROUPS
    keys: tuple = ("RSA-2048", "ECDSA P-256")
    order: str = "client"

    @property
    def every_suite(self):
        return (SUITES_13 if self.most == "TLS 1.3" else ()) + (self.suites if self.least <= "TLS 1.2" else ())

    def accepts(self):
        return Accepts(min_version=self.least, max_version=self.most, cipher_suites=self.every_suite, groups=self.groups, certificates=self.keys, habits=HABITS | {"suite_order": self.order})

    def erlang(self, lab):
        keys = ", ".join(f'#{{certfile => "{c}", keyfile => "{k}"}}' for c, k in certificates(lab, self.keys))
        found = [f"{{versions, [{', '.join(ATOM[v] for v in reversed(versions_between(self.least, self.most)))}]}}", f"{{certs_keys, [{keys}]}}",
                 f"{{honor_cipher_order, {'true' if self.order == 'server' else 'false'}}}"]
        found += [f"{{supported_groups, [{', '.join(self.groups)}]}}"] if self.most == "TLS 1.3" else []
        found += ["{reuse_sessions, false}"] if self.least <= "TLS 1.2" else []
        found += [f"{{eccs, [{', '.join(self.groups)}]}}"] if self.least <= "TLS 1.2" else []
        return "[" + ", ".join(found) + "]"


# It has no name of its own among a policy's `software`.
HABITS = {"dhe": "none"}
LENIENT = Settings()
POLICIES = [
    ("min-1.2", "TLS 1.2 and later", Settings(least="TLS 1.2")),
    ("ecdhe", "TLS 1.2 and later with ECDHE only", Settings(least="TLS 1.2", suites=AEAD)),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3")),
    ("only-1.2-rsa", "TLS 1.2 alone", Settings(least="TLS 1.2", most="TLS 1.2", keys=RSA, order="server")),
    ("p256", "P-256 only", Settings(least="TLS 1.2", suites=AEAD, groups=("secp256r1",), keys=RSA)),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("ecdsa-p384-x25519", "ECDSA certificate on P-384, x25519 only", Settings(least="TLS 1.2", keys=P384, groups=("x25519",))),
]
# README.md says why.
LEFT_OUT = {"only-1.2-rsa": ("openssl-x25519",)}


class Servers(Background):
    def __init__(self, lab, deployments):
        self.lab = lab
        folder = lab.folder / "erlang-server"
        folder.mkdir(exist_ok=True)
        source = folder / "cutover_server.erl"
        source.write_text(CODE.replace("LENGTH", str(len(PAGE) + 1)).replace("PAGE", PAGE))
        subprocess.run(["erlc", "-o", str(folder), str(source)], check=True)
        config = folder / f"{deployments[0].port}.config"
        config.write_text("".join(f"{{{d.port}, {json.dumps(list(d.settings.every_suite))}, {d.settings.erlang(lab)}}}.\n" for d in deployments))
        super().__init__(lab.network.servers.enter("erl", "-noshell", "-pa", folder, "-run", "cutover_server", "main", config), ready="listening")

    def before(self, deployment):
        return len(self.lines)

    def after(self, deployment, client_address, mark=0):
        mine = f"{client_address} {deployment.port} "

        def found():
            return [line[len(mine):] for line in self.lines[mark:] if line.startswith(mine)]

        self.lab.until(found, 0.5)
        lines = found()
        if not lines:
            return None, ""
        return ("completed" if any(line.startswith("completed") for line in lines) else "failed"), " | ".join(lines)[:400]
