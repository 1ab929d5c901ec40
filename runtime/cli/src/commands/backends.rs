//! `pylon backends`: the inference backends, from the running node or, without one, by probing
//! them.

use crate::args::JsonArgs;
use crate::output::{json, paragraph, print, table};
use anyhow::Result;
use pylon_control_api::{Backend, Backends, Client, ClientError};
use pylon_core::text::sanitize_line;
use pylon_node::clock::SystemClock;
use pylon_node::config::Source;
use pylon_node::control;
use pylon_node::home::Home;
use pylon_node::node;
use pylon_provider::{self, Bus};
use std::sync::Arc;

/// Prints the backends.
pub(crate) fn run(args: &JsonArgs) -> Result<()> {
    let backends = find(&Home::from_env()?)?;
    if args.json { json(&backends) } else { print(&page(&backends.backends)) }
}

/// The backends of the running node or, without one, of the settings.
pub(super) fn find(home: &Home) -> Result<Backends> {
    super::block_on(async {
        match Client::new(home.socket()).backends().await {
            Ok(backends) => Ok(backends),
            Err(ClientError::NotRunning) => {
                let config = Source::new(home, None).load()?;
                let adapters = node::configured(&config).await?;
                let preference = node::preference(&config);
                let probed = pylon_provider::BackendRegistry::watch(
                    adapters,
                    preference,
                    Bus::default(),
                    Arc::new(SystemClock),
                )
                .await;
                Ok(Backends { backends: control::backends(&probed) })
            }
            Err(error) => Err(error.into()),
        }
    })
}

fn page(backends: &[Backend]) -> String {
    let measured = |figure: Option<u32>, unit: &str| {
        figure.map_or_else(|| "-".into(), |figure| format!("{figure}{unit}"))
    };
    let row = |one: &Backend| {
        let state = match (one.available, one.default) {
            (true, true) => "default",
            (true, false) => "available",
            (false, _) => "not available",
        };
        [
            one.id.clone(),
            state.into(),
            one.models.len().to_string(),
            format!("{}/{}", one.in_flight, one.limit),
            measured(one.first_output_ms, " ms"),
            measured(one.tokens_per_second, ""),
            format!("{} %", one.failure_permille / 10),
        ]
    };
    let page = table(
        "BACKEND  !STATE  >MODELS  >RUNNING  >?FIRST TEXT  >?TOKENS/S  >?FAILED",
        &backends.iter().map(row).collect::<Vec<_>>(),
    );
    let errors = backends.iter().filter_map(|one| Some((one, one.error.as_ref()?)));
    errors.fold(page, |page, (one, error)| {
        page + &paragraph(&format!("{}: ", one.id), &sanitize_line(error))
    })
}
