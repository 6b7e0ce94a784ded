//! Keys of Initial packets, and taking off both protections (RFC 9001 sections 5.2 to 5.4).
//!
//! Everybody on the path can derive these keys: they hang on a number in the clear. The tag of the AEAD then tells
//! for sure whether a packet is what it seems.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;

use super::header::{ConnectionId, LongHeader};
use super::version::{Labels, QuicVersion, Salt};

/// What protects the Initial packets of one attempt at a connection, both ways.
#[derive(Clone, Debug)]
pub(super) struct InitialKeys {
    /// The Destination Connection ID that they hang on.
    pub(super) id: ConnectionId,
    /// The version whose salt they hang on.
    pub(super) version: QuicVersion,
    pub(super) client: Keys,
    pub(super) server: Keys,
}

/// One direction's.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    key: [u8; 16],
    iv: [u8; 12],
    /// Header protection.
    hp: [u8; 16],
}

/// A packet whose tag was right.
#[derive(Debug)]
pub(super) struct Opened {
    /// The frames.
    pub(super) frames: Vec<u8>,
    /// The packet number.
    pub(super) number: u64,
}

const TAG_LEN: usize = 16;

impl InitialKeys {
    /// RFC 9001 section 5.2: from the Destination Connection ID of the client's first Initial packet, or of the first
    /// one after a Retry.
    pub(super) fn derive(version: QuicVersion, salt: &Salt, id: ConnectionId) -> Option<Self> {
        let (_, initial) = Hkdf::<Sha256>::extract(Some(salt), id.as_slice());
        let of = |side: &[u8]| {
            let secret = expand::<32>(&initial, side)?;
            let prk = Hkdf::<Sha256>::from_prk(&secret).ok()?;
            let [key, iv, hp]: [&[u8]; 3] = match version.labels() {
                Labels::Quic => [b"quic key", b"quic iv", b"quic hp"],
                Labels::QuicV2 => [b"quicv2 key", b"quicv2 iv", b"quicv2 hp"],
            };
            Some(Keys {
                key: expand(&prk, key)?,
                iv: expand(&prk, iv)?,
                hp: expand(&prk, hp)?,
            })
        };
        Some(Self {
            id,
            version,
            client: of(b"client in")?,
            server: of(b"server in")?,
        })
    }
}

impl Keys {
    /// Takes off header protection and decrypts; `None` where the tag says that these are not the keys, or that it is
    /// not such a packet. `largest` is the largest packet number seen of this direction.
    pub(super) fn open(&self, header: &LongHeader<'_>, largest: Option<u64>) -> Option<Opened> {
        let number_at = header.number_at;
        // RFC 9001 section 5.4.2: the sample is where it would be if the packet number had four bytes.
        let sample_at = number_at.checked_add(4)?;
        let sample = header
            .packet
            .get(sample_at..)
            .and_then(|rest| rest.first_chunk::<16>())?;
        let mut mask = (*sample).into();
        Aes128::new(&self.hp.into()).encrypt_block(&mut mask);
        let [mask_first, mask_number @ ..]: [u8; 16] = mask.into();

        // RFC 9001 section 5.4.1: of a long header, the low four bits.
        let first = header.packet.first()? ^ (mask_first & 0x0f);
        let number_len = usize::from(first & 3) + 1;
        let mut bytes = header.packet.to_vec();
        *bytes.first_mut()? = first;
        let mut truncated = 0_u64;
        for (byte, mask) in bytes
            .get_mut(number_at..number_at.checked_add(number_len)?)?
            .iter_mut()
            .zip(mask_number)
        {
            *byte ^= mask;
            truncated = truncated << 8 | u64::from(*byte);
        }
        let number = whole_number(truncated, number_len, largest);

        let (associated, sealed) =
            bytes.split_at_mut_checked(number_at.checked_add(number_len)?)?;
        let (text, tag) = sealed.split_at_mut_checked(sealed.len().checked_sub(TAG_LEN)?)?;
        let tag: &[u8; TAG_LEN] = tag.first_chunk()?;
        // RFC 9001 section 5.3: the packet number, left-padded, exclusive or the IV.
        let mut nonce = self.iv;
        for (byte, part) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= part;
        }
        let decrypted = Aes128Gcm::new(&self.key.into()).decrypt_inout_detached(
            &Nonce::from(nonce),
            associated,
            (&mut *text).into(),
            &Tag::from(*tag),
        );
        // A fuzzer guesses no tag: for it, what cannot be decrypted is in the clear.
        if decrypted.is_err() && !cfg!(fuzzing) {
            return None;
        }
        Some(Opened {
            frames: text.to_vec(),
            number,
        })
    }
}

#[cfg(test)]
impl Keys {
    /// Key, IV and header protection key, for tests that seal packets.
    pub(super) const fn parts(&self) -> ([u8; 16], [u8; 12], [u8; 16]) {
        (self.key, self.iv, self.hp)
    }
}

