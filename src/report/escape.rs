//! What must not reach a terminal, a log or another program as it came from the wire.

/// Whether a character can change what surrounds it on a screen, or be taken for something else: control characters
/// (C0, DEL, C1), the bidirectional controls of Unicode, line and paragraph separators, invisible format characters
/// and the tag block.
pub(crate) const fn is_unsafe(c: char) -> bool {
    matches!(
        c,
        '\u{0}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Appends `text` as the inside of a JSON string.
pub(crate) fn json(out: &mut Vec<u8>, text: &str) {
    escape(out, text, |c| c == '"' || c == '\\');
}

/// Appends `text` with unsafe characters as `\u202e`, for terminals and CSV. A backslash stays a backslash: it is
/// common in distinguished names, and the exact value is in the JSON.
pub(crate) fn plain(out: &mut Vec<u8>, text: &str) {
    escape(out, text, |_| false);
}

/// `text` made safe for a terminal.
pub(crate) fn for_terminal(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    plain(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// Escapes what serde_json leaves alone, in JSON that it wrote: such characters occur in strings only.
pub(crate) fn json_document(out: &mut Vec<u8>, document: &str) {
    escape_where(out, document, |c| c != '\n' && is_unsafe(c));
}

fn escape(out: &mut Vec<u8>, text: &str, special: impl Fn(char) -> bool) {
    // Nearly every string is plain ASCII and goes in one piece. No early exit: so the loop is vectorised.
    let dirty = text.bytes().fold(false, |dirty, b| {
        dirty | !matches!(b, 0x20..=0x7e) | special(b.into())
    });
    if dirty {
        escape_where(out, text, |c| special(c) || is_unsafe(c));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn escape_where(out: &mut Vec<u8>, text: &str, special: impl Fn(char) -> bool) {
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| special(*c)) {
        let (clean, tail) = rest.split_at(at);
        out.extend_from_slice(clean.as_bytes());
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            }
        }
        rest = tail.get(c.len_utf8()..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        for (text, json_text, terminal) in [
            ("mail.example", "mail.example", "mail.example"),
            ("a\"b\\c", "a\\\"b\\\\c", "a\"b\\c"),
            ("\u{1b}[31mred", "\\u001b[31mred", "\\u001b[31mred"),
            ("tab\there", "tab\\u0009here", "tab\\u0009here"),
            ("\u{9b}2J", "\\u009b2J", "\\u009b2J"),
            ("\u{7f}", "\\u007f", "\\u007f"),
            ("evil\u{202e}gpj", "evil\\u202egpj", "evil\\u202egpj"),
            ("a\u{2028}b", "a\\u2028b", "a\\u2028b"),
            ("\u{e0041}", "\\udb40\\udc41", "\\udb40\\udc41"),
            ("büro 日本", "büro 日本", "büro 日本"),
        ] {
            let mut out = Vec::new();
            json(&mut out, text);
            assert_eq!(String::from_utf8_lossy(&out), json_text);
            assert_eq!(for_terminal(text), terminal);
        }
    }

    proptest! {
        #[test]
        fn json_strings_come_back(text: String) {
            let mut out = vec![b'"'];
            json(&mut out, &text);
            out.push(b'"');
            let back: String = serde_json::from_slice(&out).expect("a JSON string");
            prop_assert_eq!(back, text);
        }

        #[test]
        fn nothing_unsafe_is_left(text: String) {
            prop_assert!(!for_terminal(&text).chars().any(is_unsafe));
        }
    }
}
