//! Whatever the bytes: no panic, and what is claimed lies in the frame.

use super::tunnels::frames;
use super::*;
use proptest::prelude::*;

/// Link types that are read, and one that is not.
const LINKS: [u16; 34] = [
    0, 1, 9, 10, 12, 14, 50, 51, 100, 101, 104, 105, 107, 108, 109, 113, 117, 119, 127, 143, 147,
    163, 166, 178, 192, 204, 226, 228, 229, 239, 240, 242, 258, 276,
];

fn check(decoder: &mut Decoder, link: u16, frame: &[u8], wire_len: usize) {
    let mut extra = Vec::new();
    let time = Timestamp(0);
    if let Ok(decoded) = decoder.decode(LinkType(link), frame, wire_len, time, &mut extra) {
        let whole = if decoded.in_extra { &extra } else { frame };
        let end = decoded.payload_at + decoded.payload_len;
        assert!(end <= whole.len());
        assert!(decoded.payload_len <= decoded.wire_len);
        assert!(decoded.ethernet_at.is_none_or(|at| at + 14 <= frame.len()));
    }
}

#[test]
fn the_snap_length_may_cut_each_tunnel_anywhere() {
    for (_, frame, _) in frames() {
        let mut decoder = Decoder::new(&Limits::default());
        for len in 0..frame.len() {
            check(&mut decoder, 1, &frame[..len], frame.len());
            check(&mut decoder, 1, &frame[..len], len);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_on_any_link_type(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        more in 0..100_usize,
    ) {
        let mut decoder = Decoder::new(&Limits::default());
        for link in LINKS {
            check(&mut decoder, link, &bytes, bytes.len() + more);
            check(&mut decoder, link, &bytes, 0);
        }
    }

    #[test]
    fn any_change_to_a_tunnel(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let all = frames();
        let (_, mut frame, _) = all[pick.index(all.len())].clone();
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        let mut decoder = Decoder::new(&Limits::default());
        check(&mut decoder, 1, &frame, frame.len());
        check(&mut decoder, 1, &frame[..cut.index(frame.len())], frame.len());
        for link in LINKS {
            check(&mut decoder, link, &frame[14..], frame.len());
        }
    }
}
