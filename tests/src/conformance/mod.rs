//! What each port promises, as checks of any adapter behind it. `tests/it/conformance.rs` runs them
//! for every row; an adapter's own tests cover what is special about it.

pub mod executor;
pub mod inference;
pub mod inputs;
pub mod journal;
pub mod market;

use std::time::Duration;

/// Generous, because a busy machine is slow and no check asserts speed.
const TIMEOUT: Duration = Duration::from_secs(60);

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future).await.expect("in time")
}
