//! Hellos in SSL 2.0's format: SSL 2.0 itself, and the form in which old clients offered SSL 3.0 and TLS
//! (RFC 5246 appendix E.2; forbidden since RFC 6176).

use super::version::ProtocolVersion;
use super::wire::{Malformed, Reader};

/// A hello in SSL 2.0's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V2Hello<'a> {
    /// CLIENT-HELLO: what is offered.
    Client {
        /// The highest version offered; 0x0002 is SSL 2.0.
        version: ProtocolVersion,
        /// Three bytes each; those of TLS begin with 0.
        cipher_specs: &'a [u8],
    },
    /// SERVER-HELLO: SSL 2.0 was chosen.
    Server,
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness<'a> {
    /// A hello, and how long its record is.
    Hello(V2Hello<'a>, usize),
    /// It may become one with more bytes.
    Maybe,
    /// Something else.
    No,
}

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 4;
/// Bytes of a record header without padding, which hellos have.
const HEADER_LEN: usize = 2;

/// Reads a hello in SSL 2.0's format. All lengths within must agree with the record's: the format has no other mark.
pub fn read(bytes: &[u8], server: bool) -> Likeness<'_> {
    let kind = if server { SERVER_HELLO } else { CLIENT_HELLO };
    let shape: [fn(u8, u8) -> bool; 3] = [|b, _| b & 0x80 != 0, |_, _| true, |b, kind| b == kind];
    if bytes
        .iter()
        .zip(shape)
        .any(|(byte, fits)| !fits(*byte, kind))
    {
        return Likeness::No;
    }
    let Some(([high, low], rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Likeness::Maybe;
    };
    let len = usize::from(u16::from_be_bytes([high & 0x7f, *low]));
    let message = rest.get(..len.min(rest.len())).unwrap_or_default();
    let parsed = if server {
        server_hello(message, len)
    } else {
        client_hello(message, len)
    };
    match parsed {
        Ok(Some(hello)) => Likeness::Hello(hello, HEADER_LEN + len),
        Ok(None) => Likeness::Maybe,
        Err(_) => Likeness::No,
    }
}

/// `Ok(None)`: sound so far, and cut.
fn client_hello(message: &[u8], len: usize) -> Result<Option<V2Hello<'_>>, Malformed> {
    const FIXED: usize = 9;
    let mut reader = Reader::new(message);
    if message.len() < FIXED.min(len) {
        return Ok(None);
    }
    reader.u8("msg_type")?;
    let version = ProtocolVersion(reader.u16("version")?);
    let specs = usize::from(reader.u16("cipher_spec_length")?);
    let session = usize::from(reader.u16("session_id_length")?);
    let challenge = usize::from(reader.u16("challenge_length")?);
    let sound = matches!(version.0, 0x0002 | 0x0300..=0x0303)
        && specs > 0
        && specs.is_multiple_of(3)
        && matches!(session, 0 | 16)
        && matches!(challenge, 16..=32)
        && FIXED + specs + session + challenge == len;
    if !sound {
        return Err(Malformed("SSL 2.0 hello"));
    }
    if message.len() < len {
        return Ok(None);
    }
    Ok(Some(V2Hello::Client {
        version,
        cipher_specs: reader.take(specs, "cipher_specs")?,
    }))
}

fn server_hello(message: &[u8], len: usize) -> Result<Option<V2Hello<'_>>, Malformed> {
    const FIXED: usize = 11;
    if message.len() < FIXED.min(len) {
        return Ok(None);
    }
    let mut reader = Reader::new(message);
    reader.u8("msg_type")?;
    let hit = reader.u8("session_id_hit")?;
    let certificate_type = reader.u8("certificate_type")?;
    let version = reader.u16("version")?;
    let certificate = usize::from(reader.u16("certificate_length")?);
    let specs = usize::from(reader.u16("cipher_specs_length")?);
    let connection = usize::from(reader.u16("connection_id_length")?);
    let sound = hit <= 1
        && certificate_type <= 1
        && version == ProtocolVersion::SSL_2_0.0
        && specs.is_multiple_of(3)
        && connection <= 32
        && FIXED + certificate + specs + connection == len;
    if sound {
        Ok(Some(V2Hello::Server))
    } else {
        Err(Malformed("SSL 2.0 hello"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// TLS 1.0 and three suites, one of them SSL 2.0's, with a challenge of 16 bytes.
    const CLIENT: &[u8] =
        &hex!("8022 01 0301 0009 0000 0010 00002f 00000a 010080 000102030405060708090a0b0c0d0e0f");

    #[test]
    fn reads_a_client_hello_once_it_is_whole() {
        for cut in 0..CLIENT.len() {
            assert_eq!(read(&CLIENT[..cut], false), Likeness::Maybe, "{cut} bytes");
        }
        let specs = &CLIENT[11..20];
        let hello = V2Hello::Client {
            version: ProtocolVersion::TLS_1_0,
            cipher_specs: specs,
        };
        assert_eq!(read(CLIENT, false), Likeness::Hello(hello, CLIENT.len()));
    }

    #[test]
    fn lengths_must_agree() {
        let mut other = CLIENT.to_vec();
        other[1] += 1;
        assert_eq!(read(&other, false), Likeness::No);
        assert_eq!(read(b"\x80\x2e\x02hello", false), Likeness::No);
        assert_eq!(read(b"EHLO", false), Likeness::No);
    }

    #[test]
    fn reads_a_server_hello() {
        let hello = hex!("8011 04 00 01 0002 0003 0003 0000 aabbcc 010080");
        assert_eq!(
            read(&hello, true),
            Likeness::Hello(V2Hello::Server, hello.len())
        );
    }
}
