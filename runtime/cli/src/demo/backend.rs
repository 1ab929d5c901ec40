//! Which server the demo generates text with: the one named, one that runs here already, or a small one that it fetches and manages.

use super::moment::{Moment, Screen};
use crate::output::note;
use anyhow::Context;
use pylon_adapters::inference::managed::ManagedServer;
use pylon_adapters::inference::{OpenAi, detect, llama_cpp};
use pylon_core::ports::inference::Inference;
use pylon_egress::http::client;
use std::path::Path;
use std::sync::Arc;

/// A backend, with the server behind it if that is ours to stop.
pub(super) struct Chosen {
    pub(super) adapter: Arc<dyn Inference>,
    pub(super) server: Option<ManagedServer>,
}

pub(super) async fn choose(
    url: Option<&str>,
    cache: &Path,
    logs: &Path,
    screen: &mut Screen,
) -> anyhow::Result<Chosen> {
    let http = client()?;
    let (adapter, server, whose): (OpenAi, _, _) = match url {
        Some(url) => {
            // As a node has it under `inference.llama_cpp.url`.
            (llama_cpp(&http, url).await?, None, "as named")
        }
        None => match detect(&http).await {
            Some(adapter) => (adapter, None, "found on this machine"),
            None => {
                let server = ManagedServer::start(&http, cache, logs, &note).await?;
                (server.backend(&http)?, Some(server), "managed by the demo")
            }
        },
    };
    let models = adapter
        .models()
        .await
        .with_context(|| format!("no backend at {}: is the server up?", adapter.url()))?;
    let model = models
        .first()
        .map(|model| model.id.clone())
        .context("the backend serves no model: load one")?;
    let detail = format!("{} with {model} at {}, {whose}", adapter.id(), adapter.url());
    screen.show(&Moment::Ready { what: "backend", detail })?;
    Ok(Chosen { adapter: Arc::new(adapter), server })
}
