//! The records in the Avro library's own terms, written down a second time from the contract.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use avro::{PartitionCheckpoint, RecordType};
use domain::{
    CloseReason, Closed, Extreme, FarmWindow, Metric, MetricStats, Quality, RawReading, Timestamp, TurbineId,
    TurbineWindow,
};

pub(crate) fn schema(record: RecordType) -> Schema {
    Schema::parse_str(record.schema_json()).unwrap()
}

pub(crate) fn encode(schema: &Schema, value: Value) -> Vec<u8> {
    GenericDatumWriter::builder(schema)
        .build()
        .unwrap()
        .write_value_to_vec(value)
        .unwrap()
}

pub(crate) fn decode(schema: &Schema, mut body: &[u8]) -> apache_avro::AvroResult<Value> {
    GenericDatumReader::builder(schema)
        .build()
        .unwrap()
        .read_value(&mut body)
}

pub(crate) fn reading(reading: &RawReading<'_>) -> Value {
    let mut fields = vec![
        field("farm_id", text(&reading.farm_id)),
        field("turbine_id", text(&reading.turbine_id)),
        field("event_time", time(reading.event_time)),
        field("sequence", optional(reading.sequence.map(Value::Long))),
    ];
    for metric in Metric::ALL {
        fields.push(field(
            metric.name(),
            optional(reading.metrics.get(metric).map(Value::Double)),
        ));
    }
    let status = reading.operating_status.map(|status| {
        let symbols = [
            "UNKNOWN",
            "GENERATING",
            "DERATED",
            "IDLE",
            "STARTING",
            "STOPPED",
            "MAINTENANCE",
            "FAULT",
        ];
        let place = symbols
            .iter()
            .position(|symbol| *symbol == status.as_str())
            .unwrap();
        Value::Enum(place as u32, status.as_str().to_owned())
    });
    fields.push(field("operating_status", optional(status)));
    Value::Record(fields)
}

pub(crate) fn farm_window(closed: &Closed<FarmWindow>) -> Value {
    Value::Record(window(&closed.window, None, closed.close_reason))
}

pub(crate) fn turbine_window(closed: &Closed<TurbineWindow>) -> Value {
    Value::Record(window(
        &closed.window.window,
        Some(&closed.window.turbine_id),
        closed.close_reason,
    ))
}

pub(crate) fn checkpoint(checkpoint: &PartitionCheckpoint) -> Value {
    let farms = checkpoint.farms.iter().map(|(farm_id, closed_until)| {
        Value::Record(vec![
            field("farm_id", text(farm_id.as_str())),
            field("closed_until", time(*closed_until)),
        ])
    });
    Value::Record(vec![
        field("partition", Value::Int(checkpoint.partition)),
        field("farms", Value::Array(farms.collect())),
    ])
}

fn window(
    window: &FarmWindow,
    turbine_id: Option<&TurbineId>,
    close_reason: CloseReason,
) -> Vec<(String, Value)> {
    let mut fields = vec![field("farm_id", text(window.farm_id.as_str()))];
    fields.extend(turbine_id.map(|id| field("turbine_id", text(id.as_str()))));
    let close_reason = match close_reason {
        CloseReason::StreamTime => Value::Enum(0, "STREAM_TIME".to_owned()),
        CloseReason::Idle => Value::Enum(1, "IDLE".to_owned()),
    };
    let metrics =
        Metric::ALL.map(|metric| field(metric.name(), optional(window.metrics.get(metric).map(stats))));
    let quality = Quality::NAMES
        .into_iter()
        .zip(window.quality.counts())
        .map(|(name, count)| field(name, Value::Long(count as i64)));
    let clocks = window.suspicious_clocks.iter();
    let clocks = clocks.map(|turbine_id| Value::String(turbine_id.to_string()));
    fields.extend([
        field("window_start", time(window.window_start)),
        field("window_end", time(window.window_end)),
        field("close_reason", close_reason),
        field("reading_count", Value::Long(window.reading_count as i64)),
        field("duplicate_count", Value::Long(window.duplicate_count as i64)),
        field("rejected_count", Value::Long(window.rejected_count as i64)),
        field("turbine_count", Value::Long(window.turbine_count as i64)),
        field("energy_kwh", optional(window.energy_kwh.map(Value::Double))),
        field("metrics", Value::Record(metrics.into())),
        field("quality", Value::Record(quality.collect())),
        field("suspicious_clocks", Value::Array(clocks.collect())),
    ]);
    fields
}

fn stats(stats: &MetricStats<TurbineId>) -> Value {
    let mut fields = vec![field("count", Value::Long(stats.count() as i64))];
    match stats {
        MetricStats::Scalar(stats) => {
            fields.push(field("mean", Value::Double(stats.mean)));
            fields.push(field("m2", Value::Double(stats.m2)));
        }
        MetricStats::Direction(stats) => {
            fields.push(field("sum_sin", Value::Double(stats.sum_sin)));
            fields.push(field("sum_cos", Value::Double(stats.sum_cos)));
        }
    }
    fields.push(field("min", extreme(stats.min())));
    fields.push(field("max", extreme(stats.max())));
    Value::Record(fields)
}

fn extreme(extreme: &Extreme<TurbineId>) -> Value {
    Value::Record(vec![
        field("value", Value::Double(extreme.value)),
        field("turbine_id", text(extreme.turbine_id.as_str())),
        field("event_time", time(extreme.event_time)),
    ])
}

fn field(name: &str, value: Value) -> (String, Value) {
    (name.to_owned(), value)
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn time(time: Timestamp) -> Value {
    Value::TimestampMicros(time.as_micros())
}

fn optional(value: Option<Value>) -> Value {
    match value {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(value) => Value::Union(1, Box::new(value)),
    }
}
