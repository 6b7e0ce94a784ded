//! What a cipher suite asks of a handshake.

use tls_parser::{
    TlsCipherAu as Au, TlsCipherEncMode as Mode, TlsCipherKx as Kx, TlsCipherMac as Mac,
};

use crate::hello::registry::CipherSuite;

/// What decides whether a suite can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// How the keys are agreed on.
    pub exchange: Exchange,
    /// What proves who the server is.
    pub authentication: Authentication,
    /// Uses what came with TLS 1.2: an AEAD, or SHA-2 for the MAC (RFC 5246 section 1.2).
    pub since_tls12: bool,
    /// A block cipher in CBC mode with an HMAC: what encrypt_then_mac is about (RFC 7366).
    pub cbc: bool,
}

/// Key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The premaster secret is encrypted to the certificate's key: nothing is signed.
    Rsa,
    /// The key of the certificate is the server's share; out of use.
    Static,
    /// Diffie-Hellman in a finite field, signed.
    Dhe,
    /// On a curve, signed.
    Ecdhe,
    /// TLS 1.3: the suite says nothing of it.
    Tls13,
}

/// Authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A certificate with an RSA key.
    Rsa,
    /// A certificate with a key on a curve; EdDSA too (RFC 8422 section 5.10).
    Ecdsa,
    /// A certificate with a DSA key.
    Dss,
    /// TLS 1.3: the suite says nothing of it.
    Tls13,
    /// None at all, a shared secret, a password or a ticket: no certificate, so no far end of a public service.
    Other,
}

impl Suite {
    /// What is known of `suite`; `None` for GREASE, signals, and numbers that IANA does not list.
    pub fn of(suite: CipherSuite) -> Option<Self> {
        let entry = tls_parser::TlsCipherSuite::from_id(suite.0)?;
        let exchange = match entry.kx {
            Kx::Rsa => Exchange::Rsa,
            Kx::Dhe => Exchange::Dhe,
            Kx::Ecdhe => Exchange::Ecdhe,
            Kx::Tls13 => Exchange::Tls13,
            Kx::Null if suite.0 != 0 => return None,
            _ => Exchange::Static,
        };
        let authentication = match entry.au {
            Au::Rsa => Authentication::Rsa,
            Au::Ecdsa => Authentication::Ecdsa,
            Au::Dss => Authentication::Dss,
            Au::Tls13 => Authentication::Tls13,
            _ => Authentication::Other,
        };
        Some(Self {
            exchange,
            authentication,
            since_tls12: matches!(
                entry.mac,
                Mac::Aead | Mac::HmacSha256 | Mac::HmacSha384 | Mac::HmacSha512
            ),
            cbc: entry.enc_mode == Mode::Cbc && entry.mac != Mac::Aead,
        })
    }

    /// Whether it is one of TLS 1.3's.
    pub fn is_tls13(self) -> bool {
        self.exchange == Exchange::Tls13
    }

    /// Whether the server signs its share of the key exchange with the certificate's key.
    pub fn is_signed(self) -> bool {
        matches!(self.exchange, Exchange::Dhe | Exchange::Ecdhe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        use Authentication as A;
        use Exchange as E;
        for (id, exchange, authentication, since_tls12, cbc) in [
            (0x002f, E::Rsa, A::Rsa, false, true),
            (0x003c, E::Rsa, A::Rsa, true, true),
            (0x009c, E::Rsa, A::Rsa, true, false),
            (0x0005, E::Rsa, A::Rsa, false, false),
            (0x0033, E::Dhe, A::Rsa, false, true),
            (0x0032, E::Dhe, A::Dss, false, true),
            (0xc02b, E::Ecdhe, A::Ecdsa, true, false),
            (0xc027, E::Ecdhe, A::Rsa, true, true),
            (0xcca8, E::Ecdhe, A::Rsa, true, false),
            (0x1301, E::Tls13, A::Tls13, true, false),
            (0x0034, E::Static, A::Other, false, true),
            (0xc004, E::Static, A::Ecdsa, false, true),
            (0xc018, E::Static, A::Other, false, true),
            (0x00aa, E::Dhe, A::Other, true, false),
        ] {
            let suite = Suite::of(CipherSuite(id)).expect("IANA lists it");
            let want = Suite {
                exchange,
                authentication,
                since_tls12,
                cbc,
            };
            assert_eq!(suite, want, "0x{id:04x}");
        }
        for signal in [0x0a0a, 0x5600, 0x00ff, 0xfeff] {
            assert_eq!(Suite::of(CipherSuite(signal)), None, "0x{signal:04x}");
        }
    }
}
