//! Several packet sockets that share the packets of an interface.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::sockopt::{GetStruct, SetStruct};
use nix::sys::socket::{getsockopt, setsockopt};

/// packet(7): the group in the lower half, how it shares out in the upper one.
#[derive(Clone, Copy, Debug)]
struct PacketFanout;

nix::setsockopt_impl!(
    PacketFanout,
    libc::SOL_PACKET,
    libc::PACKET_FANOUT,
    u32,
    SetStruct<'_, u32>
);
nix::getsockopt_impl!(
    PacketFanout,
    libc::SOL_PACKET,
    libc::PACKET_FANOUT,
    u32,
    GetStruct<u32>
);

/// The number of a group.
pub(super) type Group = u16;

/// Puts a socket into a group, or into a new one whose number the kernel chooses.
pub(super) fn join(socket: &impl AsFd, group: Option<Group>) -> io::Result<Group> {
    let how = PACKET_FANOUT_HASH
        | if group.is_none() {
            PACKET_FANOUT_FLAG_UNIQUEID
        } else {
            0
        };
    let value = u32::from(group.unwrap_or_default()) | how << 16;
    setsockopt(socket, PacketFanout, &value)?;
    let got = getsockopt(socket, PacketFanout)?;
    // Of the upper half nothing is wanted.
    Ok((got & 0xffff) as Group)
}

// linux/if_packet.h
const PACKET_FANOUT_HASH: u32 = 0;
const PACKET_FANOUT_FLAG_UNIQUEID: u32 = 0x2000;
