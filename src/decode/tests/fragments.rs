//! Datagrams in pieces.

use super::*;
use proptest::prelude::*;

/// A fragment of an IPv4 packet's payload.
fn piece4(protocol: u8, id: u16, at: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = v4(protocol, payload);
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    let place = (at / 8) as u16 | if more { 0x2000 } else { 0 };
    packet[6..8].copy_from_slice(&place.to_be_bytes());
    packet
}

/// A fragment of an IPv6 packet's payload.
fn piece6(protocol: u8, id: u32, at: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    let place = at as u16 | u16::from(more);
    let header = chain(&[&[protocol, 0], &place.to_be_bytes(), &id.to_be_bytes()]);
    v6(44, &chain(&[&header, payload]))
}

fn datagram(len: usize) -> Vec<u8> {
    let mut out = chain(&[&1_u16.to_be_bytes(), &2_u16.to_be_bytes()]);
    out.extend((8 + len as u16).to_be_bytes());
    out.extend([0, 0]);
    out.extend((0..len).map(|n| n as u8));
    out
}

struct Run {
    decoder: Decoder,
    extra: Vec<u8>,
}

impl Run {
    fn new(limits: &Limits) -> Self {
        Self {
            decoder: Decoder::new(limits),
            extra: b"from packets before".to_vec(),
        }
    }

    fn feed(&mut self, frame: &[u8], seconds: u64) -> Result<Seen, Undecoded> {
        let time = Timestamp(seconds * 1_000_000_000);
        self.decoder
            .decode(LinkType(101), frame, frame.len(), time, &mut self.extra)
            .map(|decoded| seen(frame, &self.extra, &decoded))
    }
}

#[test]
fn the_last_to_come_gives_the_datagram() {
    let whole = datagram(100);
    let mut run = Run::new(&Limits::default());
    for piece in [
        piece4 as fn(u8, u16, usize, bool, &[u8]) -> Vec<u8>,
        |p, id, at, more, b| piece6(p, u32::from(id), at, more, b),
    ] {
        let waiting = run.feed(&piece(17, 7, 48, false, &whole[48..]), 0);
        assert_eq!(waiting, Err(Undecoded::FragmentWaiting));
        // The same once more, and another datagram's.
        assert!(run.feed(&piece(17, 7, 48, false, &whole[48..]), 0).is_err());
        assert!(run.feed(&piece(17, 8, 0, true, &whole[..48]), 0).is_err());
        let seen = run.feed(&piece(17, 7, 0, true, &whole[..48]), 0).unwrap();
        assert_eq!(seen.payload, &whole[8..]);
        assert_eq!(seen.wire_len, 100);
    }
    let counts = run.decoder.counts();
    assert_eq!((counts.reassembled, counts.fragments_waiting), (2, 2));
    assert_eq!(counts.iter().count(), 0);
}

#[test]
fn the_first_copy_wins_and_the_other_is_counted() {
    let whole = datagram(40);
    let mut other = whole.clone();
    other[20] ^= 0xff;
    let mut run = Run::new(&Limits::default());
    assert!(
        run.feed(&piece4(17, 1, 16, true, &whole[16..32]), 0)
            .is_err()
    );
    assert!(run.feed(&piece4(17, 1, 0, true, &other[..40]), 0).is_err());
    let seen = run
        .feed(&piece4(17, 1, 40, false, &whole[40..]), 0)
        .unwrap();
    assert_eq!(seen.payload, &whole[8..]);
    assert_eq!(run.decoder.counts().fragments_conflicting, 1);
}

#[test]
fn what_waits_too_long_is_dropped_and_counted() {
    let whole = datagram(40);
    let mut run = Run::new(&Limits::default());
    assert!(run.feed(&piece4(17, 1, 0, true, &whole[..16]), 0).is_err());
    assert!(run.feed(&piece4(17, 2, 0, true, &whole[..16]), 40).is_err());
    assert_eq!(run.decoder.counts().fragments_expired, 1);
    assert!(
        run.feed(&piece4(17, 1, 16, false, &whole[16..]), 40)
            .is_err()
    );
    assert_eq!(run.decoder.counts().fragments_lost(), 3);
}

