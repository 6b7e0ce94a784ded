"""The policies that servers on OpenSSL are cut over to."""

from .openssl import Settings

ECDHE = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
# Mozilla's server side TLS, version 5.7, as its configuration generator writes them.
INTERMEDIATE = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
               "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
# The suites of TLS 1.2 that Microsoft 365 names, in its order.
M365 = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:" \
       "AES256-GCM-SHA384:AES128-GCM-SHA256"
BROWSERS = ("x25519", "secp256r1", "secp384r1")
RSA, P256, P384 = ("RSA-2048",), ("ECDSA P-256",), ("ECDSA P-384",)

LENIENT = Settings()

# Every program takes these; each is (name, what it is, settings).
COMMON = [
    ("min-1.2", "TLS 1.2 and later", Settings(least="TLS 1.2")),
    ("ecdhe", "TLS 1.2 and later with ECDHE only", Settings(least="TLS 1.2", ciphers=ECDHE)),
    ("only-1.3", "TLS 1.3 only", Settings(least="TLS 1.3")),
    ("p256", "P-256 only", Settings(least="TLS 1.2", ciphers=ECDHE, groups=("secp256r1",), keys=RSA)),
    ("mozilla-intermediate", "Mozilla's intermediate profile, version 5.7",
     Settings(least="TLS 1.2", ciphers=INTERMEDIATE, groups=BROWSERS, order="client", keys=RSA)),
    ("m365", "TLS 1.2 with the suites of Microsoft 365", Settings(least="TLS 1.2", ciphers=M365, groups=("secp256r1", "secp384r1"), keys=RSA)),
]

MORE = [
    ("mozilla-modern", "Mozilla's modern profile, version 5.7", Settings(least="TLS 1.3", groups=BROWSERS, order="client", keys=P256)),
    ("min-1.2-rsa", "TLS 1.2 and later, RSA certificate", Settings(least="TLS 1.2", keys=RSA)),
    ("rsa-lenient", "everything, RSA certificate", Settings(keys=RSA)),
    ("ecdsa-p256", "ECDSA certificate on P-256", Settings(keys=P256)),
    ("ecdsa-p384", "ECDSA certificate on P-384", Settings(keys=P384)),
    ("ecdsa-p384-x25519", "ECDSA certificate on P-384, x25519 only", Settings(least="TLS 1.2", keys=P384, groups=("x25519",))),
    ("x25519", "x25519 only", Settings(least="TLS 1.2", ciphers=ECDHE, groups=("x25519",), keys=RSA)),
    ("p384", "P-384 only", Settings(least="TLS 1.2", ciphers=ECDHE, groups=("secp384r1",), keys=RSA)),
    ("max-1.2", "TLS 1.2 at most", Settings(most="TLS 1.2")),
    ("only-1.2-rsa", "TLS 1.2 alone, RSA certificate", Settings(least="TLS 1.2", most="TLS 1.2", keys=RSA)),
    ("max-1.1", "TLS 1.1 at most: an old server", Settings(most="TLS 1.1", keys=RSA)),
    ("pss-sha256", "signatures RSA-PSS with SHA-256 only", Settings(least="TLS 1.2", keys=RSA, signatures=("rsa_pss_rsae_sha256",))),
    ("pkcs1-sha256", "TLS 1.2 with signatures RSA PKCS #1 with SHA-256 only",
     Settings(least="TLS 1.2", most="TLS 1.2", keys=RSA, signatures=("rsa_pkcs1_sha256",))),
    ("pkcs1-sha512-ecdhe", "TLS 1.2 with ECDHE and signatures RSA PKCS #1 with SHA-512 only",
     Settings(least="TLS 1.2", most="TLS 1.2", ciphers="ECDHE-RSA-AES128-GCM-SHA256", keys=RSA, signatures=("rsa_pkcs1_sha512",))),
    ("no-sha1", "signatures without SHA-1", Settings(keys=RSA, signatures=(
        "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512", "rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"))),
    ("rsa-kx", "TLS 1.2 with TLS_RSA suites only", Settings(least="TLS 1.2", most="TLS 1.2", ciphers="kRSA:@SECLEVEL=0", keys=RSA)),
    ("dhe-only", "TLS 1.2 with DHE only", Settings(least="TLS 1.2", most="TLS 1.2", ciphers="DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-SHA", keys=RSA)),
    ("aead-256", "AES-256-GCM only", Settings(least="TLS 1.2", ciphers="ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384", suites_13=("TLS_AES_256_GCM_SHA384",))),
    ("chacha", "ChaCha20-Poly1305 only", Settings(least="TLS 1.2", ciphers="ECDHE-RSA-CHACHA20-POLY1305", suites_13=("TLS_CHACHA20_POLY1305_SHA256",), keys=RSA)),
    ("cbc-sha2", "TLS 1.2 with CBC and SHA-2 only", Settings(least="TLS 1.2", most="TLS 1.2", ciphers="ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:AES128-SHA256", keys=RSA)),
    ("no-dhe", "TLS 1.0 and later without DHE", Settings(dhe=False, keys=RSA)),
]
