//! `pylon backends`: who generates text, as the node that runs sees them, or as they answer now where none runs.

use crate::cli::JsonArgs;
use crate::clock::SystemClock;
use crate::config::Source;
use crate::control::{Backend, Backends, Client, ClientError};
use crate::facts;
use crate::home::Home;
use crate::node;
use crate::output::{json, say};
use crate::provider::{self, Bus};
use anyhow::Result;
use std::fmt::Write as _;
use std::sync::Arc;

/// Shows them.
pub fn run(args: &JsonArgs) -> Result<()> {
    let backends = find(&Home::from_env()?)?;
    if args.json { json(&backends) } else { say(&table(&backends.backends)) }
}

/// From the node, or without one from the backends themselves.
pub(super) fn find(home: &Home) -> Result<Backends> {
    super::block_on(async {
        match Client::new(home).backends().await {
            Ok(backends) => Ok(backends),
            Err(ClientError::NotRunning) => {
                let config = Source::new(home, None).load()?;
                let adapters = node::configured(&config).await?;
                let preference = node::preference(&config);
                let seen = provider::Backends::watch(
                    adapters,
                    preference,
                    Bus::default(),
                    Arc::new(SystemClock),
                )
                .await;
                Ok(Backends { backends: facts::backends(&seen) })
            }
            Err(error) => Err(error.into()),
        }
    })
}

fn table(backends: &[Backend]) -> String {
    let mut out =
        String::from("BACKEND    STATE          MODELS  AT WORK  FIRST TEXT  TOKENS/S  FAILED\n");
    for one in backends {
        let state = match (one.available, one.default) {
            (true, true) => "default",
            (true, false) => "available",
            (false, _) => "not available",
        };
        let measured = |figure: Option<u32>, unit: &str| {
            figure.map_or_else(|| "-".into(), |figure| format!("{figure}{unit}"))
        };
        let _ = writeln!(
            out,
            "{:<9}  {:<13}  {:>6}  {:>7}  {:>10}  {:>8}  {:>6}",
            one.id,
            state,
            one.models.len(),
            format!("{}/{}", one.in_flight, one.limit),
            measured(one.first_output_ms, " ms"),
            measured(one.tokens_per_second, ""),
            format!("{} %", one.failure_permille / 10),
        );
    }
    out
}
