//! The log, on stderr or in a file, filtered by `RUST_LOG`.
//!
//! A name in `RUST_LOG` matches every target that begins with it, so `pylon` covers all of our
//! crates (`pylon_core`, `pylon_sandbox`, …). The target `compute` traces every message of the
//! market and is off by default. A level without a name applies to these two; libraries then log
//! warnings only, unless they are named.

mod fields;
mod rolling;

pub(crate) use rolling::rotated;

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context, Result};
use cap_std::fs::Dir;
use clap::ValueEnum;
use fields::SanitizedFields;
use rolling::Rolling;
use std::sync::Mutex;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, fmt};

/// The default filter of a node.
pub(crate) const NODE: &str = "pylon=info";
/// The default filter of a command, whose output is on stdout.
pub(crate) const COMMAND: &str = "pylon=error";
/// The targets of this program.
const OWN_TARGETS: [&str; 2] = ["pylon", "compute"];
/// Libraries that log whole frames, which may contain texts of customers.
const SILENCED: [&str; 3] = ["nostr_relay_pool", "tungstenite", "tokio_tungstenite"];

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON object per line
    Json,
}

/// Logs to stderr. Only the first call has an effect.
pub(crate) fn install(default: &str, format: LogFormat) -> Result<()> {
    let is_coloured = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    install_writer(default, format, std::io::stderr, is_coloured)
}

/// Logs to a file in this folder, which is rotated by size. Only the first call has an effect.
pub(crate) fn install_file(default: &str, format: LogFormat, logs: Dir, name: &str) -> Result<()> {
    let rolling =
        Rolling::open(logs, name).with_context(|| format!("cannot write the log {name}"))?;
    install_writer(default, format, Mutex::new(rolling), false)
}

fn install_writer<W>(default: &str, format: LogFormat, writer: W, is_coloured: bool) -> Result<()>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Neither a closed stderr nor a full disk is an error.
    let log = fmt()
        .with_env_filter(env_filter(default)?)
        .with_writer(writer)
        .with_ansi(is_coloured)
        .log_internal_errors(false);
    let installed = match format {
        LogFormat::Text => log.fmt_fields(SanitizedFields::default()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    installed.ok();
    Ok(())
}

/// The filter of `RUST_LOG`, or the default.
fn env_filter(default: &str) -> Result<EnvFilter> {
    filter(
        std::env::var_os("RUST_LOG").map(|value| value.to_string_lossy().into_owned()).as_deref(),
        default,
    )
}

fn filter(directives: Option<&str>, default: &str) -> Result<EnvFilter> {
    let directives = directives.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(default);
    let named = |directive: &str, name: &str| {
        directive.split(['=', ':', '[']).next().is_some_and(|target| target.trim() == name)
    };
    let quiet = SILENCED
        .iter()
        .filter(|name| !directives.split(',').any(|directive| named(directive, name)));
    let filter = quiet.fold(expand_levels(directives), |all, name| all + "," + name + "=off");
    EnvFilter::try_new(filter).with_context(|| {
        format!("RUST_LOG: cannot parse `{directives}` (example: `{NODE},compute=trace`)")
    })
}

/// Applies a level without a name to our targets, and limits libraries to warnings.
fn expand_levels(directives: &str) -> String {
    let directives = directives.split(',').filter(|directive| !directive.trim().is_empty());
    let directives = directives.map(|directive| match directive.trim().parse::<LevelFilter>() {
        Ok(level) => {
            let own = OWN_TARGETS.map(|name| format!("{name}={level}")).join(",");
            format!("{},{own}", level.min(LevelFilter::WARN))
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
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Goal: `RUST_LOG` selects the lines that it names. Method: the same seven lines with each
    /// filter.
    #[test]
    fn filter_selects_the_named_targets() {
        let check = |directives: Option<&str>, expected: &str| {
            let output = Output::default();
            let writer = output.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_env_filter(filter(directives, NODE).unwrap())
                .with_writer(move || writer.clone());
            tracing::subscriber::with_default(subscriber.with_ansi(false).finish(), || {
                tracing::info!(target: "pylon", "node-info");
                tracing::debug!(target: "pylon_core::machine", "core-debug");
                tracing::info!(target: "pylon_sandbox", "sandbox-info");
                tracing::trace!(target: "compute", "compute-trace");
                tracing::info!(target: "reqwest", "reqwest-info");
                tracing::warn!(target: "nostr_relay_pool", "relay-warning");
                tracing::error!(target: "hyper", "hyper-error");
            });
            let text = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
            let found: Vec<_> =
                text.lines().filter_map(|line| line.split_whitespace().last()).collect();
            assert_eq!(found.join(" "), expected, "{directives:?}");
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

    /// Goal: the log says where a job panicked, and nothing of the message, which may quote the
    /// job. Method: a panic with such a message, with the hook of the program.
    #[test]
    fn panic_is_logged_without_its_message() {
        let output = Output::default();
        let writer = output.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter(None, NODE).unwrap())
            .with_writer(move || writer.clone());
        let job = pylon_core::JobId::from_bytes([0xab; 32]);
        let before = std::panic::take_hook();
        pylon_node::panics::install_hook();
        tracing::subscriber::with_default(subscriber.with_ansi(false).finish(), || {
            let work = pylon_provider::catch_in_job(job, async { panic!("canary {}", 1) });
            assert!(futures::FutureExt::now_or_never(work).unwrap().is_err());
        });
        std::panic::set_hook(before);
        let text = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("log.rs:") && text.contains(&job.short()), "{text}");
        assert!(!text.contains("canary"), "{text}");
        let panics = pylon_node::panics::panics();
        assert!(panics.count >= 1 && panics.last_place.is_some());
    }

    /// Goal: text of other parties in the log controls no terminal. Method: a message and a field
    /// with control characters, on a terminal with colors.
    #[test]
    fn fields_are_sanitized() {
        let output = Output::default();
        let writer = output.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(SanitizedFields::default())
            .with_ansi(true)
            .without_time()
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(subscriber.finish(), || {
            tracing::info!(model = %"\u{202e}m", "a\u{2028}b\u{1b}]0;\u{9b}");
        });
        let text = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("\u{1b}[") && text.contains("a b"), "{text:?}");
        let plain = text.replace("\u{1b}[", "");
        assert!(!plain.contains(['\u{202e}', '\u{9b}', '\u{2028}', '\u{1b}']), "{text:?}");
    }

    /// Goal: an invalid filter is an error. Method: an unknown level.
    #[test]
    fn invalid_filter_is_an_error() {
        let error = format!("{:#}", filter(Some("pylon=loud"), NODE).unwrap_err());
        assert!(
            error.starts_with(
                "RUST_LOG: cannot parse `pylon=loud` (example: `pylon=info,compute=trace`)"
            ),
            "{error}"
        );
    }
}
