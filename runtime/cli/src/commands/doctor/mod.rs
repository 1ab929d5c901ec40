//! `pylon doctor`: everything that a node needs, one row each, with what to do. A check is a file here and a line in `examine`.

mod announcement;
mod backends;
mod clock;
mod database;
mod disk;
mod guests;
mod identity;
mod lockdown;
mod process;
mod relays;
mod review;
mod settings;
mod wallet;

use crate::args::DoctorArgs;
use crate::output::{SaidNo, json, say};
use anyhow::{Context, Result};
use pylon_config::Setting;
use pylon_control_api::{Client, Status};
use pylon_core::text::sanitize_line;
use pylon_node::config::{Config, Source};
use pylon_node::home::Home;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// Runs every check, and fails if something that is configured is broken.
pub(crate) fn run(args: &DoctorArgs) -> Result<()> {
    let home = Home::from_env()?;
    // Relays and guests are checked beside each other.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to run on")?;
    let (source, report) = runtime.block_on(async {
        let node = Client::new(home.socket()).status().await.ok();
        let source = source(&home, args, node.as_ref());
        let report = examine(&home, &source, node.as_ref()).await;
        (source, report)
    });
    // What a check has left waiting is not waited for.
    runtime.shutdown_background();
    if args.json {
        json(&report)?;
    } else {
        say(&page(&report, &source))?;
    }
    if report.healthy { Ok(()) } else { Err(SaidNo.into()) }
}

/// The file that was named, or that of the node that runs, or the home's own.
fn source(home: &Home, args: &DoctorArgs, node: Option<&Status>) -> Source {
    let own = Source::new(home, None);
    let running =
        node.map(|status| Path::new(&status.daemon.config)).filter(|path| *path != own.path());
    match args.config.as_deref().or(running) {
        Some(named) => Source::new(home, Some(named)),
        None => own,
    }
}

async fn examine(home: &Home, source: &Source, node: Option<&Status>) -> Report {
    let (checked, config, settings) = settings::check(source);
    let mut checks = vec![process::check(home).await, identity::check(home), checked];
    let guests = guests(home, config.as_ref()).await;
    // With settings that cannot be read, the defaults are what else there is to check.
    let config = config.unwrap_or_default();
    let modes = node.map(|status| &status.daemon.modes[..]);
    let (relays, presence, others) = tokio::join!(
        relays::look(&config.market.relays),
        announcement::check(home, &config.market.relays, modes),
        others(home, &config)
    );
    checks.extend(others);
    checks.extend(guests);
    checks.extend(relays.iter().map(relays::check));
    checks.extend(presence);
    checks.push(clock::check(&relays));
    Report { healthy: checks.iter().all(|row| row.state != State::Broken), checks, settings }
}

async fn others(home: &Home, config: &Config) -> Vec<Row> {
    let mut rows = backends::check(config).await;
    rows.push(wallet::check());
    rows.push(review::check(home, config));
    rows.push(database::check(home));
    rows.push(disk::check(home));
    rows
}

/// By settings that can be read: by the defaults, code might be made and run that they forbid.
async fn guests(home: &Home, config: Option<&Config>) -> Vec<Row> {
    let Some(config) = config else { return Vec::new() };
    vec![guests::check(home, config).await, lockdown::check(home, config).await]
}

#[derive(Serialize)]
struct Report {
    /// Nothing that is configured is broken.
    healthy: bool,
    checks: Vec<Row>,
    settings: Vec<Setting>,
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Row {
    check: String,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Broken,
}

impl Row {
    fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), state: State::Ok, found: found.into(), todo: None }
    }

    fn warning(
        check: impl Into<String>,
        found: impl Into<String>,
        todo: impl Into<String>,
    ) -> Self {
        Self { state: State::Warning, todo: Some(todo.into()), ..Self::ok(check, found) }
    }

    fn broken(check: impl Into<String>, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { state: State::Broken, todo: Some(todo.into()), ..Self::ok(check, found) }
    }
}

fn page(report: &Report, source: &Source) -> String {
    let mut out = String::new();
    for row in &report.checks {
        let state = match row.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Broken => "broken",
        };
        let _ = writeln!(out, "{state:<8} {:<10} {}", row.check, sanitize_line(&row.found));
        if let Some(todo) = &row.todo {
            let _ = writeln!(out, "{:<19} -> {}", "", sanitize_line(todo));
        }
    }
    let _ = writeln!(out, "\nSettings ({}):", source.path().display());
    for setting in &report.settings {
        let origin = setting.line.map_or_else(|| "default".into(), |line| format!("line {line}"));
        let _ = writeln!(out, "  {origin:<9} {} = {}", setting.key, sanitize_line(&setting.value));
    }
    out
}
