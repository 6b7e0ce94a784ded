//! Lines cut over segments, and words in them: what the protocols of commands and replies share.

use memchr::{memchr, memrchr};

/// Bytes of a line that are kept. RFC 5321 section 4.5.3.1 gives commands 512 and replies 512 octets, RFC 7162 section
/// 4 asks for 8192 in IMAP's commands; what decides stands at the beginning of a line.
const MAX_LINE_BYTES: usize = 2048;
/// Characters of a name that goes into a record.
const MAX_TEXT_CHARS: usize = 200;

/// Puts lines together. Over-long ones are cut; bytes are bytes, 8-bit ones too.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    kept: Vec<u8>,
    /// `kept` was handed out as a line.
    handed: bool,
    /// Bytes that are no lines, still to be passed over: a literal, a chunk.
    skip: u64,
}

impl Lines {
    /// The next whole line without its end, taken from the front of `bytes`.
    pub(crate) fn next<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Option<&'s [u8]> {
        self.next_until(b'\n', bytes)
    }

    /// As [`Self::next`], for lines that end otherwise.
    pub(crate) fn next_until<'s, 'b: 's>(
        &'s mut self,
        end: u8,
        bytes: &mut &'b [u8],
    ) -> Option<&'s [u8]> {
        if std::mem::take(&mut self.handed) {
            self.kept.clear();
        }
        if self.skip > 0 {
            let skipped = bytes
                .len()
                .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.skip -= skipped as u64;
            *bytes = bytes.get(skipped..).unwrap_or_default();
        }
        let Some(at) = memchr(end, bytes) else {
            self.keep(bytes);
            *bytes = &[];
            return None;
        };
        let (line, rest) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
        *bytes = rest.get(1..).unwrap_or_default();
        if self.kept.is_empty() {
            return Some(trim_end(line.get(..MAX_LINE_BYTES).unwrap_or(line)));
        }
        self.keep(line);
        self.handed = true;
        Some(trim_end(&self.kept))
    }

    /// The beginning of a line whose end has not come.
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.kept);
        (!std::mem::take(&mut self.handed) && !rest.is_empty()).then(|| trim_end(&rest).to_vec())
    }

    /// The next `len` bytes are not lines.
    pub(crate) const fn skip(&mut self, len: u64) {
        self.skip = len;
    }

    /// Bytes are missing: the line is lost, and what comes next is taken for the beginning of another, as packets
    /// mostly end where lines do.
    pub(crate) fn gap(&mut self, lost: u64) {
        self.kept.clear();
        self.handed = false;
        self.skip = self.skip.saturating_sub(lost);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES.saturating_sub(self.kept.len());
        self.kept
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

fn trim_end(line: &[u8]) -> &[u8] {
    let mut line = line;
    while let Some((b'\r' | b'\n', rest)) = line.split_last() {
        line = rest;
    }
    line
}

/// The first word of a line in upper case and what follows it. Words longer than any command are empty.
pub(crate) fn verb(line: &[u8]) -> (Word, &[u8]) {
    let line = line.trim_ascii_start();
    let end = line
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (Word::new(word), rest.trim_ascii_start())
}

/// A word in upper case, so that it can be matched as bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    bytes: [u8; 24],
    len: usize,
}

impl Word {
    pub(crate) fn new(word: &[u8]) -> Self {
        let mut upper = Self::default();
        if word.len() <= upper.bytes.len() {
            for (slot, byte) in upper.bytes.iter_mut().zip(word) {
                *slot = byte.to_ascii_uppercase();
            }
            upper.len = word.len();
        }
        upper
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Whether it has the form of a command: letters, of a length in `lengths`.
    pub(crate) fn is_command(&self, lengths: std::ops::RangeInclusive<usize>) -> bool {
        lengths.contains(&self.len) && self.as_bytes().iter().all(u8::is_ascii_uppercase)
    }
}

/// The words that begin the lines in `bytes`, for recognisers. The last line counts without its end only if `last`.
pub(crate) fn verbs(bytes: &[u8], last: bool) -> impl Iterator<Item = Word> + '_ {
    let whole = if last {
        bytes.len()
    } else {
        memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1)
    };
    let lines = bytes
        .get(..whole)
        .unwrap_or_default()
        .split(|b| *b == b'\n');
    lines
        .map(|line| verb(line).0)
        .filter(|word| !word.as_bytes().is_empty())
}

