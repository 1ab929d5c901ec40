//! Notification of every decision of a guest.

use crate::rows::{DecisionContext, DecisionRow};

/// Is notified of every decision after it was committed. It must not block and cannot fail.
pub trait DecisionObserver: Send + Sync {
    /// A decision was committed.
    fn on_decision(&self, decision: &DecisionRow, context: DecisionContext<'_>);
}

/// Ignores all decisions.
impl DecisionObserver for () {
    fn on_decision(&self, _: &DecisionRow, _: DecisionContext<'_>) {}
}
