//! The ports: one trait per file, with one small error whose cases say what the caller does next.

pub mod clock;
pub mod decision_observer;
pub mod event_source;
pub mod executor;
pub mod guests;
pub mod inference;
pub mod inputs;
pub mod installations;
pub mod journal;
pub mod market;
pub mod payments;
