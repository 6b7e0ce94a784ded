"""Perl, PHP and Ruby, each with its own way to OpenSSL and its own defaults."""

import json

from . import Client, by_program
from .openssl import HTTPS


def perl(name, what, **options):
    def words(lab, target):
        return ["perl", lab.programs / "perl_client.pl", target.address, target.port, target.name, *(w for pair in options.items() for w in pair)]
    return Client(f"perl-{name}", "OpenSSL (Perl)", what, HTTPS, by_program(words))


def php(name, what, **options):
    def words(lab, target):
        return ["php", lab.programs / "php_client.php", target.address, target.port, target.name, json.dumps(options)]
    return Client(f"php-{name}", "OpenSSL (PHP)", what, HTTPS, by_program(words))


def ruby(name, what, **options):
    def words(lab, target):
        return ["ruby", lab.programs / "ruby_client.rb", target.address, target.port, target.name, json.dumps(options)]
    return Client(f"ruby-{name}", "OpenSSL (Ruby)", what, HTTPS, by_program(words))


PHP_TLS_1_0, PHP_TLS_1_1, PHP_TLS_1_2 = 8 + 1, 16 + 1, 32 + 1  # STREAM_CRYPTO_METHOD_TLSv1_…_CLIENT
CLIENTS = [
    perl("default", "as it is"),
    perl("tls1.1", "TLS 1.1 alone", SSL_version="TLSv1_1", SSL_cipher_list="DEFAULT:@SECLEVEL=0"),
    perl("rsa-kx", "TLS 1.2 with TLS_RSA suites", SSL_version="TLSv1_2", SSL_cipher_list="AES128-SHA:AES256-SHA256"),
    perl("p384", "P-384 alone", SSL_ecdh_curve="P-384"),
    php("default", "as it is"),
    php("tls1.0-1.1", "TLS 1.0 and 1.1", crypto_method=PHP_TLS_1_0 | PHP_TLS_1_1, ciphers="DEFAULT:@SECLEVEL=0"),
    php("dhe-cbc", "TLS 1.2 with DHE and CBC-SHA only", crypto_method=PHP_TLS_1_2, ciphers="DHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA"),
    ruby("default", "as it is"),
    ruby("tls1.2", "TLS 1.2 alone", max_version="TLS1_2"),
    ruby("p521", "P-521 alone", ecdh_curves="P-521"),
]