#[test]
fn what_waits_is_bounded_and_the_oldest_goes_first() {
    let limits = Limits {
        max_fragment_bytes: 4_000,
        ..Limits::default()
    };
    let whole = datagram(400);
    let mut run = Run::new(&limits);
    for id in 0..100 {
        assert!(
            run.feed(&piece4(17, id, 0, true, &whole[..200]), 0)
                .is_err()
        );
    }
    let counts = run.decoder.counts();
    assert_eq!(counts.fragments_evicted + counts.fragments_waiting, 100);
    assert!(counts.fragments_waiting <= 4_000 / 456);
    assert!(
        run.feed(&piece4(17, 0, 200, false, &whole[200..]), 0)
            .is_err()
    );
    assert!(
        run.feed(&piece4(17, 99, 200, false, &whole[200..]), 0)
            .is_ok()
    );
}

#[test]
fn fragments_that_cannot_be() {
    let mut run = Run::new(&Limits::default());
    for (frame, want) in [
        (
            piece4(17, 1, 0, true, &[0; 9]),
            "malformed IP fragment header: length not a multiple of 8",
        ),
        (
            piece4(17, 1, 65_528, false, &[0; 16]),
            "malformed IP fragment header: length",
        ),
        (
            piece4(17, 1, 8, false, &[]),
            "malformed IP fragment header: length",
        ),
    ] {
        assert_eq!(run.feed(&frame, 0).unwrap_err().to_string(), want);
    }
    let cut = piece4(17, 1, 0, true, &[0; 16]);
    let got = decode_cut(LinkType(101), &cut[..30], cut.len());
    assert_eq!(got, Err(Undecoded::Truncated("IP fragment")));
}

#[test]
fn a_tunnel_in_fragments_and_fragments_in_a_tunnel() {
    let whole = datagram(100);
    let mut run = Run::new(&Limits::default());
    // Two fragments inside of IP in IP, of which each is in two fragments.
    let inner = [
        piece4(17, 5, 0, true, &whole[..64]),
        piece4(17, 5, 64, false, &whole[64..]),
    ];
    let mut last = Err(Undecoded::FragmentWaiting);
    for (id, packet) in inner.iter().enumerate() {
        let id = id as u16 + 100;
        assert_eq!(last, Err(Undecoded::FragmentWaiting));
        assert!(run.feed(&piece4(4, id, 0, true, &packet[..24]), 0).is_err());
        last = run.feed(&piece4(4, id, 24, false, &packet[24..]), 0);
    }
    let seen = last.unwrap();
    assert_eq!(seen.payload, &whole[8..]);
    assert_eq!(seen.tunnels, ["ipip"]);
}

proptest! {
    #[test]
    fn any_cut_any_order_any_overlap_gives_the_datagram(
        len in 60..600_usize,
        pieces in prop::collection::vec((0..75_usize, 1..20_usize), 1..60),
        v6 in any::<bool>(),
    ) {
        let whole = datagram(len);
        let mut run = Run::new(&Limits::default());
        let mut have = vec![false; whole.len()];
        for (at, words) in pieces {
            let (at, end) = (at * 8, (at + words) * 8);
            if at >= whole.len() {
                continue;
            }
            let (more, end) = (end < whole.len(), end.min(whole.len()));
            if at == 0 && !more {
                continue;
            }
            let bytes = &whole[at..end];
            let frame = if v6 {
                piece6(17, 1, at, more, bytes)
            } else {
                piece4(17, 1, at, more, bytes)
            };
            have[at..end].fill(true);
            match run.feed(&frame, 0) {
                Ok(seen) => {
                    prop_assert_eq!(&seen.payload[..], &whole[8..]);
                    prop_assert!(have.iter().all(|h| *h));
                    // What comes now belongs to the next one of that number.
                    have.fill(false);
                }
                Err(reason) => {
                    prop_assert_eq!(reason, Undecoded::FragmentWaiting);
                    prop_assert!(!have.iter().all(|h| *h));
                }
            }
        }
    }
}