/// A reply's code, whether more lines follow, and its text (RFC 5321 section 4.2, RFC 959 section 4.2).
pub(crate) fn reply(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_first_chunk::<3>()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    match rest.split_first() {
        None => Some((code, false, rest)),
        Some((b'-', text)) => Some((code, true, text)),
        Some((b' ', text)) => Some((code, false, text)),
        Some(_) => Some((code, false, rest)),
    }
}

/// The bytes of the literal that a line announces, `{12}` or `{12+}` (RFC 9051 section 4.3, RFC 5804 section 4, RFC 2244
/// section 2.6.3).
pub(crate) fn literal(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"}")?;
    let digits = line.get(memrchr(b'{', line)? + 1..)?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether `bytes` begin as commands and replies do, so that words may be looked for. What follows may be 8-bit.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let text = |b: &u8| b.is_ascii_graphic() || b.is_ascii_whitespace();
    bytes.iter().take(4).all(text)
}

/// The lines of the first numbered reply, as far as they are there.
pub(crate) fn greeting(bytes: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        end += line.len();
        if reply(line).is_none_or(|(_, more, _)| !more) {
            break;
        }
    }
    bytes.get(..end).unwrap_or(bytes)
}

/// Whether `bytes` begins with `prefix`, in any case.
pub(crate) fn starts_with(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes
        .get(..prefix.len())
        .is_some_and(|b| b.eq_ignore_ascii_case(prefix))
}

/// Whether `bytes` may go on to begin with `prefix`.
pub(crate) fn may_start_with(bytes: &[u8], prefix: &[u8]) -> bool {
    let len = bytes.len().min(prefix.len());
    matches!((bytes.get(..len), prefix.get(..len)), (Some(a), Some(b)) if a.eq_ignore_ascii_case(b))
}

/// Whether `needle`, in upper case, stands in `bytes` in any case.
pub(crate) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty()
        && bytes
            .windows(needle.len())
            .any(|window| window.eq_ignore_ascii_case(needle))
}

/// SASL mechanisms whose first message is a secret that can be read or replayed (RFC 4616, LOGIN, RFC 7628).
pub(crate) fn is_clear_mechanism(word: &[u8]) -> bool {
    [
        &b"PLAIN"[..],
        b"LOGIN",
        b"XOAUTH",
        b"XOAUTH2",
        b"OAUTHBEARER",
        b"PLAIN-CLIENTTOKEN",
    ]
    .iter()
    .any(|m| word.eq_ignore_ascii_case(m))
}

/// A text for the record: trimmed, bounded, made UTF-8. `None` where nothing is left.
pub(crate) fn text(bytes: &[u8]) -> Option<Box<str>> {
    let bytes = bytes
        .get(..bytes.len().min(4 * MAX_TEXT_CHARS))
        .unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.chars().take(MAX_TEXT_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for chunk in chunks {
            let mut bytes = *chunk;
            while let Some(line) = lines.next(&mut bytes) {
                out.push(line.to_vec());
            }
        }
        out
    }

    #[test]
    fn lines_are_put_together_however_they_are_cut() {
        let text = b"EHLO a\r\n\xff\xfe 8-bit\nQUIT\r\nrest";
        let whole = split(&[text]);
        assert_eq!(whole, [&b"EHLO a"[..], b"\xff\xfe 8-bit", b"QUIT"]);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(split(&bytes), whole);
    }

    #[test]
    fn over_long_lines_are_cut_and_end_where_they_end() {
        let long = [vec![b'x'; 100_000], b"\r\nQUIT\r\n".to_vec()].concat();
        let halves: Vec<&[u8]> = long.chunks(1460).collect();
        let lines = split(&halves);
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].len(), &*lines[1]), (MAX_LINE_BYTES, &b"QUIT"[..]));
    }

    #[test]
    fn replies_and_words() {
        assert_eq!(reply(b"250-SIZE 10"), Some((250, true, &b"SIZE 10"[..])));
        assert_eq!(reply(b"220"), Some((220, false, &b""[..])));
        assert_eq!(reply(b"25"), None);
        assert_eq!(verb(b"  starttls  now").0.as_bytes(), b"STARTTLS");
        assert_eq!(verb(&[b'a'; 99]).0.as_bytes(), b"");
        assert_eq!(text(b"  \r\n"), None);
        assert_eq!(text(&[b'a'; 999]).map(|t| t.len()), Some(MAX_TEXT_CHARS));
    }
}
