//! Flow records as Parquet, typed columns with the contract's names, for DuckDB, Polars, Spark and the like.
//!
//! In: records as NDJSON, in any pieces. Out: row groups, compressed by zstd. The file is whole once [`Writer::finish`]
//! was called: Parquet's index stands at the end.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use serde_json::{Map, Value};

use crate::record::{FieldSink, FlowRecord, Name, Word};
use crate::time::Timestamp;

/// Rows of a row group at the most.
const MAX_ROWS: usize = 50_000;
/// Bytes of NDJSON that a row group is made of at the most; they bound the memory.
const MAX_GROUP_BYTES: usize = 32 << 20;

/// Writes records to one file.
pub struct Writer<W: Write + Send> {
    /// `None` once the file is finished.
    file: Option<SerializedFileWriter<W>>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
    /// A line whose end has not come.
    rest: Vec<u8>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    Time,
    Texts,
    Numbers,
}

/// A column of the row group in the making.
struct Column {
    name: &'static str,
    kind: Kind,
    texts: Vec<ByteArray>,
    numbers: Vec<i64>,
    flags: Vec<bool>,
    /// Per value or absence of one: how much of the path to it is there. Of a list: 0 no list, 1 an empty one, 2 a value.
    definitions: Vec<i16>,
    /// Per value of a list: 0 begins a row, 1 goes on.
    repetitions: Vec<i16>,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W) -> io::Result<Self> {
        let columns = columns();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("hellotap ", env!("CARGO_PKG_VERSION")).into())
            .build();
        let schema = schema(&columns).map_err(error)?;
        let file = SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(error)?;
        Ok(Self {
            file: Some(file),
            columns,
            rows: 0,
            bytes: 0,
            rest: Vec::new(),
        })
    }

    /// Takes records, a line each.
    ///
    /// # Errors
    /// Where the file cannot be written, or a line is no JSON object.
    pub fn write_ndjson(&mut self, text: &[u8]) -> io::Result<()> {
        for piece in text.split_inclusive(|byte| *byte == b'\n') {
            if !piece.ends_with(b"\n") {
                self.rest.extend_from_slice(piece);
                continue;
            }
            if self.rest.is_empty() {
                self.row(piece)?;
            } else {
                let mut line = std::mem::take(&mut self.rest);
                line.extend_from_slice(piece);
                self.row(&line)?;
            }
            if self.rows >= MAX_ROWS || self.bytes >= MAX_GROUP_BYTES {
                self.flush_group()?;
            }
        }
        Ok(())
    }

    /// Writes what is left, and the index.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush_group()?;
        match self.file.take() {
            Some(file) => file.close().map(drop).map_err(error),
            None => Ok(()),
        }
    }

    fn row(&mut self, line: &[u8]) -> io::Result<()> {
        let record: Map<String, Value> = serde_json::from_slice(line)?;
        for column in &mut self.columns {
            column.push(record.get(column.name).unwrap_or(&Value::Null));
        }
        self.rows += 1;
        self.bytes += line.len();
        Ok(())
    }

    fn flush_group(&mut self) -> io::Result<()> {
        let Some(file) = self.file.as_mut().filter(|_| self.rows > 0) else {
            return Ok(());
        };
        let mut group = file.next_row_group().map_err(error)?;
        for column in &mut self.columns {
            column.write(&mut group).map_err(error)?;
        }
        group.close().map_err(error)?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl<W: Write + Send> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Column {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            texts: Vec::new(),
            numbers: Vec::new(),
            flags: Vec::new(),
            definitions: Vec::new(),
            repetitions: Vec::new(),
        }
    }

    fn push(&mut self, value: &Value) {
        if matches!(self.kind, Kind::Texts | Kind::Numbers) {
            return self.push_list(value);
        }
        let known = self.push_value(value);
        self.definitions.push(known.into());
    }

    fn push_list(&mut self, value: &Value) {
        let Some(list) = value.as_array() else {
            self.definitions.push(0);
            return self.repetitions.push(0);
        };
        if list.is_empty() {
            self.definitions.push(1);
            return self.repetitions.push(0);
        }
        let mut repetition = 0;
        for value in list {
            // Values of another kind are not in records of ours; an empty text keeps the list's length.
            if !self.push_value(value) {
                self.push_value(&Value::String(String::new()));
            }
            self.definitions.push(2);
            self.repetitions.push(repetition);
            repetition = 1;
        }
    }

    /// Whether the value is one of the column's kind, and not null.
    fn push_value(&mut self, value: &Value) -> bool {
        match self.kind {
            Kind::Text | Kind::Texts => match value.as_str() {
                Some(text) => self.texts.push(text.as_bytes().to_vec().into()),
                None => return false,
            },
            Kind::Number | Kind::Numbers => match value.as_u64() {
                Some(number) => self.numbers.push(i64::try_from(number).unwrap_or(i64::MAX)),
                None => return false,
            },
            Kind::Flag => match value.as_bool() {
                Some(flag) => self.flags.push(flag),
                None => return false,
            },
            Kind::Time => {
                let time = value.as_str().and_then(Timestamp::from_rfc3339);
                match time.and_then(|time| i64::try_from(time.0).ok()) {
                    Some(time) => self.numbers.push(time),
                    None => return false,
                }
            }
        }
        true
    }

    fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let mut column = group
            .next_column()?
            .ok_or_else(|| ParquetError::General("a column is missing".into()))?;
        let definitions = Some(self.definitions.as_slice());
        let repetitions =
            matches!(self.kind, Kind::Texts | Kind::Numbers).then_some(self.repetitions.as_slice());
        match self.kind {
            Kind::Text | Kind::Texts => {
                column.typed::<ByteArrayType>().write_batch(
                    &self.texts,
                    definitions,
                    repetitions,
                )?;
            }
            Kind::Number | Kind::Numbers | Kind::Time => {
                column
                    .typed::<Int64Type>()
                    .write_batch(&self.numbers, definitions, repetitions)?;
            }
            Kind::Flag => {
                column
                    .typed::<BoolType>()
                    .write_batch(&self.flags, definitions, repetitions)?;
            }
        }
        self.texts.clear();
        self.numbers.clear();
        self.flags.clear();
        self.definitions.clear();
        self.repetitions.clear();
        column.close()
    }
}

