//! Cache lines asked for before they are needed: the one place with `unsafe` code.
//!
//! Thousands of connections are open at a time, so a packet finds nothing of its flow in the near caches. What the
//! packets behind it will need is asked for while it is worked on; without that a replay takes half as long again (see
//! `benches/README.md`).
//!
//! Invariant: only prefetch instructions are issued. They may be given any address, valid or not; they read nothing
//! that the program could see, write nothing, and never fault.
#![allow(unsafe_code)]

/// Bytes in a line.
const LINE: usize = 64;

/// Asks for all lines of `value`, and for none beside it, but not for what it points to.
#[inline(always)]
pub fn whole<T>(value: &T) {
    let address = std::ptr::from_ref(value).cast::<u8>();
    let into_line = if align_of::<T>() < LINE {
        address.addr() % LINE
    } else {
        0
    };
    let begin = address.wrapping_sub(into_line);
    let mut at = 0;
    while at < into_line + size_of::<T>() {
        line(begin.wrapping_add(at));
        at += LINE;
    }
}

/// Asks for the first `lines` lines of `value`.
#[inline(always)]
pub fn first_lines<T>(value: &T, lines: usize) {
    let address = std::ptr::from_ref(value).cast::<u8>();
    for number in 0..lines {
        line(address.wrapping_add(number * LINE));
    }
}

/// Asks for all lines of `values`.
#[inline(always)]
pub fn slice<T>(values: &[T]) {
    let address = values.as_ptr().cast::<u8>();
    for at in (0..size_of_val(values)).step_by(LINE) {
        line(address.wrapping_add(at));
    }
}

/// Asks for the first `lines` lines of `bytes`, as far as it has so many.
#[inline(always)]
pub fn begin(bytes: &[u8], lines: usize) {
    for at in (0..bytes.len()).step_by(LINE).take(lines) {
        line(bytes.as_ptr().wrapping_add(at));
    }
}

/// Asks for the lines where bytes will be appended to `buffer`.
#[allow(
    clippy::ptr_arg,
    reason = "what lies behind a slice is nobody's to ask for"
)]
#[inline(always)]
pub fn end(buffer: &Vec<u8>) {
    let address = buffer.as_ptr().wrapping_add(buffer.len());
    line(address);
    line(address.wrapping_add(LINE));
}

#[inline(always)]
fn line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect that the program could see, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
