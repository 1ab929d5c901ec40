//! Random sequences of events.

use super::*;
use proptest::prelude::*;

fn any_event() -> impl Strategy<Value = Event> {
    let attempt = 1..4u32;
    prop_oneof![
        4 => Just(Scheduled),
        4 => (attempt.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(n, second, partial)| {
                ran_on(n, if second { "second" } else { "first" }, partial)
            }),
        1 => attempt.clone().prop_map(|n| broke(n, JobError::Timeout)),
        4 => attempt.clone().prop_map(accept),
        1 => attempt.clone().prop_map(reject),
        2 => attempt.clone().prop_map(|attempt| Event::VerdictMissing { attempt }),
        1 => Just(Event::Accepted),
        1 => Just(Event::Rejected),
        1 => Just(Event::Drained),
        1 => attempt.clone().prop_map(retry),
        4 => (attempt, 0..9_000u64).prop_map(|(n, due)| amount_due(n, due)),
        4 => Just(invoiced(PRICE)),
        1 => Just(InvoiceFailed),
        1 => Just(Event::InputsFailed(JobError::Timeout)),
        2 => (1..6_000u64).prop_map(held),
        3 => (1..6_000u64).prop_map(paid),
        1 => Just(InvoiceExpired(HASH)),
        1 => Just(InvoiceOpen(HASH)),
        1 => Just(Cancelled),
        1 => Just(Delivered),
        1 => Just(Undeliverable),
        1 => Just(Event::Panicked),
        2 => Just(Restarted),
        1 => Just(Event::RestartedWithoutGuests),
    ]
}

fn any_terms() -> impl Strategy<Value = Terms> {
    prop_oneof![
        Just(Terms::Free),
        Just(Terms::OnDelivery),
        Just(Terms::BeforeWork),
        Just(Terms::Hold)
    ]
}

proptest! {
    /// Events in any order: a payment is credited once and only after the wallet reported it, at
    /// most one result is sent, and an ended job stays ended.
    #[test]
    fn no_order_of_events_breaks_the_invariants(
        terms in any_terms(),
        events in proptest::collection::vec(any_event(), 0..40),
    ) {
        let (mut state, _) = fresh(terms);
        let (mut delivered, mut earned, mut reported) = (0, Msat::ZERO, Msat::ZERO);
        for event in events {
            let (was_over, execution) = (state.is_over(), state.execution);
            if let Event::Paid(_, amount) = &event { reported = reported.max(*amount); }
            let Step { commit, effects } = step(&mut state, event, NOW);
            prop_assert!(!was_over || state.execution == execution, "an ended job stays ended");
            for action in &commit {
                match action {
                    CommitAction::Deliver => delivered += 1,
                    CommitAction::Earn { amount, .. } => earned = earned.saturating_add(*amount),
                    _ => {}
                }
            }
            for effect in &effects {
                match effect {
                    Effect::Run { .. } => prop_assert_eq!(state.execution, Execution::Processing),
                    Effect::CreateInvoice { amount, .. } => prop_assert!(*amount <= state.cap()),
                    _ => {}
                }
            }
            let has_output = state.execution == Execution::Processing && state.output.is_some();
            prop_assert!(!state.is_in_review() || has_output);
            let is_prepaid = matches!(terms, Terms::BeforeWork | Terms::Hold);
            if state.delivery == Delivery::Queued && is_prepaid {
                prop_assert_eq!(state.settlement, Settlement::Paid, "no result is sent unpaid");
            }
            if state.settlement == Settlement::Unpaid {
                prop_assert_eq!(state.delivery, Delivery::Delivered, "no result, no debt");
            }
            if state.delivery == Delivery::Failed {
                let is_charged = matches!(state.settlement, Settlement::Pending | Settlement::Held)
                    || state.settlement == Settlement::Paid && is_prepaid;
                prop_assert!(!is_charged, "no result, no charge");
            }
        }
        prop_assert!(delivered <= 1, "one result");
        prop_assert!(earned <= reported, "only what the wallet reported");
        prop_assert!(earned.is_zero() || state.settlement == Settlement::Paid);
        prop_assert_eq!(delivered == 1, state.execution == Execution::Completed);
    }
}
