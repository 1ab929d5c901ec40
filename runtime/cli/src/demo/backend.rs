//! The inference backend of the demo: the given one, one that already runs on this machine, or a
//! small server that the demo downloads and manages.

use super::steps::{DemoStep, Renderer};
use crate::output::eprint;
use anyhow::Context;
use pylon_adapters::inference::managed::ManagedServer;
use pylon_adapters::inference::{OpenAi, llama_cpp};
use pylon_core::ports::inference::Inference;
use pylon_egress::http::client;
use std::path::Path;
use std::sync::Arc;

/// A backend, with its server if the demo must stop it.
pub(super) struct Chosen {
    pub(super) adapter: Arc<dyn Inference>,
    pub(super) server: Option<ManagedServer>,
}

pub(super) async fn choose(
    url: Option<&str>,
    cache: &Path,
    logs: &Path,
    renderer: &mut Renderer,
) -> anyhow::Result<Chosen> {
    let http = client()?;
    let (adapter, server, origin): (OpenAi, _, _) = match url {
        Some(url) => {
            (llama_cpp::connect(&http, "llama_cpp", url).await?, None, "given with --backend")
        }
        None => match llama_cpp::detect(&http).await {
            Some(adapter) => (adapter, None, "found on this machine"),
            None => {
                let server = ManagedServer::start(&http, cache, logs, &eprint).await?;
                (server.backend(&http)?, Some(server), "managed by the demo")
            }
        },
    };
    let models = adapter
        .models()
        .await
        .with_context(|| format!("no backend responds at {}: start the server", adapter.url()))?;
    let model = models
        .first()
        .map(|model| model.id.clone())
        .context("the backend has no model: load one")?;
    let detail = format!("{} with {model} at {}, {origin}", adapter.id(), adapter.url());
    renderer.show(&DemoStep::Ready { part: "backend", detail })?;
    Ok(Chosen { adapter: Arc::new(adapter), server })
}
