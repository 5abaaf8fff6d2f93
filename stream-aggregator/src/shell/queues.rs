//! Records by the batch, straight from librdkafka: `rd_kafka_consume_callback` hands over many under one lock, where the
//! client's own `poll` makes an event, a shared pointer and four looks at the clock of each.
//!
//! What is fetched of the partitions goes into one queue of ours, led there *before* they are assigned, so that none of it
//! ever lies in the consumer's own. That one keeps what is no record: rebalances, statistics, errors of the client. It is one
//! queue and not one for each partition, since librdkafka asks the broker for those partitions whose queue is not full: with
//! a queue each, one with a backlog waits for a broker that waits for something to come into the others.
//!
//! Of the calls that hand over many, only this one is right for us: `rd_kafka_consume_batch_queue` counts the end of a
//! partition as a record of the position, so that a partition is resumed beyond its end; and
//! `rd_kafka_consume_callback_queue` takes all that there is out of the queue at once, so that nothing bounds it.

#![expect(
    unsafe_code,
    reason = "the client's library has the calls that hand over many records, but not in its safe part"
)]

use std::any::Any;
use std::borrow::Cow;
use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::thread::Thread;
use std::time::Duration;

use domain::Timestamp;
use rdkafka::bindings::{
    rd_kafka_consume_callback, rd_kafka_consume_callback_queue, rd_kafka_message_timestamp,
    rd_kafka_queue_cb_event_enable, rd_kafka_queue_destroy, rd_kafka_queue_forward,
    rd_kafka_queue_get_consumer, rd_kafka_queue_get_partition, rd_kafka_queue_length, rd_kafka_queue_new,
    rd_kafka_topic_destroy, rd_kafka_topic_new,
};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{IsError, KafkaError, RDKafkaErrorCode};
use rdkafka::types::{RDKafka, RDKafkaMessage, RDKafkaQueue, RDKafkaTopic};

use crate::machine::Record;

/// Where a consumer's records go, and whom they wake. To be kept where it lives as long as the client: in its context.
pub(super) struct Funnel {
    /// The stream thread; boxed since librdkafka keeps its address.
    thread: Box<Thread>,
    /// The queue of all partitions; null while nobody serves it.
    records: AtomicPtr<RDKafkaQueue>,
}

/// The queues of a consumer that outlives them.
pub(super) struct Queues<'c> {
    /// That of the partitions.
    topic: NonNull<RDKafkaTopic>,
    /// The consumer's own.
    events: NonNull<RDKafkaQueue>,
    /// Holds the records' queue; it is in the context of the consumer, which the topic is of.
    funnel: &'c Funnel,
}

/// What is told of a partition instead of a record.
pub(super) struct Told<'m> {
    pub(super) partition: i32,
    pub(super) error: KafkaError,
    /// In librdkafka's words.
    pub(super) reason: Cow<'m, str>,
}

impl Funnel {
    /// Wakes the thread that calls this.
    pub(super) fn of_this_thread() -> Self {
        Self {
            thread: Box::new(std::thread::current()),
            records: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Leads what is fetched of these partitions into the queue of records; to be called before they are assigned.
    pub(super) fn lead<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        topic: &str,
        partitions: impl IntoIterator<Item = i32>,
    ) {
        let topic = named(topic);
        let records = self.records.load(Ordering::Relaxed);
        for partition in partitions {
            // SAFETY: the client lives as long as `consumer`, and the name ends with a zero.
            let queue =
                unsafe { rd_kafka_queue_get_partition(client_of(consumer), topic.as_ptr(), partition) };
            // SAFETY: both queues are ours, or the second is null: then the records stay in the partition's own.
            unsafe { rd_kafka_queue_forward(queue, records) };
            // SAFETY: the queue is ours until it is destroyed, which only ends our hold on it.
            unsafe { rd_kafka_queue_destroy(queue) };
        }
    }

    /// Sees to it that what comes into `queue` while that is empty wakes the thread.
    fn wake_for(&self, queue: *mut RDKafkaQueue) {
        let thread: *const Thread = &*self.thread;
        // SAFETY: the thread's handle stays where it is, and the client's context, where this lies, outlives everything that
        // puts something into a queue.
        unsafe { rd_kafka_queue_cb_event_enable(queue, Some(wake), thread.cast_mut().cast()) };
    }
}

/// # Safety
/// `thread` points to a [`Thread`].
unsafe extern "C" fn wake(_client: *mut RDKafka, thread: *mut c_void) {
    // SAFETY: as this function's own.
    unsafe { &*thread.cast::<Thread>() }.unpark();
}

impl<'c> Queues<'c> {
    /// Those of `topic`, and the consumer's own, which wake the thread from now on; `funnel` lies in the consumer's context.
    pub(super) fn of<C: ConsumerContext>(
        consumer: &'c BaseConsumer<C>,
        topic: &str,
        funnel: &'c Funnel,
    ) -> Self {
        let client = client_of(consumer);
        // SAFETY: the client lives as long as `consumer`, which is a consumer and so has such a queue.
        let events = unsafe { rd_kafka_queue_get_consumer(client) };
        // SAFETY: the same.
        let records = unsafe { rd_kafka_queue_new(client) };
        for queue in [events, records] {
            funnel.wake_for(queue);
        }
        funnel.records.store(records, Ordering::Relaxed);
        // SAFETY: the same; the name ends with a zero, and is copied.
        let topic = unsafe { rd_kafka_topic_new(client, named(topic).as_ptr(), ptr::null_mut()) };
        Self {
            topic: NonNull::new(topic).expect("librdkafka knows the topic that it has subscribed to"),
            events: NonNull::new(events).expect("a consumer that is of a group has a queue"),
            funnel,
        }
    }

