//! A flow record as one line of JSON.

use super::escape;
use crate::record::{FieldSink, FlowRecord, Name, Rendered, Word, decimal};
use crate::time::Timestamp;

/// Appends `record` as one JSON object and a line feed. This is on the hot path: no formatting machinery, no
/// allocation but the growth of `out`.
pub fn append_ndjson(record: &FlowRecord, out: &mut Vec<u8>) {
    // An ordinary record fits; so few fields have to ask for more.
    out.reserve(4096);
    let begin = out.len();
    let mut line = Line { out };
    record.visit(&mut line);
    // Each field brings the comma before it; that of the first opens the object.
    if let Some(first) = out.get_mut(begin) {
        *first = b'{';
    }
    out.extend_from_slice(b"}\n");
}

struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl Line<'_> {
    /// The field as a whole: `null`, or what `write` appends.
    #[inline]
    fn field<T>(
        &mut self,
        name: &'static Name,
        value: Option<T>,
        write: impl FnOnce(&mut Vec<u8>, T),
    ) {
        match value {
            Some(value) => {
                name.json.append(self.out);
                write(self.out, value);
            }
            None => name.json_null.append(self.out),
        }
    }

    /// Likewise, for what stands in quotation marks.
    #[inline]
    fn string<T>(
        &mut self,
        name: &'static Name,
        value: Option<T>,
        write: impl FnOnce(&mut Vec<u8>, T),
    ) {
        match value {
            Some(value) => {
                name.json_quoted.append(self.out);
                write(self.out, value);
                self.out.push(b'"');
            }
            None => name.json_null.append(self.out),
        }
    }
}

fn list<T>(
    out: &mut Vec<u8>,
    values: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, value);
    }
    out.push(b']');
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

impl FieldSink for Line<'_> {
    fn text(&mut self, name: &'static Name, value: Option<&str>) {
        self.string(name, value, escape::json);
    }

    #[inline]
    fn word<W: Word>(&mut self, name: &'static Name, value: Option<W>) {
        self.string(name, value, |out, word| word.append(out));
    }

    fn number(&mut self, name: &'static Name, value: Option<u64>) {
        self.field(name, value, decimal);
    }

    fn flag(&mut self, name: &'static Name, value: Option<bool>) {
        self.field(name, value, |out, flag| {
            out.extend_from_slice(if flag { b"true" } else { b"false" });
        });
    }

    fn time(&mut self, name: &'static Name, value: Option<Timestamp>) {
        self.string(name, value, |out, time| time.write_rfc3339(out));
    }

    #[inline]
    fn words<W: Word>(&mut self, name: &'static Name, values: Option<impl IntoIterator<Item = W>>) {
        self.field(name, values, |out, words| {
            list(out, words, |out, word| quoted(out, |out| word.append(out)));
        });
    }

    fn texts(&mut self, name: &'static Name, values: Option<&[String]>) {
        self.field(name, values, |out, texts| {
            list(out, texts, |out, text| {
                quoted(out, |out| escape::json(out, text));
            });
        });
    }

    fn shared(&mut self, cache: &Rendered, write: impl Fn(&mut Self)) {
        if let Some(text) = cache.0.get() {
            self.out.extend_from_slice(text);
            return;
        }
        let begin = self.out.len();
        write(self);
        let _ = cache
            .0
            .set(self.out.get(begin..).unwrap_or_default().into());
    }

    fn numbers(&mut self, name: &'static Name, values: impl Iterator<Item = u64>) {
        self.field(name, Some(values), |out, numbers| {
            list(out, numbers, decimal);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FIELDS;
    use crate::report::samples;

    #[test]
    fn a_full_record() {
        let mut out = Vec::new();
        append_ndjson(&samples::full_record(), &mut out);
        insta::assert_snapshot!(String::from_utf8(out).expect("JSON is UTF-8"));
    }

    #[test]
    fn fields_come_in_the_order_of_the_contract() {
        for record in [samples::full_record(), FlowRecord::default()] {
            let mut out = Vec::new();
            append_ndjson(&record, &mut out);
            let text = String::from_utf8(out).expect("JSON is UTF-8");
            let object: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&text).expect("one JSON object");
            assert_eq!(object.len(), FIELDS.len());
            let mut at = 0;
            for name in FIELDS {
                let key = format!("\"{name}\":");
                at += text.get(at..).and_then(|t| t.find(&key)).expect(name);
            }
        }
    }

    #[test]
    fn hostile_text_stays_inside_its_string() {
        let record = FlowRecord {
            sni: Some("a\",\"verdict\":\"ok\u{1b}]0;x\u{7}\n".into()),
            ..FlowRecord::default()
        };
        let mut out = Vec::new();
        append_ndjson(&record, &mut out);
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&out).expect("one JSON object");
        assert_eq!(value["sni"], record.sni.as_deref().unwrap_or_default());
        assert_eq!(value["verdict"], "unknown");
    }
}