fn error(error: ParquetError) -> io::Error {
    match error {
        // The operating system's own word, where it was one.
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

/// The columns, as a record shows its fields.
fn columns() -> Vec<Column> {
    let mut columns = Columns(Vec::new());
    FlowRecord::default().visit(&mut columns);
    columns.0
}

fn schema(columns: &[Column]) -> Result<TypePtr, ParquetError> {
    let fields = columns.iter().map(field).collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder("flow")
        .with_fields(fields)
        .build()?;
    Ok(Arc::new(schema))
}

fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let value = |name, physical, logical, repetition| -> Result<TypePtr, ParquetError> {
        let builder = Type::primitive_type_builder(name, physical);
        let builder = builder
            .with_repetition(repetition)
            .with_logical_type(logical);
        Ok(Arc::new(builder.build()?))
    };
    let (physical, logical) = match column.kind {
        Kind::Text | Kind::Texts => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Number | Kind::Numbers => (Physical::INT64, None),
        Kind::Flag => (Physical::BOOLEAN, None),
        Kind::Time => (
            Physical::INT64,
            Some(LogicalType::timestamp(true, TimeUnit::NANOS)),
        ),
    };
    if !matches!(column.kind, Kind::Texts | Kind::Numbers) {
        return value(column.name, physical, logical, Repetition::OPTIONAL);
    }
    // Three levels, as Parquet's LogicalTypes has lists.
    let element = value("element", physical, logical, Repetition::REQUIRED)?;
    let list = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![element])
        .build()?;
    let outer = Type::group_type_builder(column.name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(list)])
        .build()?;
    Ok(Arc::new(outer))
}

struct Columns(Vec<Column>);

impl FieldSink for Columns {
    fn text(&mut self, name: &'static Name, _: Option<&str>) {
        self.0.push(Column::new(name.text, Kind::Text));
    }
    fn word<W: Word>(&mut self, name: &'static Name, _: Option<W>) {
        self.0.push(Column::new(name.text, Kind::Text));
    }
    fn number(&mut self, name: &'static Name, _: Option<u64>) {
        self.0.push(Column::new(name.text, Kind::Number));
    }
    fn flag(&mut self, name: &'static Name, _: Option<bool>) {
        self.0.push(Column::new(name.text, Kind::Flag));
    }
    fn time(&mut self, name: &'static Name, _: Option<Timestamp>) {
        self.0.push(Column::new(name.text, Kind::Time));
    }
    fn words<W: Word>(&mut self, name: &'static Name, _: Option<impl IntoIterator<Item = W>>) {
        self.0.push(Column::new(name.text, Kind::Texts));
    }
    fn texts(&mut self, name: &'static Name, _: Option<&[String]>) {
        self.0.push(Column::new(name.text, Kind::Texts));
    }
    fn numbers(&mut self, name: &'static Name, _: impl Iterator<Item = u64>) {
        self.0.push(Column::new(name.text, Kind::Numbers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FIELDS;
    use crate::report::{append_ndjson, samples};
    use bytes::Bytes;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::{Field, RowAccessor as _};

    #[test]
    fn what_was_written_is_read_back() {
        let mut text = Vec::new();
        append_ndjson(&samples::full_record(), &mut text);
        append_ndjson(&FlowRecord::default(), &mut text);
        let mut writer = Writer::new(Vec::new()).expect("memory");
        // In pieces, as they come.
        for piece in text.chunks(100) {
            writer.write_ndjson(piece).expect("memory");
        }
        writer.flush_group().expect("memory");
        let file = writer
            .file
            .take()
            .expect("open")
            .into_inner()
            .expect("memory");
        let reader = SerializedFileReader::new(Bytes::from(file)).expect("it is Parquet");
        let rows: Vec<_> = reader
            .get_row_iter(None)
            .expect("rows")
            .map(|row| row.expect("a row"))
            .collect();
        assert_eq!(rows.len(), 2);
        let names: Vec<_> = rows[0]
            .get_column_iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, FIELDS);
        let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        for (row, line) in rows.iter().zip(lines) {
            let line: Map<String, Value> = serde_json::from_slice(line).expect("JSON");
            for (name, field) in row.get_column_iter() {
                let want = &line[name];
                let equal = match (field, want) {
                    (Field::Null, Value::Null) => true,
                    (Field::Str(text), Value::String(want)) => text == want,
                    (Field::Long(number), Value::Number(want)) => {
                        Some(*number as u64) == want.as_u64()
                    }
                    (Field::Bool(flag), Value::Bool(want)) => flag == want,
                    (Field::Long(time), Value::String(want)) => {
                        Timestamp(*time as u64).to_string() == *want
                    }
                    (Field::ListInternal(list), Value::Array(want)) => list.len() == want.len(),
                    _ => false,
                };
                assert!(equal, "{name}: {field:?} is not {want}");
            }
        }
        assert_eq!(rows[0].get_string(0).ok().map(String::as_str), Some("flow"));
    }
}
