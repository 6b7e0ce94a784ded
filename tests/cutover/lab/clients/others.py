"""Stacks of one or a few configurations: Botan, Erlang's ssl."""

import functools
import subprocess

from ..converse import PAGE, REQUEST, converse
from . import Attempt, Client, pick
from .openssl import HTTPS

ERLANG = """
-module(cutover_client).
-export([main/1]).
main([Address, Port, Options]) ->
    {ok, _} = application:ensure_all_started(ssl),
    {ok, Ip} = inet:parse_address(Address),
    {ok, Tokens, _} = erl_scan:string(Options ++ "."),
    {ok, Chosen} = erl_parse:parse_term(Tokens),
    case ssl:connect(Ip, list_to_integer(Port), [{verify, verify_none}, {active, false}, {mode, binary}, {log_level, none} | Chosen], 8000) of
        {ok, Socket} ->
            {ok, Info} = ssl:connection_information(Socket, [protocol, selected_cipher_suite]),
            io:format("said: ~0p~n", [Info]),
            ok = ssl:send(Socket, "REQUEST"),
            read(Socket);
        Error ->
            io:format("said: ~0p~n", [Error])
    end.
read(Socket) ->
    case ssl:recv(Socket, 0, 8000) of
        {ok, Data} -> io:format("~s~n", [Data]), read(Socket);
        Error -> io:format("~0p~n", [Error])
    end.
"""
BOTAN = {  # name: its policy file, on top of the one that Botan calls default
    "default": ("as it is", ""),
    "ecdsa": ("ECDSA only", "signature_methods = ECDSA\n"),
    "dhe": ("DHE only", "key_exchange_methods = DH\n"),
    "p384": ("P-384 alone", "key_exchange_groups = secp384r1\n"),
}


@functools.cache
def botan_stack():
    return "Botan " + subprocess.run(["botan", "version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def botan(name, policy):
    def attempt(lab, target):
        path = lab.folder / f"botan-{name}.txt"
        path.write_text("allow_tls12 = true\nallow_tls11 = false\nallow_tls10 = false\nminimum_rsa_bits = 2048\nrequire_cert_revocation_info = false\n" + policy)
        words = ["botan", "tls_client", target.name, f"--port={target.port}", "--skip-system-cert-store", f"--trusted-cas={lab.authority.pem}", f"--policy={path}"]
        _, text = converse(lab.with_hosts(target, words), REQUEST)
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "Handshake complete", "Error", "error", "Alert", "alert", "exception"))
    return attempt


@functools.cache
def erlang_stack():
    words = ["erl", "-noshell", "-eval", '{ok, _} = application:ensure_all_started(ssl), {ok, V} = application:get_key(ssl, vsn), io:format("~s", [V]), halt().']
    return "Erlang ssl " + subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def erlang(options):
    def attempt(lab, target):
        sni = f'{{server_name_indication, "{target.name}"}}'
        chosen = "[" + ", ".join([sni, *([options] if options else [])]) + "]"
        words = ["erl", "-noshell", "-pa", lab.erlang_code, "-run", "cutover_client", "main", "-s", "init", "stop", "-extra"]
        # `-run` gives its words to main/1 as one list.
        words[7:7] = [target.address, target.port, chosen]
        _, text = converse(lab.network.clients.enter(*words))
        return Attempt("encrypted" if PAGE in text else "failed", pick(text, "said:"))
    return attempt


CLIENTS = [
    *(Client(f"botan-{name}", botan_stack(), what, HTTPS, botan(name, policy), reduced=name == "default") for name, (what, policy) in BOTAN.items()),
    Client("erlang-default", erlang_stack(), "as it is", HTTPS, erlang(""), reduced=True),
    Client("erlang-tls1.2", erlang_stack(), "TLS 1.2 alone", HTTPS, erlang("{versions, ['tlsv1.2']}")),
    Client("erlang-tls1.0-1.1", erlang_stack(), "TLS 1.0 and 1.1", HTTPS, erlang("{versions, ['tlsv1.1', tlsv1]}")),
    Client("erlang-p521", erlang_stack(), "secp521r1 alone", HTTPS, erlang("{supported_groups, [secp521r1]}, {eccs, [secp521r1]}")),
]
