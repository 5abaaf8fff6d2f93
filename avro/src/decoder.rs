//! From a Kafka payload to a record.

use std::borrow::Cow;
use std::sync::Arc;

use domain::{Closed, FarmWindow, RawReading, TurbineWindow};

use crate::schema::WriterSchema;
use crate::{
    DecodeError, PartitionCheckpoint, RecordType, Registry, SchemaId, decode_checkpoint, decode_farm_window,
    decode_reading, decode_turbine_window, wire,
};

/// Reads framed records of any schema that the registry has learnt. One per thread; it does no I/O: a schema id that
/// is new is told as [`DecodeError::UnknownSchema`], and after [`Registry::resolve`] the payload can be tried again.
#[derive(Debug)]
pub struct Decoder {
    registry: Registry,
    /// Of the last record: the next one nearly always has the same.
    last: Option<Arc<WriterSchema>>,
}

impl Decoder {
    /// Reads what `registry` knows.
    pub const fn new(registry: Registry) -> Self {
        Self { registry, last: None }
    }

    /// A reading; it borrows from `payload` if that was written with the schema that is compiled in.
    ///
    /// # Errors
    /// [`DecodeError::UnknownSchema`] asks for a look-up; every other error is the payload's, for good.
    #[inline]
    pub fn reading<'a>(&mut self, payload: &'a [u8]) -> Result<RawReading<'a>, DecodeError> {
        let (schema, body) = self.split(payload)?;
        match schema.transcode(RecordType::Reading, body)? {
            None => decode_reading(body),
            Some(body) => match decode_reading(&body) {
                Ok(reading) => Ok(into_owned(reading)),
                Err(error) => Err(schema.unresolvable(error.to_string())),
            },
        }
    }

    /// A farm's window.
    ///
    /// # Errors
    /// As [`Self::reading`].
    pub fn farm_window(&mut self, payload: &[u8]) -> Result<Closed<FarmWindow>, DecodeError> {
        self.owned(RecordType::FarmWindow, payload, decode_farm_window)
    }

    /// A turbine's window.
    ///
    /// # Errors
    /// As [`Self::reading`].
    pub fn turbine_window(&mut self, payload: &[u8]) -> Result<Closed<TurbineWindow>, DecodeError> {
        self.owned(RecordType::TurbineWindow, payload, decode_turbine_window)
    }

    /// A partition's checkpoint.
    ///
    /// # Errors
    /// As [`Self::reading`].
    pub fn checkpoint(&mut self, payload: &[u8]) -> Result<PartitionCheckpoint, DecodeError> {
        self.owned(RecordType::PartitionCheckpoint, payload, decode_checkpoint)
    }

    fn owned<T>(
        &mut self,
        record: RecordType,
        payload: &[u8],
        decode: fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let (schema, body) = self.split(payload)?;
        match schema.transcode(record, body)? {
            None => decode(body),
            Some(body) => decode(&body).map_err(|error| schema.unresolvable(error.to_string())),
        }
    }

    #[inline]
    fn split<'a>(&mut self, payload: &'a [u8]) -> Result<(&WriterSchema, &'a [u8]), DecodeError> {
        let (id, body) = wire::split(payload)?;
        Ok((self.schema(id)?, body))
    }

    #[inline]
    fn schema(&mut self, id: SchemaId) -> Result<&WriterSchema, DecodeError> {
        let last = match self.last.take() {
            Some(last) if last.id() == id => last,
            Some(_) | None => self.registry.known(id).ok_or(DecodeError::UnknownSchema(id))?,
        };
        Ok(self.last.insert(last))
    }
}

fn into_owned(reading: RawReading<'_>) -> RawReading<'static> {
    RawReading {
        farm_id: Cow::Owned(reading.farm_id.into_owned()),
        turbine_id: Cow::Owned(reading.turbine_id.into_owned()),
        event_time: reading.event_time,
        sequence: reading.sequence,
        metrics: reading.metrics,
        operating_status: reading.operating_status,
    }
}
