//! Records of others as they came, or cut where a topic does not take as much as the readings do.

use anyhow::Context;
use platform::{KafkaArgs, Topics, topics};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use crate::machine::Original;

/// The most that the producer sends in one record, bytes: as much as any of our topics takes unless it was told
/// otherwise.
pub(super) const LARGEST_MESSAGE: usize = 10_485_760;

/// What a topic takes unless we are told, bytes: Kafka's default.
const USUAL: usize = 1_048_588;

/// What a batch of one record needs besides its key, value and headers, and somewhat more.
const FRAME: usize = 256;

/// The same of a header.
const HEADER: usize = 12;

/// What says how long a value and a key were.
const ORIGINAL_BYTES: &str = "original.value.bytes";
const ORIGINAL_KEY_BYTES: &str = "original.key.bytes";

/// How large the records of others may be, bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) late_readings: usize,
    pub(super) dead_letters: usize,
    /// What every topic that we write to takes, which no batch may exceed either.
    pub(super) all: usize,
}

impl Room {
    /// As the topics are set now. Should one be set to less later on, its records may be refused until a restart.
    pub(super) async fn of(kafka: &KafkaArgs, names: &Topics) -> anyhow::Result<Self> {
        let asked = [
            names.late_readings.as_str(),
            &names.dead_letters,
            &names.farm_windows,
            &names.turbine_windows,
            &names.checkpoints,
        ];
        let told = topics::largest_messages(kafka, asked).await?;
        let told = told.map(|bytes| bytes.unwrap_or(USUAL).min(LARGEST_MESSAGE));
        let [late_readings, dead_letters, ..] = told;
        Ok(Self {
            late_readings,
            dead_letters,
            all: told.into_iter().min().context("there are topics")?,
        })
    }
}

/// What is sent of a record.
pub(super) struct Fitted<'a> {
    key: Option<&'a [u8]>,
    payload: Option<&'a [u8]>,
    headers: OwnedHeaders,
}

impl<'a> Fitted<'a> {
    /// Cuts the value, and if need be the key, so that all of it takes no more than `room` bytes; headers say so. A long key
    /// has half of it, and what a short value leaves.
    pub(super) fn of(original: &'a Original, mut headers: OwnedHeaders, room: usize) -> Self {
        let (mut key, mut payload) = (original.key.as_deref(), original.payload.as_deref());
        let taken = FRAME + size_of_headers(&headers);
        if taken + len(key) + len(payload) > room {
            let room = room.saturating_sub(taken + 2 * (HEADER + ORIGINAL_BYTES.len() + 20));
            headers = told(headers, ORIGINAL_BYTES, len(payload));
            let for_key = room.saturating_sub(len(payload)).max(room / 2);
            if len(key) > for_key {
                headers = told(headers, ORIGINAL_KEY_BYTES, len(key));
                key = cut(key, for_key);
            }
            payload = cut(payload, room - len(key));
        }
        Self {
            key,
            payload,
            headers,
        }
    }

    /// To the partition of that number.
    pub(super) fn record(&self, topic: &'a str, partition: i32) -> BaseRecord<'_, [u8], [u8], usize> {
        let mut record = BaseRecord::with_opaque_to(topic, 0)
            .partition(partition)
            .headers(self.headers.clone());
        record.key = self.key;
        record.payload = self.payload;
        record
    }
}

fn len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

fn cut(bytes: Option<&[u8]>, most: usize) -> Option<&[u8]> {
    bytes.map(|bytes| &bytes[..bytes.len().min(most)])
}

fn told(headers: OwnedHeaders, key: &str, bytes: usize) -> OwnedHeaders {
    headers.insert(Header {
        key,
        value: Some(&bytes.to_string()),
    })
}

fn size_of_headers(headers: &OwnedHeaders) -> usize {
    headers
        .iter()
        .map(|header| HEADER + header.key.len() + len(header.value))
        .sum()
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn original(key: usize, payload: usize) -> Original {
        Original {
            offset: 7,
            appended_at: Timestamp::default(),
            key: Some(vec![b'k'; key].into()),
            payload: Some(vec![b'v'; payload].into()),
        }
    }

    #[test]
    fn a_short_value_leaves_its_room_to_the_key() {
        let original = original(3_984, 3_016);
        let fitted = Fitted::of(&original, OwnedHeaders::new(), 6_761);
        assert_eq!(
            (len(fitted.key), len(fitted.payload)),
            (6_761 - FRAME - 104 - 3_016, 3_016)
        );
    }

    proptest! {
        #[test]
        fn what_is_sent_fits_and_says_what_it_lacks(key in 0..5_000_usize, payload in 0..50_000_usize, room in 1_024..30_000_usize) {
            let original = original(key, payload);
            let reason = Header { key: "dlq.reason", value: Some("it is too long") };
            let fitted = Fitted::of(&original, OwnedHeaders::new().insert(reason), room);
            let sent = FRAME + size_of_headers(&fitted.headers) + len(fitted.key) + len(fitted.payload);
            prop_assert!(sent <= room, "{sent}");
            let is_whole = len(fitted.key) == key && len(fitted.payload) == payload;
            let headers: Vec<_> = fitted.headers.iter().map(|header| header.key).collect();
            prop_assert_eq!(is_whole, !headers.contains(&ORIGINAL_BYTES));
            prop_assert_eq!(len(fitted.key) < key, headers.contains(&ORIGINAL_KEY_BYTES));
            prop_assert!(is_whole || sent + 200 >= room, "no more is cut than need be: {sent} of {room}");
            prop_assert_eq!(headers[0], "dlq.reason");
        }
    }
}
