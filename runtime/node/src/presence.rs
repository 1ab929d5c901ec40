//! What the node says of itself on the market: the kinds that can be served at this moment, and with which models. Looked at again whenever a
//! backend comes or goes or the operator finds other words, and now and then for whatever else may have changed.

use pylon_core::decision::Candidate;
use pylon_core::event::DomainEvent;
use pylon_core::work::ExecutionTarget;
use pylon_nostr::announcement::NodeAnnouncement;
use pylon_nostr::market::NostrMarket;
use pylon_provider::{Backends, Observation};
use pylon_sandbox::GuestSetRegistry;
use pylon_slots::{HandledKind, handled_kinds};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::timeout;

/// An observer may miss that a backend has changed.
const LOOK_EVERY: Duration = Duration::from_secs(300);

/// What the operator says of the node.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// Shown to people.
    pub name: String,
    /// Shown to people.
    pub about: String,
    /// Nothing is charged.
    pub free: bool,
}

/// Pure: what to say. A kind that nobody could serve now is not announced, and its requests are still answered.
pub fn presence(
    words: &Words,
    handled: &[HandledKind],
    candidates: &[Candidate],
) -> NodeAnnouncement {
    let is_model =
        |candidate: &Candidate| matches!(candidate.route.target, ExecutionTarget::Model { .. });
    let (models_there, agents_there) =
        (candidates.iter().any(is_model), candidates.iter().any(|candidate| !is_model(candidate)));
    // Every job needs a route, also of a kind whose handler asks for nothing.
    let able = |handled: &&HandledKind| {
        (!handled.inference || models_there)
            && (!handled.agent || agents_there)
            && (models_there || agents_there)
    };
    let mut kinds: Vec<u16> = handled.iter().filter(able).map(|handled| handled.kind).collect();
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
        name: words.name.clone(),
        about: words.about.clone(),
        kinds,
        models,
        free: words.free,
    }
}

/// Keeps the market told, and asked for the kinds that have a handler, until stopped.
pub async fn run(
    mut words: watch::Receiver<Words>,
    generations: Arc<GuestSetRegistry>,
    backends: Arc<Backends>,
    mut news: News,
    market: Arc<NostrMarket>,
) {
    loop {
        let handled = handled_kinds(&generations);
        market.set_kinds(handled.iter().map(|handled| handled.kind).collect());
        let said = words.borrow_and_update().clone();
        market.announce(presence(&said, &handled, &backends.candidates()));
        tokio::select! {
            _ = timeout(LOOK_EVERY, news.next()) => {}
            Ok(()) = words.changed() => {}
        }
    }
}

/// What may change what is said.
pub struct News {
    /// Backends come and go.
    pub backends: broadcast::Receiver<Observation>,
    /// Handlers, too.
    pub guests: watch::Receiver<u64>,
}

impl News {
    /// A backend or a guest has come, gone or changed.
    async fn next(&mut self) {
        tokio::select! {
            () = changed(&mut self.backends) => {}
            Ok(()) = self.guests.changed() => {}
        }
    }
}

/// A backend has come, gone or changed.
async fn changed(watched: &mut broadcast::Receiver<Observation>) {
    loop {
        match watched.recv().await {
            Ok(Observation::Event(
                DomainEvent::BackendAvailable { .. }
                | DomainEvent::BackendUnavailable { .. }
                | DomainEvent::ModelsRefreshed { .. },
            ))
            | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            // Nobody is left who could tell: the next look comes with time.
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

    /// Goal: what cannot be served is not announced. Method: two kinds, one that needs a model and one that needs an agent, against who is there.
    #[test]
    fn only_what_can_be_served_is_announced() {
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
            let said = presence(&Words::default(), &handled, &candidates);
            assert_eq!(
                (said.kinds, said.models),
                (kinds, models.into_iter().map(str::to_owned).collect())
            );
        }
    }
}
