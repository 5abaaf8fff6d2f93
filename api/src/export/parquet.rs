//! Parquet: columns of the same kinds as in the table, all of them optional, times in microseconds of UTC, compressed
//! with zstd, in row groups that are small enough to be gathered in memory.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::{Cell, Column, EncodeError, Encoder, Kind, Tabular};

/// Cells of a row group: of readings about 8,000 rows, a megabyte or two.
const CELLS_OF_GROUP: usize = 120_000;

/// The cells of a column that are not null.
enum Values {
    Texts(Vec<ByteArray>),
    Integers(Vec<i64>),
    Floats(Vec<f64>),
}

/// A column of the row group that is being gathered.
struct Gathered {
    values: Values,
    /// 1 for a value, 0 for null.
    levels: Vec<i16>,
}

/// Writes rows as a Parquet file.
#[derive(Default)]
pub struct ParquetWriter {
    /// None before it begins and after it has finished.
    file: Option<SerializedFileWriter<Vec<u8>>>,
    columns: Vec<Gathered>,
}

impl<T: Tabular> Encoder<T> for ParquetWriter {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let columns = T::columns();
        self.file = Some(new_file(&columns)?);
        self.columns = columns.iter().map(|column| Gathered::new(column.kind)).collect();
        self.hand_over(out)
    }

    fn row(&mut self, row: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        for (column, cell) in self.columns.iter_mut().zip(row.cells()) {
            column.push(cell);
        }
        let is_full = self
            .columns
            .first()
            .is_some_and(|column| column.levels.len() * self.columns.len() >= CELLS_OF_GROUP);
        if is_full {
            self.write_group()?;
            self.hand_over(out)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write_group()?;
        if let Some(mut file) = self.file.take() {
            file.finish()?;
            out.append(file.inner_mut());
        }
        Ok(())
    }
}

impl ParquetWriter {
    fn write_group(&mut self) -> Result<(), EncodeError> {
        let is_empty = self.columns.first().is_none_or(|column| column.levels.is_empty());
        let Some(file) = self.file.as_mut().filter(|_| !is_empty) else {
            return Ok(());
        };
        let mut group = file.next_row_group()?;
        for column in &mut self.columns {
            let mut writer = group.next_column()?.ok_or_else(|| {
                ParquetError::General("fewer columns in the schema than in a row".to_owned())
            })?;
            column.write(writer.untyped())?;
            writer.close()?;
        }
        group.close()?;
        Ok(())
    }

    /// What has been written so far is sent.
    fn hand_over(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if let Some(file) = &mut self.file {
            file.flush().map_err(ParquetError::from)?;
            out.append(file.inner_mut());
        }
        Ok(())
    }
}

fn new_file(columns: &[Column]) -> Result<SerializedFileWriter<Vec<u8>>, ParquetError> {
    let fields = columns
        .iter()
        .map(|column| column_type(column).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_created_by("Veleta".to_owned())
        .build();
    SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))
}

fn column_type(column: &Column) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Time => (
            Physical::INT64,
            Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
        ),
        Kind::Integer => (Physical::INT64, None),
        Kind::Float => (Physical::DOUBLE, None),
    };
    Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

impl Gathered {
    const fn new(kind: Kind) -> Self {
        Self {
            values: match kind {
                Kind::Text => Values::Texts(Vec::new()),
                Kind::Time | Kind::Integer => Values::Integers(Vec::new()),
                Kind::Float => Values::Floats(Vec::new()),
            },
            levels: Vec::new(),
        }
    }

    /// A cell of another kind than its column's is null.
    fn push(&mut self, cell: Cell<'_>) {
        let is_value = match (&mut self.values, cell) {
            (Values::Texts(texts), Cell::Text(text)) => {
                texts.push(ByteArray::from(text.into_owned().into_bytes()));
                true
            }
            (Values::Integers(numbers), Cell::Integer(number)) => {
                numbers.push(number);
                true
            }
            (Values::Integers(numbers), Cell::Time(time)) => {
                numbers.push(time.as_micros());
                true
            }
            (Values::Floats(numbers), Cell::Float(number)) => {
                numbers.push(number);
                true
            }
            (Values::Texts(_) | Values::Integers(_) | Values::Floats(_), _) => false,
        };
        self.levels.push(i16::from(is_value));
    }

    /// Writes what was gathered, and begins again.
    fn write(&mut self, writer: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = Some(self.levels.as_slice());
        match (&mut self.values, writer) {
            (Values::Texts(values), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Integers(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Floats(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                writer.write_batch(values, levels, None)?;
                values.clear();
            }
            _ => return Err(ParquetError::General("a column is of another type".to_owned())),
        }
        self.levels.clear();
        Ok(())
    }
}

impl From<ParquetError> for EncodeError {
    fn from(error: ParquetError) -> Self {
        Self(error.into())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use domain::Timestamp;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    struct Row(Option<&'static str>, Timestamp, Option<i64>, Option<f64>);

    impl Tabular for Row {
        fn columns() -> Vec<Column> {
            vec![
                Column::text("name"),
                Column::time("at"),
                Column::integer("count"),
                Column::float("value"),
            ]
        }

        fn cells(&self) -> Vec<Cell<'_>> {
            vec![
                Cell::optional(self.0),
                self.1.into(),
                Cell::optional(self.2),
                Cell::optional(self.3),
            ]
        }
    }

    #[test]
    fn what_is_written_can_be_read_group_by_group() {
        let at = |n: i64| Timestamp::from_micros(1_764_000_000_000_000 + n);
        let rows = 2 * CELLS_OF_GROUP / 4 + 1;
        let mut writer = ParquetWriter::default();
        let (mut file, mut longest) = (Vec::new(), 0);
        let mut piece = Vec::new();
        Encoder::<Row>::begin(&mut writer, &mut piece).unwrap();
        for n in 0..rows as i64 {
            let is_even = n % 2 == 0;
            let row = Row(
                is_even.then_some("even"),
                at(n),
                (!is_even).then_some(-n),
                is_even.then_some(n as f64 / 4.0),
            );
            writer.row(&row, &mut piece).unwrap();
            longest = longest.max(piece.len());
            file.append(&mut piece);
        }
        Encoder::<Row>::finish(&mut writer, &mut piece).unwrap();
        file.append(&mut piece);
        assert!(
            longest < file.len() * 2 / 3,
            "sent piece by piece: {longest} of {}",
            file.len()
        );

        let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
        assert_eq!(reader.num_row_groups(), 3);
        let read: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.len(), rows);
        let fields = |n: usize| -> Vec<Field> {
            let columns = read[n].get_column_iter();
            columns.map(|(_, field)| field.clone()).collect()
        };
        assert_eq!(
            fields(40_002),
            [
                Field::Str("even".to_owned()),
                Field::TimestampMicros(1_764_000_000_040_002),
                Field::Null,
                Field::Double(10_000.5)
            ]
        );
        assert_eq!(fields(3)[2], Field::Long(-3));
    }

    #[test]
    fn a_file_without_rows_has_its_columns() {
        let (mut writer, mut file) = (ParquetWriter::default(), Vec::new());
        Encoder::<Row>::begin(&mut writer, &mut file).unwrap();
        Encoder::<Row>::finish(&mut writer, &mut file).unwrap();
        let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
        let schema = reader.metadata().file_metadata().schema_descr();
        assert_eq!((schema.num_columns(), reader.num_row_groups()), (4, 0));
    }
}
