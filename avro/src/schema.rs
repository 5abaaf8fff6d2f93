//! What a record was written with, and how that is brought to the schema that is compiled in.

use std::io::Read;
use std::sync::LazyLock;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::ResolvedSchema;
use apache_avro::schema_equality::{SchemataEq, StructFieldEq};
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{AvroResult, Schema};

use crate::guard::check_size;
use crate::{DecodeError, RecordType, SchemaId};

/// How much of the Avro library's words is kept: they can hold the whole record.
const CAUSE_CHARS: usize = 300;

/// A schema that a registry knows, ready to read with.
#[derive(Debug)]
pub struct WriterSchema {
    id: SchemaId,
    way: Way,
}

enum Way {
    /// It is the compiled-in schema of that record, but for documentation and defaults.
    Straight(RecordType),
    /// It is another one.
    Resolving(GenericDatumReader<'static>),
}

/// A schema of ours as the Avro library has it.
struct CompiledIn {
    schema: &'static Schema,
    names: ResolvedSchema<'static>,
    writer: GenericDatumWriter<'static>,
}

static COMPILED_IN: LazyLock<[CompiledIn; 4]> = LazyLock::new(|| {
    RecordType::ALL
        .map(|record| CompiledIn::parse(record.schema_json()).expect("the .avsc files are valid schemas"))
});

impl CompiledIn {
    fn parse(json: &str) -> AvroResult<Self> {
        // borrowed for as long as the program lives by what is beside it
        let schema: &'static Schema = Box::leak(Box::new(Schema::parse_str(json)?));
        Ok(Self {
            schema,
            names: ResolvedSchema::try_from(schema)?,
            writer: GenericDatumWriter::builder(schema).build()?,
        })
    }

    fn of(record: RecordType) -> &'static Self {
        &COMPILED_IN[record as usize]
    }
}

impl WriterSchema {
    /// The schema `json` under `id`.
    ///
    /// # Errors
    /// Why nothing can be read with it, in one sentence: it is no Avro schema, or its records could be without bound.
    pub fn parse(id: SchemaId, json: &str) -> Result<Self, String> {
        Self::new(id, Schema::parse_str(json).map_err(|error| shortened(&error))?)
    }

    pub(crate) fn new(id: SchemaId, schema: Schema) -> Result<Self, String> {
        let way = match compiled_in_as(&schema) {
            Some(record) => Way::Straight(record),
            None => Way::Resolving(resolving(schema)?),
        };
        Ok(Self { id, way })
    }

    /// The schema that is compiled in, under `id`.
    pub const fn compiled_in(id: SchemaId, record: RecordType) -> Self {
        Self {
            id,
            way: Way::Straight(record),
        }
    }

    /// The number under which the registry knows it.
    pub const fn id(&self) -> SchemaId {
        self.id
    }

    /// The record whose compiled-in schema this is, documentation and defaults aside; none if it is another one.
    pub const fn straight(&self) -> Option<RecordType> {
        match &self.way {
            Way::Straight(record) => Some(*record),
            Way::Resolving(_) => None,
        }
    }

    /// `body`, which was written with this schema, as the compiled-in schema of `record` has it: none if it is that
    /// already.
    pub(crate) fn transcode(&self, record: RecordType, body: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
        let transcoded = match &self.way {
            Way::Straight(own) if *own == record => return Ok(None),
            Way::Straight(own) => Err(format!("that is of {}, {} is wanted", own.name(), record.name())),
            Way::Resolving(reader) => resolve(reader, CompiledIn::of(record), body),
        };
        transcoded.map(Some).map_err(|cause| self.unresolvable(cause))
    }

    pub(crate) const fn unresolvable(&self, cause: String) -> DecodeError {
        DecodeError::Unresolvable {
            schema: self.id,
            cause,
        }
    }
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Straight(record) => f.debug_tuple("Straight").field(record).finish(),
            Self::Resolving(_) => f.write_str("Resolving"),
        }
    }
}

/// Compares what the bytes depend on: names, order, types, logical types and symbols.
fn compiled_in_as(schema: &Schema) -> Option<RecordType> {
    let equality = StructFieldEq {
        include_attributes: false,
    };
    RecordType::ALL
        .into_iter()
        .find(|record| equality.compare(schema, CompiledIn::of(*record).schema))
}

fn resolving(schema: Schema) -> Result<GenericDatumReader<'static>, String> {
    // the reader borrows it, and a schema is kept for as long as the program lives anyway: ids never change
    let schema: &'static Schema = Box::leak(Box::new(schema));
    let names: ResolvedSchema<'static> =
        ResolvedSchema::try_from(schema).map_err(|error| shortened(&error))?;
    check_size(schema, names.get_names())?;
    GenericDatumReader::builder(schema)
        .resolved_writer_schemata(names)
        .build()
        .map_err(|error| shortened(&error))
}

/// Reads with the writer's schema, resolves to ours, and writes that again.
fn resolve(reader: &GenericDatumReader<'_>, ours: &CompiledIn, body: &[u8]) -> Result<Vec<u8>, String> {
    let mut input = Input {
        left: body,
        ran_out: false,
    };
    let value = reader.read_value(&mut input);
    if input.ran_out {
        return Err(format!("the record ends too early, after {} bytes", body.len()));
    }
    let value = value.map_err(|error| shortened(&error))?;
    if !input.left.is_empty() {
        return Err(format!("{} bytes left over after the record", input.left.len()));
    }
    value
        .resolve_with_names(ours.schema, ours.names.get_names())
        .and_then(|value| ours.writer.write_value_to_vec(value))
        .map_err(|error| shortened(&error))
}

/// A record's bytes that remember being asked for more than there is: the Avro library takes the end of the input
/// within a union, a boolean or a string for null.
struct Input<'a> {
    left: &'a [u8],
    ran_out: bool,
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.ran_out |= buffer.len() > self.left.len();
        self.left.read(buffer)
    }
}

fn shortened(error: &apache_avro::Error) -> String {
    error.to_string().chars().take(CAUSE_CHARS).collect()
}
