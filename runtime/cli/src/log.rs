//! What the operator sees of the node at work: lines on stderr or in a file, chosen by `RUST_LOG`.
//!
//! A name in `RUST_LOG` stands for every target that begins with it, so `pylon` covers all of our crates (`pylon_core`, `pylon_sandbox`,
//! `pylon_adapters`). The target `compute` traces every message of the market and is silent until asked for. A level without a name is for
//! these two: libraries then only warn, unless they are named.

mod rolling;

use anyhow::{Context, Result};
use rolling::Rolling;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What a node shows when nobody asked for anything else.
pub(crate) const NODE: &str = "pylon=info";
/// What a command shows that speaks for itself.
pub(crate) const COMMAND: &str = "pylon=error";
/// What is ours.
const OURS: [&str; 2] = ["pylon", "compute"];
/// These libraries log whole frames, customers' texts among them.
const TOO_TALKATIVE: [&str; 3] = ["nostr_relay_pool", "tungstenite", "tokio_tungstenite"];

/// From now on everything traced goes to stderr. Only the first call counts.
pub(crate) fn install(default: &str) -> Result<()> {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = std::io::stderr().is_terminal() && !plain;
    let shown = tracing_subscriber::fmt()
        .with_env_filter(wished(default)?)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    // That nobody reads it stops nothing.
    shown.log_internal_errors(false).try_init().ok();
    Ok(())
}

/// From now on everything traced goes to this file, which is put aside when it is long. Only the first call counts.
pub(crate) fn install_file(default: &str, file: &Path) -> Result<()> {
    let rolling =
        Rolling::open(file).with_context(|| format!("cannot write the log {}", file.display()))?;
    tracing_subscriber::fmt()
        .with_env_filter(wished(default)?)
        .with_writer(Mutex::new(rolling))
        .with_ansi(false)
        // A full disk is no reason to fill another file with complaints.
        .log_internal_errors(false)
        .try_init()
        .ok();
    Ok(())
}

fn wished(default: &str) -> Result<EnvFilter> {
    filter(
        std::env::var_os("RUST_LOG").map(|wish| wish.to_string_lossy().into_owned()).as_deref(),
        default,
    )
}

fn filter(wish: Option<&str>, default: &str) -> Result<EnvFilter> {
    let wish = wish.map(str::trim).filter(|wish| !wish.is_empty()).unwrap_or(default);
    let named = |directive: &str, name: &str| {
        directive.split(['=', ':', '[']).next().is_some_and(|target| target.trim() == name)
    };
    let quiet = TOO_TALKATIVE
        .iter()
        .filter(|name| !wish.split(',').any(|directive| named(directive, name)));
    let held = quiet.fold(ours_first(wish), |held, name| held + "," + name + "=off");
    EnvFilter::try_new(held)
        .with_context(|| format!("RUST_LOG: cannot read `{wish}` (as in `{NODE},compute=trace`)"))
}

/// A level that is for nobody in particular is for us; a library warns at most.
fn ours_first(wish: &str) -> String {
    let directives = wish.split(',').filter(|directive| !directive.trim().is_empty());
    let directives = directives.map(|directive| match directive.trim().parse::<LevelFilter>() {
        Ok(level) => {
            let ours = OURS.map(|name| format!("{name}={level}")).join(",");
            format!("{},{ours}", level.min(LevelFilter::WARN))
        }
        Err(_) => directive.trim().to_owned(),
    });
    directives.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Goal: an operator's `RUST_LOG` shows what its words say. Method: the same seven lines under each wish; which of them come out?
    #[test]
    fn a_wish_shows_what_it_names() {
        let check = |wish: Option<&str>, expected: &str| {
            let page = Page::default();
            let writer = page.clone();
            let shown = tracing_subscriber::fmt()
                .with_env_filter(filter(wish, NODE).unwrap())
                .with_writer(move || writer.clone());
            tracing::subscriber::with_default(shown.with_ansi(false).finish(), || {
                tracing::info!(target: "pylon", "node-info");
                tracing::debug!(target: "pylon_core::machine", "core-debug");
                tracing::info!(target: "pylon_sandbox", "sandbox-info");
                tracing::trace!(target: "compute", "compute-trace");
                tracing::info!(target: "reqwest", "reqwest-info");
                tracing::warn!(target: "nostr_relay_pool", "relay-warning");
                tracing::error!(target: "hyper", "hyper-error");
            });
            let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
            let found: Vec<_> =
                text.lines().filter_map(|line| line.split_whitespace().last()).collect();
            assert_eq!(found.join(" "), expected, "{wish:?}");
        };
        check(None, "node-info sandbox-info");
        check(Some(""), "node-info sandbox-info");
        check(Some("pylon=debug,compute=trace"), "node-info core-debug sandbox-info compute-trace");
        check(Some("debug"), "node-info core-debug sandbox-info hyper-error");
        check(Some("Trace"), "node-info core-debug sandbox-info compute-trace hyper-error");
        check(Some("3"), "node-info sandbox-info hyper-error");
        check(Some("error"), "hyper-error");
        check(Some("off"), "");
        check(
            Some("debug,reqwest=info"),
            "node-info core-debug sandbox-info reqwest-info hyper-error",
        );
        check(Some("warn, pylon_core=debug"), "core-debug hyper-error");
        check(Some("off,nostr_relay_pool=warn"), "relay-warning");
        check(Some("pylon_core=debug,info"), "node-info core-debug sandbox-info hyper-error");
        check(Some("pylon_sandbox=info"), "sandbox-info");
        check(Some("pylon_sandbox=info,"), "sandbox-info");
    }

    /// Goal: a wish that cannot be read is said, not ignored. Method: one that is broken.
    #[test]
    fn a_broken_wish_is_told() {
        let told = format!("{:#}", filter(Some("pylon=loud"), NODE).unwrap_err());
        assert!(
            told.starts_with(
                "RUST_LOG: cannot read `pylon=loud` (as in `pylon=info,compute=trace`)"
            ),
            "{told}"
        );
    }
}
