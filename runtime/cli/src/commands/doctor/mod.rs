//! `pylon doctor`: checks everything that a node needs, and prints a row for each check with a
//! hint. A check is a file here and a line in `run_checks`.

mod announcement;
mod backends;
mod clock;
mod database;
mod disk;
mod folders;
mod guests;
mod identity;
mod lockdown;
mod panics;
mod process;
mod relays;
mod review;
mod row;
mod settings;
mod wallet;

use crate::args::DoctorArgs;
use crate::output::{SilentFailure, json, paragraph, print, state};
use anyhow::{Context, Result};
use pylon_config::EffectiveSetting;
use pylon_control_api::{Client, Status};
use pylon_core::text::sanitize_line;
use pylon_node::config::{Config, Source};
use pylon_node::home::Home;
use pylon_node::node;
use row::{CheckRow, CheckState};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// The column of the states.
const STATE_COLUMNS: usize = 9;

/// Runs every check, and fails if a configured part is broken.
pub(crate) fn run(args: &DoctorArgs) -> Result<()> {
    let home = Home::from_env()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot create threads")?;
    let (source, report) = runtime.block_on(async {
        let node = Client::new(home.socket()).status().await.ok();
        let source = source(&home, args, node.as_ref());
        let report = run_checks(&home, &source, node.as_ref()).await;
        (source, report)
    });
    // Tasks that a check has left behind are not awaited.
    runtime.shutdown_background();
    if args.json {
        json(&report)?;
    } else {
        print(&page(&report, &source))?;
    }
    if report.healthy { Ok(()) } else { Err(SilentFailure.into()) }
}

/// The given settings file, that of the running node, or that of the home.
fn source(home: &Home, args: &DoctorArgs, node: Option<&Status>) -> Source {
    match args.config.as_deref() {
        Some(named) => Source::new(home, Some(named)),
        None => node.map_or_else(|| Source::new(home, None), |node| running_source(home, node)),
    }
}

/// The settings file of the running node.
fn running_source(home: &Home, node: &Status) -> Source {
    let (own, path) = (Source::new(home, None), Path::new(&node.daemon.config));
    if path == own.path() { own } else { Source::new(home, Some(path)) }
}

/// Why a start with the settings of this running node would fail, and what to do.
pub(crate) async fn start_failures(home: &Home, node: &Status) -> Vec<String> {
    let (settings, config, _) = settings::check(&running_source(home, node));
    let mut rows = vec![identity::check(home), settings];
    if let Some(config) = config {
        if let Err(error) = node::configured(&config).await {
            rows.push(CheckRow::broken("backend", format!("{error:#}"), "correct `[inference]`"));
        }
        rows.push(guests::check(home, &config).await);
    }
    let broken = rows.into_iter().filter(|row| row.state == CheckState::Broken);
    broken
        .map(|row| match row.hint {
            Some(hint) => format!("{}: {}; {hint}", row.check, row.detail),
            None => format!("{}: {}", row.check, row.detail),
        })
        .collect()
}

async fn run_checks(home: &Home, source: &Source, node: Option<&Status>) -> DoctorReport {
    let (checked, config, settings) = settings::check(source);
    let mut checks = vec![process::check(home).await, identity::check(home), checked];
    let guests = guests(home, config.as_ref()).await;
    // If the settings are invalid, the other checks use the defaults.
    let config = config.unwrap_or_default();
    let (relays, announcement, others) = tokio::join!(
        relays::probe(&config.market.relays),
        announcement::check(home, &config.market.relays, node),
        others(home, &config, node)
    );
    checks.extend(others);
    checks.extend(guests);
    checks.extend(relays::check(&relays));
    checks.extend(announcement);
    checks.push(clock::check(&relays));
    DoctorReport {
        healthy: checks.iter().all(|row| row.state != CheckState::Broken),
        checks,
        settings,
    }
}

async fn others(home: &Home, config: &Config, node: Option<&Status>) -> Vec<CheckRow> {
    let mut rows = backends::check(config).await;
    rows.push(wallet::check());
    rows.push(review::check(home, config));
    rows.push(panics::check(home, node));
    rows.push(database::check(home));
    rows.push(disk::check(home));
    rows.push(folders::check(home));
    rows
}

/// Skipped with invalid settings: the defaults might run code that the operator has forbidden.
async fn guests(home: &Home, config: Option<&Config>) -> Vec<CheckRow> {
    let Some(config) = config else { return Vec::new() };
    vec![guests::check(home, config).await, lockdown::check(home, config).await]
}

#[derive(Serialize)]
struct DoctorReport {
    /// No configured part is broken.
    healthy: bool,
    checks: Vec<CheckRow>,
    settings: Vec<EffectiveSetting>,
}

fn page(report: &DoctorReport, source: &Source) -> String {
    let mut out = String::new();
    for row in &report.checks {
        let name = match row.state {
            CheckState::Ok => "ok",
            CheckState::Warning => "warning",
            CheckState::Broken => "broken",
        };
        let padding = " ".repeat(STATE_COLUMNS - name.len());
        let head = format!("{}{padding}{:<12} ", state(name), row.check);
        out.push_str(&paragraph(&head, &sanitize_line(&row.detail)));
        if let Some(hint) = &row.hint {
            out.push_str(&paragraph(&format!("{:<21} -> ", ""), &sanitize_line(hint)));
        }
    }
    let _ = writeln!(out, "\nSettings ({}):", source.path().display());
    for setting in &report.settings {
        let origin = setting.line.map_or_else(|| "default".into(), |line| format!("line {line}"));
        let text = format!("{} = {}", setting.key, sanitize_line(&setting.value));
        out.push_str(&paragraph(&format!("  {origin:<9} "), &text));
    }
    out
}
