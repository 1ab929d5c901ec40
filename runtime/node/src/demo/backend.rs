//! Which server the demo generates text with: the one named, one that runs here already, or a small one that it fetches and manages.

use super::moment::{Moment, Screen};
use anyhow::Context;
use pylon_adapters::inference::managed::ManagedServer;
use pylon_adapters::inference::{OpenAi, client, connect, detect};
use pylon_core::ports::inference::Inference;
use std::path::Path;
use std::sync::Arc;

/// A backend, with the server behind it if that is ours to stop.
pub(super) struct Chosen {
    pub(super) adapter: Arc<dyn Inference>,
    pub(super) server: Option<ManagedServer>,
}

pub(super) async fn choose(url: Option<&str>, cache: &Path, logs: &Path, screen: &mut Screen) -> anyhow::Result<Chosen> {
    let http = client()?;
    let (adapter, server, whose): (OpenAi, _, _) = match url {
        Some(url) => {
            let adapter = connect(&http, url).await.with_context(|| format!("no backend at {url}: is the server up?"))?;
            (adapter, None, "as named")
        }
        None => match detect(&http).await {
            Some(adapter) => (adapter, None, "found on this machine"),
            None => {
                let server = ManagedServer::start(&http, cache, logs, &|what| eprintln!("{what}")).await?;
                (server.backend(&http)?, Some(server), "managed by the demo")
            }
        },
    };
    let models = adapter.models().await.with_context(|| format!("{} serves no model", adapter.url()))?;
    let model = models.first().map(|model| model.id.clone()).context("the backend serves no model: load one")?;
    let detail = format!("{} with {model} at {}, {whose}", adapter.id(), adapter.url());
    screen.show(&Moment::Ready { what: "backend", detail })?;
    Ok(Chosen { adapter: Arc::new(adapter), server })
}