    /// Waits until something has come into a queue since it was last found empty, or `patience` is over.
    pub(super) fn wait(&self, patience: Duration) {
        std::thread::park_timeout(patience);
    }

    /// Whether the consumer has something to tell besides records. One `poll` that does not wait serves one of these, so that
    /// it is to be called until there are none: those that are left wake nobody.
    pub(super) fn have_events(&self) -> bool {
        // SAFETY: the queue is ours.
        unsafe { rd_kafka_queue_length(self.events.as_ptr()) > 0 }
    }

    /// Hands over from the queue that `partition` is led to, one after the other and at most `consume.callback.max.messages`:
    /// each record, of whichever partition, or what is told instead of one. Does not wait. How many there were.
    pub(super) fn hand_over<F>(&self, partition: i32, take: F) -> usize
    where
        F: FnMut(Result<Record<'_>, Told<'_>>),
    {
        let mut taker = Taker { take, panic: None };
        // SAFETY: the topic is ours, and `taker` is of the type that the function is for and outlives the call.
        let count = unsafe {
            rd_kafka_consume_callback(
                self.topic.as_ptr(),
                partition,
                0,
                Some(hand_over::<F>),
                (&raw mut taker).cast(),
            )
        };
        if let Some(panic) = taker.panic {
            resume_unwind(panic);
        }
        usize::try_from(count).unwrap_or(0) // below zero for a partition that it does not know
    }

    /// Drops what is still there when no partition is ours any more: it would lie there until one is. An answer of the broker
    /// that was on its way when a partition was let go is not among it: its records lie in the partition's own queue until the
    /// partition is ours again, or the client ends.
    pub(super) fn drop_records(&self) {
        let records = self.funnel.records.load(Ordering::Relaxed);
        // SAFETY: the queue is ours, and lives as long as this.
        unsafe { rd_kafka_consume_callback_queue(records, 0, Some(dropped), ptr::null_mut()) };
    }
}

impl Drop for Queues<'_> {
    fn drop(&mut self) {
        let records = self.funnel.records.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: they were got by `of`, and are destroyed once, before the client; what else is led to the records' queue is
        // dropped from now on.
        unsafe {
            rd_kafka_queue_destroy(records);
            rd_kafka_queue_destroy(self.events.as_ptr());
            rd_kafka_topic_destroy(self.topic.as_ptr());
        }
    }
}

struct Taker<F> {
    take: F,
    /// What must not pass through librdkafka.
    panic: Option<Box<dyn Any + Send>>,
}

unsafe extern "C" fn dropped(_message: *mut RDKafkaMessage, _: *mut c_void) {}

/// # Safety
/// `taker` points to a `Taker<F>` that nobody else uses meanwhile, `message` to a message.
unsafe extern "C" fn hand_over<F>(message: *mut RDKafkaMessage, taker: *mut c_void)
where
    F: FnMut(Result<Record<'_>, Told<'_>>),
{
    // SAFETY: as this function's own.
    let (message, taker) = unsafe { (&*message, &mut *taker.cast::<Taker<F>>()) };
    if taker.panic.is_none() {
        // SAFETY: the message is librdkafka's, who keeps it until this function is left.
        let taken = catch_unwind(AssertUnwindSafe(|| (taker.take)(unsafe { record(message) })));
        taker.panic = taken.err();
    }
}

/// # Safety
/// The message is as librdkafka has made it.
unsafe fn record(message: &RDKafkaMessage) -> Result<Record<'_>, Told<'_>> {
    // SAFETY: as this function's own: pointers and lengths belong together, and live as long as the message.
    let payload = unsafe { bytes(message.payload, message.len) };
    if message.err.is_error() {
        let code = RDKafkaErrorCode::from(message.err);
        let error = if code == RDKafkaErrorCode::PartitionEOF {
            KafkaError::PartitionEOF(message.partition)
        } else if code == RDKafkaErrorCode::Fatal {
            KafkaError::MessageConsumptionFatal(code)
        } else {
            KafkaError::MessageConsumption(code)
        };
        let reason = String::from_utf8_lossy(payload.unwrap_or_default());
        return Err(Told {
            partition: message.partition,
            error,
            reason,
        });
    }
    // SAFETY: the same; which kind of time it is need not be told.
    let appended_ms = unsafe { rd_kafka_message_timestamp(message, ptr::null_mut()) };
    Ok(Record {
        partition: message.partition,
        offset: message.offset,
        appended_at: Timestamp::from_millis(appended_ms.max(0)),
        // SAFETY: as for the payload.
        key: unsafe { bytes(message.key, message.key_len) },
        payload,
    })
}

/// # Safety
/// `start` is null, or the start of `length` bytes that live as long as `'m`.
unsafe fn bytes<'m>(start: *mut c_void, length: usize) -> Option<&'m [u8]> {
    // SAFETY: as this function's own.
    NonNull::new(start.cast::<u8>()).map(|start| unsafe { slice::from_raw_parts(start.as_ptr(), length) })
}

fn client_of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> *mut RDKafka {
    consumer.client().native_ptr()
}

fn named(topic: &str) -> CString {
    CString::new(topic).expect("no topic's name has a zero in it")
}
