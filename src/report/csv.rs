//! A flow record as one row of CSV (RFC 4180, but with a bare line feed, which every reader of CSV takes and which
//! spares the tools of the shell a carriage return in the last column).

use super::escape;
use crate::record::{Name, FIELDS, FieldSink, FlowRecord, Word, decimal};
use crate::time::Timestamp;

/// Appends the row of names.
pub fn append_csv_header(out: &mut Vec<u8>) {
    out.extend_from_slice(FIELDS.join(",").as_bytes());
    out.push(b'\n');
}

/// Appends `record` as one row: lists joined by a space, what is not known empty.
pub fn append_csv(record: &FlowRecord, out: &mut Vec<u8>) {
    let mut row = Row {
        out,
        begun: false,
        cell: Vec::new(),
    };
    record.visit(&mut row);
    out.push(b'\n');
}

/// Appends a cell of text from the wire: made safe for terminals and for spreadsheets, quoted where it has to be.
pub(crate) fn append_text_cell(out: &mut Vec<u8>, text: &str) {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let clean = |b| matches!(b, b' '..=b'~') && b != b',' && b != b'"';
    if !formula && text.bytes().fold(true, |all, b| all & clean(b)) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut cell = Vec::with_capacity(text.len());
    // Spreadsheets run a cell that begins so as a formula; an apostrophe makes it text. (Tab and carriage return are
    // in OWASP's list too; here they are escaped and cannot be first.)
    if formula {
        cell.push(b'\'');
    }
    escape::plain(&mut cell, text);
    append_cell(out, &cell);
}

fn append_cell(out: &mut Vec<u8>, cell: &[u8]) {
    if cell.iter().any(|b| matches!(b, b',' | b'"')) {
        out.push(b'"');
        for (i, piece) in cell.split(|b| *b == b'"').enumerate() {
            if i > 0 {
                out.extend_from_slice(b"\"\"");
            }
            out.extend_from_slice(piece);
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(cell);
    }
}

struct Row<'a> {
    out: &'a mut Vec<u8>,
    begun: bool,
    /// Room for a cell before it is known whether it needs quotes.
    cell: Vec<u8>,
}

impl Row<'_> {
    #[inline]
    fn next(&mut self) {
        if self.begun {
            self.out.push(b',');
        }
        self.begun = true;
    }
}

impl FieldSink for Row<'_> {
    fn text(&mut self, _: &'static Name, value: Option<&str>) {
        self.next();
        if let Some(text) = value {
            append_text_cell(self.out, text);
        }
    }

    #[inline]
    fn word<W: Word>(&mut self, _: &'static Name, value: Option<W>) {
        self.next();
        if let Some(word) = value {
            self.cell.clear();
            word.append(&mut self.cell);
            append_cell(self.out, &self.cell);
        }
    }

    fn number(&mut self, _: &'static Name, value: Option<u64>) {
        self.next();
        if let Some(number) = value {
            decimal(self.out, number);
        }
    }

    fn flag(&mut self, _: &'static Name, value: Option<bool>) {
        self.next();
        if let Some(flag) = value {
            self.out
                .extend_from_slice(if flag { b"true" } else { b"false" });
        }
    }

    fn time(&mut self, _: &'static Name, value: Option<Timestamp>) {
        self.next();
        if let Some(time) = value {
            time.write_rfc3339(self.out);
        }
    }

    #[inline]
    fn words<W: Word>(&mut self, _: &'static Name, values: Option<impl IntoIterator<Item = W>>) {
        self.next();
        self.cell.clear();
        for (i, word) in values.into_iter().flatten().enumerate() {
            if i > 0 {
                self.cell.push(b' ');
            }
            word.append(&mut self.cell);
        }
        append_cell(self.out, &self.cell);
    }

    fn texts(&mut self, _: &'static Name, values: Option<&[String]>) {
        self.next();
        if let Some(texts) = values {
            append_text_cell(self.out, &texts.join(" "));
        }
    }

    fn numbers(&mut self, _: &'static Name, values: impl Iterator<Item = u64>) {
        self.next();
        for (i, number) in values.enumerate() {
            if i > 0 {
                self.out.push(b' ');
            }
            decimal(self.out, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_full_record() {
        let mut out = Vec::new();
        append_csv_header(&mut out);
        append_csv(&samples::full_record(), &mut out);
        insta::assert_snapshot!(String::from_utf8(out).expect("CSV is UTF-8"));
    }

    #[test]
    fn cells() {
        for (text, want) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum(1,2)", "\"'@sum(1,2)\""),
            ("\t=1", "'\\u0009=1"),
            ("\r=1", "'\\u000d=1"),
            ("two\nlines", "two\\u000alines"),
        ] {
            let mut out = Vec::new();
            append_text_cell(&mut out, text);
            assert_eq!(String::from_utf8_lossy(&out), want, "{text:?}");
        }
    }

    #[test]
    fn an_empty_record_has_every_column() {
        let mut out = Vec::new();
        append_csv(&FlowRecord::default(), &mut out);
        let commas = out.iter().filter(|b| **b == b',').count();
        assert_eq!(commas, FIELDS.len() - 1);
    }
}
