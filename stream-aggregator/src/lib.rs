//! stream-aggregator
