//! Do the backends answer, and do they serve what is preferred?

use super::Row;
use pylon_core::completion::ModelInfo;
use pylon_node::config::Config;
use pylon_node::node;
use std::time::Duration;
use tokio::time::timeout;

const CHECK: &str = "backend";
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn check(config: &Config) -> Vec<Row> {
    let adapters = match node::configured(config).await {
        Ok(adapters) => adapters,
        Err(error) => {
            return vec![Row::broken(
                CHECK,
                format!("{error:#}"),
                "correct `inference` in the settings",
            )];
        }
    };
    let mut rows = Vec::new();
    let mut served: Vec<ModelInfo> = Vec::new();
    for adapter in adapters {
        let id = adapter.id();
        let start = || format!("start the server, or set `inference.{id}.url`");
        rows.push(match timeout(ANSWER_WITHIN, adapter.models()).await {
            Ok(Ok(models)) if models.is_empty() => {
                Row::broken(CHECK, format!("{id} serves no model"), "load one")
            }
            Ok(Ok(models)) => {
                let names: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
                let row = Row::ok(CHECK, format!("{id} serves {}", names.join(", ")));
                served.extend(models);
                row
            }
            Ok(Err(error)) => Row::broken(CHECK, format!("{id}: {error}"), start()),
            Err(_) => Row::broken(
                CHECK,
                format!("{id} is silent for {} s", ANSWER_WITHIN.as_secs()),
                start(),
            ),
        });
    }
    let wanted = &config.inference.default_model;
    if !wanted.is_empty() && !served.is_empty() && !served.iter().any(|model| model.id == *wanted) {
        let found = format!("`default_model` is {wanted}, which no backend serves");
        rows.push(Row::warning(CHECK, found, "correct it: until then the first model is taken"));
    }
    rows
}
