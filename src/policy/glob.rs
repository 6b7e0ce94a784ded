//! Names with `*` in them, as policies write them.

/// A pattern in which `*` stands for any run of characters, compared without regard to case, as host names are
/// (RFC 4343).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// The pattern as it was written.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether `text` is one of those that the pattern stands for.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        // Where to go on when a run has to be one character longer.
        let mut retry = None;
        while let Some(byte) = text.get(t) {
            match pattern.get(p) {
                Some(b'*') => {
                    p += 1;
                    retry = Some((p, t));
                }
                Some(want) if want.eq_ignore_ascii_case(byte) => {
                    p += 1;
                    t += 1;
                }
                _ => match &mut retry {
                    None => return false,
                    Some((after, from)) => {
                        *from += 1;
                        (p, t) = (*after, *from);
                    }
                },
            }
        }
        pattern
            .get(p..)
            .unwrap_or_default()
            .iter()
            .all(|b| *b == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars() {
        for (pattern, text, fits) in [
            ("*.example", "mx.EXAMPLE", true),
            ("*.example", "example", false),
            ("mx*.example", "mx12.example", true),
            ("*_RC4_*", "TLS_RSA_WITH_RC4_128_SHA", true),
            ("*_RC4_*", "TLS_RSA_WITH_AES_128_CBC_SHA", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a**", "a", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), fits, "{pattern} {text}");
        }
    }
}
