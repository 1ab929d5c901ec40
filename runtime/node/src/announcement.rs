//! The node's announcement on the market: the kinds it can serve now, with the models. It is
//! updated when a backend, a guest or the profile changes, and at intervals.

use pylon_core::decision::Candidate;
use pylon_core::event::DomainEvent;
use pylon_core::work::ExecutionTarget;
use pylon_nostr::announcement::NodeAnnouncement;
use pylon_nostr::market::NostrMarket;
use pylon_provider::{BackendRegistry, NodeEvent};
use pylon_sandbox::GuestSetRegistry;
use pylon_slots::{HandledKind, handled_kinds};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::timeout;

/// The update interval without a change, because an observer may miss one.
const UPDATE_INTERVAL: Duration = Duration::from_secs(300);

/// The operator's description of the node.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The name, shown to people.
    pub name: String,
    /// The description, shown to people.
    pub about: String,
    /// Whether jobs are free.
    pub free: bool,
}

/// The announcement, as a pure function. Kinds without a usable backend are left out; their
/// requests are still answered.
pub fn announcement(
    profile: &Profile,
    handled: &[HandledKind],
    candidates: &[Candidate],
) -> NodeAnnouncement {
    let is_model =
        |candidate: &Candidate| matches!(candidate.route.target, ExecutionTarget::Model { .. });
    let (has_model, has_agent) =
        (candidates.iter().any(is_model), candidates.iter().any(|candidate| !is_model(candidate)));
    // Every job needs a route, even if its handler needs no backend.
    let is_served = |handled: &&HandledKind| {
        (!handled.inference || has_model)
            && (!handled.agent || has_agent)
            && (has_model || has_agent)
    };
    let mut kinds: Vec<u16> =
        handled.iter().filter(is_served).map(|handled| handled.kind).collect();
    kinds.sort_unstable();
    let mut models = Vec::new();
    for candidate in candidates {
        if let ExecutionTarget::Model { model, .. } = &candidate.route.target
            && !models.contains(model)
        {
            models.push(model.clone());
        }
    }
    NodeAnnouncement {
        name: profile.name.clone(),
        about: profile.about.clone(),
        kinds,
        models,
        free: profile.free,
    }
}

/// Updates the announcement and the subscribed kinds until aborted.
pub async fn run(
    mut profile: watch::Receiver<Profile>,
    guest_sets: Arc<GuestSetRegistry>,
    backends: Arc<BackendRegistry>,
    mut changes: Changes,
    market: Arc<NostrMarket>,
) {
    loop {
        let handled = handled_kinds(&guest_sets);
        market.set_kinds(handled.iter().map(|handled| handled.kind).collect());
        let current = profile.borrow_and_update().clone();
        market.announce(announcement(&current, &handled, &backends.candidates()));
        tokio::select! {
            _ = timeout(UPDATE_INTERVAL, changes.next()) => {}
            Ok(()) = profile.changed() => {}
        }
    }
}

/// The changes that update the announcement.
pub struct Changes {
    /// Events of the backends.
    pub backends: broadcast::Receiver<NodeEvent>,
    /// Changes of the guests.
    pub guests: watch::Receiver<u64>,
}

impl Changes {
    /// Waits for a change of a backend or a guest.
    async fn next(&mut self) {
        tokio::select! {
            () = changed(&mut self.backends) => {}
            Ok(()) = self.guests.changed() => {}
        }
    }
}

/// Waits for a change of a backend.
async fn changed(events: &mut broadcast::Receiver<NodeEvent>) {
    loop {
        match events.recv().await {
            Ok(NodeEvent::Domain(
                DomainEvent::BackendAvailable { .. }
                | DomainEvent::BackendUnavailable { .. }
                | DomainEvent::ModelsRefreshed { .. },
            ))
            | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            // No sender is left: only the interval updates the announcement.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::work::Route;

    fn candidate(place: ExecutionTarget) -> Candidate {
        Candidate {
            route: Route { target: place, price_permille: 1000 },
            context_tokens: None,
            in_flight: 0,
            limit: 1,
            queued: 0,
            first_output_ms: None,
            tokens_per_second: None,
            failure_permille: 0,
            preferred: false,
        }
    }

    /// Goal: only kinds that can be served are announced. Method: a kind that needs a model and one
    /// that needs an agent, with different backends.
    #[test]
    fn only_kinds_that_can_be_served_are_announced() {
        let handled = [
            HandledKind { kind: 5932, inference: false, agent: true },
            HandledKind { kind: 5050, inference: true, agent: false },
        ];
        let model = |model: &str| {
            candidate(ExecutionTarget::Model { backend: "b".into(), model: model.into() })
        };
        let agent = candidate(ExecutionTarget::Agent {
            backend: "codex_code".into(),
            isolation: "container".into(),
        });
        let rows = [
            (vec![], vec![], vec![]),
            (vec![model("m"), model("m"), model("n")], vec![5050], vec!["m", "n"]),
            (vec![agent.clone()], vec![5932], vec![]),
            (vec![agent, model("m")], vec![5050, 5932], vec!["m"]),
        ];
        for (candidates, kinds, models) in rows {
            let announced = announcement(&Profile::default(), &handled, &candidates);
            assert_eq!(
                (announced.kinds, announced.models),
                (kinds, models.into_iter().map(str::to_owned).collect())
            );
        }
    }
}
