//! The state machine of one job. Its state is its row, its inputs are events, its outputs actions.
//!
//! `step` is total: an event that arrives late, twice or out of order changes nothing that it
//! should not, because relays and wallets guarantee no order. The outcome of an action comes back
//! as another event. Streamed text does not pass through the machine.

mod actions;
mod admit;
mod columns;
mod ending;
mod event;
mod failure;
mod money;
mod plan;
mod restart;
mod review;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod work;

pub use actions::{CommitAction, Effect, Step};
pub use admit::admit;
pub use columns::{Delivery, Execution, Invoicing, Settlement};
pub use event::Event;
pub use failure::Failure;
pub use plan::{Plan, Quotes, ROUTES_MAX};
pub use state::JobState;
pub use step::step;
