//! The records that travel through Kafka.

/// A record of the contract; each has its `.avsc` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordType {
    /// One report of one turbine.
    Reading,
    /// A closed window of a farm.
    FarmWindow,
    /// A closed window of a turbine.
    TurbineWindow,
    /// What outlives the windows of a partition.
    PartitionCheckpoint,
}

impl RecordType {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Reading,
        Self::FarmWindow,
        Self::TurbineWindow,
        Self::PartitionCheckpoint,
    ];

    /// The record's name within the namespace `windfarm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reading => "Reading",
            Self::FarmWindow => "FarmWindow",
            Self::TurbineWindow => "TurbineWindow",
            Self::PartitionCheckpoint => "PartitionCheckpoint",
        }
    }

    /// The schema that is compiled in, as its `.avsc` file has it.
    pub const fn schema_json(self) -> &'static str {
        match self {
            Self::Reading => include_str!("../Reading.avsc"),
            Self::FarmWindow => include_str!("../FarmWindow.avsc"),
            Self::TurbineWindow => include_str!("../TurbineWindow.avsc"),
            Self::PartitionCheckpoint => include_str!("../PartitionCheckpoint.avsc"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_field_says_what_it_is_and_what_may_be_missing_is_null() {
        for record in RecordType::ALL {
            let schema: Value = serde_json::from_str(record.schema_json()).unwrap();
            assert_eq!(
                (&schema["namespace"], &schema["name"]),
                (&"windfarm".into(), &record.name().into())
            );
            check(&schema);
        }
    }

    fn check(schema: &Value) {
        for field in schema["fields"].as_array().into_iter().flatten() {
            assert!(
                field["doc"].as_str().is_some_and(|doc| !doc.is_empty()),
                "{field}"
            );
            if field["type"][0] == "null" {
                assert_eq!(field.get("default"), Some(&Value::Null), "{field}");
            }
            check(&field["type"]);
        }
        let inner = [&schema["items"], &schema[1]];
        inner.into_iter().filter(|inner| !inner.is_null()).for_each(check);
    }
}
