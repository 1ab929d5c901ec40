//! Checks that the backends respond and have the preferred model.

use super::row::CheckRow;
use pylon_core::completion::ModelInfo;
use pylon_core::model_name::public_name;
use pylon_core::ports::inference::InferenceError;
use pylon_node::config::Config;
use pylon_node::node;
use std::time::Duration;
use tokio::time::timeout;

const CHECK: &str = "backend";
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn check(config: &Config) -> Vec<CheckRow> {
    let adapters = match node::configured(config).await {
        Ok(adapters) => adapters,
        Err(error) => {
            return vec![CheckRow::broken(
                CHECK,
                format!("{error:#}"),
                "correct `[inference]` in the settings",
            )];
        }
    };
    let mut rows = Vec::new();
    let mut served: Vec<ModelInfo> = Vec::new();
    for adapter in adapters {
        let id = adapter.id();
        rows.push(match timeout(RESPONSE_TIMEOUT, adapter.models()).await {
            Ok(Ok(models)) if models.is_empty() => {
                CheckRow::broken(CHECK, format!("{id} has no model"), "load a model")
            }
            Ok(Ok(models)) => {
                let names: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
                let row = CheckRow::ok(CHECK, format!("{id} has {}", names.join(", ")));
                served.extend(models);
                row
            }
            Ok(Err(error)) => CheckRow::broken(CHECK, format!("{id}: {error}"), error.hint(id)),
            Err(_) => CheckRow::broken(
                CHECK,
                format!("{id} did not respond within {} s", RESPONSE_TIMEOUT.as_secs()),
                InferenceError::Timeout.hint(id),
            ),
        });
    }
    let preferred = &config.inference.default_model;
    if !preferred.is_empty()
        && !served.is_empty()
        && !served.iter().any(|model| {
            model.id == *preferred || public_name(preferred) == Some(model.id.as_str())
        })
    {
        let detail = format!("`default_model` is {preferred}, which no backend has");
        rows.push(CheckRow::warning(
            CHECK,
            detail,
            "correct it: the first model is used until then",
        ));
    }
    rows
}
