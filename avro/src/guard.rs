//! Keeps a stranger's schema from making a short record large: the Avro library reads nested values by recursion and
//! allocates what the schema tells it to.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Once;

use apache_avro::Schema;
use apache_avro::schema::{FixedSchema, InnerDecimalSchema, Name, UuidSchema};

/// How deep a schema may nest; ours nest four deep. A recursive one has no end.
const MAX_DEPTH: usize = 32;

/// How many types a schema may have when every reference is written out; ours have about 140.
const MAX_TYPES: usize = 10_000;

/// The greatest `fixed`, and the most that one record's arrays and strings may take, bytes.
const MAX_BYTES: usize = 16 << 20;

/// Sees that records of `schema` have a bound that is worth reading.
///
/// # Errors
/// What has none, in one sentence.
pub(crate) fn check_size<S: Borrow<Schema>>(schema: &Schema, names: &HashMap<Name, S>) -> Result<(), String> {
    static LIMIT: Once = Once::new();
    LIMIT.call_once(|| {
        apache_avro::util::max_allocation_bytes(MAX_BYTES);
    });
    Walk { names, types: 0 }.visit(schema, 0)
}

struct Walk<'a, S> {
    names: &'a HashMap<Name, S>,
    types: usize,
}

impl<S: Borrow<Schema>> Walk<'_, S> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the many types that hold no other type"
    )]
    fn visit(&mut self, schema: &Schema, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!(
                "the schema is recursive or nests deeper than {MAX_DEPTH} types"
            ));
        }
        self.types += 1;
        if self.types > MAX_TYPES {
            return Err(format!("the schema has more than {MAX_TYPES} types"));
        }
        let names = self.names;
        match schema {
            Schema::Ref { name } => match names.get(name) {
                Some(named) => self.visit(named.borrow(), depth + 1),
                None => Err(format!("the schema does not define {name}")),
            },
            Schema::Record(record) => record
                .fields
                .iter()
                .try_for_each(|field| self.visit(&field.schema, depth + 1)),
            Schema::Union(union) => union
                .variants()
                .iter()
                .try_for_each(|variant| self.visit(variant, depth + 1)),
            Schema::Array(array) => self.visit(&array.items, depth + 1),
            Schema::Map(map) => self.visit(&map.types, depth + 1),
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                check_fixed(fixed)
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Fixed(fixed) => check_fixed(fixed),
                InnerDecimalSchema::Bytes => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

fn check_fixed(fixed: &FixedSchema) -> Result<(), String> {
    if fixed.size > MAX_BYTES {
        return Err(format!(
            "{} has {} bytes, at most {MAX_BYTES} are read",
            fixed.name, fixed.size
        ));
    }
    Ok(())
}
