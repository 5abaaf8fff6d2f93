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