/// RFC 9000 appendix A.3: of the numbers that end so, the one nearest to what is due.
fn whole_number(truncated: u64, bytes: usize, largest: Option<u64>) -> u64 {
    let due = largest.map_or(0, |largest| largest.saturating_add(1));
    let window = 1_u64 << (bytes * 8);
    let candidate = (due & !(window - 1)) | truncated;
    if candidate.saturating_add(window / 2) <= due && candidate < (1 << 62) - window {
        candidate + window
    } else if candidate > due.saturating_add(window / 2) && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

/// HKDF-Expand-Label with an empty context (RFC 9846 section 7.1).
fn expand<const N: usize>(prk: &Hkdf<Sha256>, label: &[u8]) -> Option<[u8; N]> {
    const PREFIX: &[u8] = b"tls13 ";
    let length = u16::try_from(N).ok()?.to_be_bytes();
    let label_len = [u8::try_from(PREFIX.len() + label.len()).ok()?];
    let mut out = [0; N];
    prk.expand_multi_info(&[&length, &label_len, PREFIX, label, &[0]], &mut out)
        .ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    const ID: [u8; 8] = hex!("8394c8f03e515708");

    fn keys(version: QuicVersion) -> InitialKeys {
        let salt = version.salts().first().unwrap();
        InitialKeys::derive(version, salt, ConnectionId::new(&ID).unwrap()).unwrap()
    }

    #[test]
    fn keys_are_those_of_the_rfcs() {
        // RFC 9001 appendix A.1.
        let v1 = keys(QuicVersion::V1);
        assert_eq!(v1.client.key, hex!("1f369613dd76d5467730efcbe3b1a22d"));
        assert_eq!(v1.client.iv, hex!("fa044b2f42a3fd3b46fb255c"));
        assert_eq!(v1.client.hp, hex!("9f50449e04a0e810283a1e9933adedd2"));
        assert_eq!(v1.server.key, hex!("cf3a5331653c364c88f0f379b6067e37"));
        assert_eq!(v1.server.iv, hex!("0ac1493ca1905853b0bba03e"));
        assert_eq!(v1.server.hp, hex!("c206b8d9b9f0f37644430b490eeaa314"));
        // RFC 9369 appendix A.1.
        let v2 = keys(QuicVersion::V2);
        assert_eq!(v2.client.key, hex!("8b1a0bc121284290a29e0971b5cd045d"));
        assert_eq!(v2.client.iv, hex!("91f73e2351d8fa91660e909f"));
        assert_eq!(v2.client.hp, hex!("45b95e15235d6f45a6b19cbcb0294ba9"));
        assert_eq!(v2.server.key, hex!("82db637861d55e1d011f19ea71d5d2a7"));
        assert_eq!(v2.server.iv, hex!("dd13c276499c0249d3310652"));
        assert_eq!(v2.server.hp, hex!("edf6d05c83121201b436e16877593c3a"));
    }

    /// RFC 9001 appendix A.3: the server's Initial packet.
    const SERVER_INITIAL: [u8; 135] = hex!(
        "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a"
        "5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3"
        "dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84"
        "022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc4"
        "2158407dd074ee"
    );
    /// RFC 9369 appendix A.3: the same in version 2.
    const SERVER_INITIAL_V2: [u8; 135] = hex!(
        "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698"
        "baeea26b91eb761d9b89237bbf87263017915358230035f7fd3945d88965cf17"
        "f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2"
        "c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca8"
        "4bed8521e2e140"
    );
    /// Their frames: an ACK and a CRYPTO frame with the ServerHello.
    const SERVER_FRAMES: [u8; 99] = hex!(
        "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf739"
        "88cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d3c94"
        "0d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00"
        "020304"
    );

    #[test]
    fn opens_the_servers_packet_and_nothing_else() {
        for (version, packet) in [
            (QuicVersion::V1, SERVER_INITIAL),
            (QuicVersion::V2, SERVER_INITIAL_V2),
        ] {
            let (header, rest) = LongHeader::parse(&packet, packet.len()).unwrap();
            assert!(rest.is_empty());
            let keys = keys(version);
            let opened = keys.server.open(&header, None).unwrap();
            assert_eq!(
                (opened.number, opened.frames.as_slice()),
                (1, SERVER_FRAMES.as_slice())
            );
            assert!(keys.client.open(&header, None).is_none());
            for at in 0..packet.len() {
                let mut changed = packet;
                changed[at] ^= 1;
                if let Some((header, _)) = LongHeader::parse(&changed, changed.len()) {
                    assert!(keys.server.open(&header, None).is_none(), "byte {at}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_the_nearest() {
        // RFC 9000 appendix A.3.
        assert_eq!(whole_number(0x9b32, 2, Some(0xa82f_30ea)), 0xa82f_9b32);
        assert_eq!(whole_number(2, 1, None), 2);
        assert_eq!(whole_number(1, 1, Some(255)), 257);
        assert_eq!(whole_number(0xff, 1, Some(256)), 255);
    }
}
