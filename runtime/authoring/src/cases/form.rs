//! What an author may write into `NAME.cases.toml`: one question a case, with a default for whatever it leaves out. Names and units are those of
//! the contract, with `_` for `-`.

use super::expect::Expected;
use pylon_config::ConfigError;
use pylon_core::guest::GuestFunction;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// More than any guest needs.
const CASES_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "case")]
    cases: Vec<Case>,
}

/// A question and what the answer must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// For people; each has its own.
    pub name: String,
    /// What is asked.
    pub function: GuestFunction,
    #[serde(default)]
    pub(super) settings: BTreeMap<String, Texts>,
    #[serde(default)]
    pub(super) job: Job,
    pub(super) situation: Option<Situation>,
    pub(super) context: Option<Context>,
    pub(super) candidates: Option<Vec<Candidate>>,
    pub(super) offer: Option<Offer>,
    pub(super) route: Option<Route>,
    pub(super) usage: Option<Usage>,
    pub(super) output: Option<Output>,
    pub(super) evidence: Option<Evidence>,
    pub(super) answers: Option<Vec<Answer>>,
    pub(super) deadline_ms: Option<u64>,
    agent: Option<toml::Value>,
    pub(super) expect: Expected,
}

/// What a case may say beside the job and the settings.
const fn inputs(function: GuestFunction) -> &'static [&'static str] {
    match function {
        GuestFunction::Quote => &["situation", "context"],
        GuestFunction::Settle => &["situation", "context", "offer", "route", "usage"],
        GuestFunction::Rank => &["situation", "candidates"],
        GuestFunction::Judge => &["situation", "output", "evidence"],
        GuestFunction::Run => &["answers", "deadline_ms"],
    }
}

/// One text, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts: numbers are written as texts, too")]
pub(super) enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    pub(super) fn list(&self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text.clone()],
            Self::Many(texts) => texts.clone(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Job {
    pub id: Option<String>,
    pub kind: Option<u16>,
    pub customer: Option<String>,
    pub created_at: Option<u64>,
    pub inputs: Vec<Input>,
    pub params: BTreeMap<String, Texts>,
    pub output: Option<String>,
    pub bid_msat: Option<u64>,
    pub targeted: Option<bool>,
    pub confidential: bool,
}

/// A text, or where one is and what is found there.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a text, or a table with one of `text`, `url`, `event`, `job`, and perhaps `fetched` and `marker`"
)]
pub(super) enum Input {
    Text(String),
    Place(Place),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    pub text: Option<String>,
    pub url: Option<String>,
    pub event: Option<String>,
    pub job: Option<String>,
    /// What the guest reads there; without it the input is denied.
    pub fetched: Option<String>,
    pub marker: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Situation {
    pub now: Option<u64>,
    pub queued: u32,
    pub running: u32,
    pub capacity: Option<u32>,
    pub extra: BTreeMap<String, Texts>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Context {
    pub route: Route,
    pub input_tokens_estimate: Option<u64>,
    pub terms: Option<Vec<pylon_core::decision::Terms>>,
    pub max_receivable_msat: Option<u64>,
    pub step_msat: Option<u64>,
    pub customer: History,
    pub ours: History,
    pub market: Option<Market>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Route {
    pub backend: Option<String>,
    pub model: Option<String>,
    pub isolation: Option<String>,
    pub price_permille: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct History {
    pub first_seen: Option<u64>,
    pub jobs_completed: u32,
    pub jobs_unpaid: u32,
    pub paid_msat: u64,
    pub recent_paid_msat: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Market {
    pub offers: u32,
    pub low_msat: u64,
    pub median_msat: u64,
    pub high_msat: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Candidate {
    pub backend: Option<String>,
    pub model: Option<String>,
    pub isolation: Option<String>,
    pub price_permille: Option<u32>,
    pub context_tokens: Option<u32>,
    pub in_flight: u32,
    pub limit: Option<u32>,
    pub queued: u32,
    pub first_output_ms: Option<u32>,
    pub tokens_per_second: Option<u32>,
    pub failure_permille: u32,
    pub preferred: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Offer {
    pub terms: pylon_core::decision::Terms,
    pub price_msat: u64,
    pub cap_msat: Option<u64>,
    pub max_output_tokens: Option<u64>,
    pub max_work_ms: Option<u64>,
    pub valid_seconds: Option<u32>,
    #[serde(default)]
    pub priority: i32,
    #[serde(default)]
    pub note: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cached_tokens: u64,
    pub estimated: bool,
    pub work_ms: u64,
    pub cpu_ms: u64,
    pub peak_memory_bytes: u64,
    pub disk_bytes: u64,
    pub network_bytes: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Output {
    pub content: Option<String>,
    pub mime: Option<String>,
    pub attributes: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Evidence {
    pub finish: Option<pylon_core::work::Finish>,
    pub checks: Vec<Check>,
    pub usage: Usage,
    pub route: Route,
    pub attempt: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    pub name: String,
    pub passed: Option<bool>,
    pub exit_code: Option<i32>,
    pub count: Option<u64>,
    pub skipped: Option<String>,
    #[serde(default)]
    pub detail: String,
}

/// What the model says to one generation: a text, or a table that says how it ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a text, or a table of `text`, `finish`, `model`, `ignored_params`, or a table with `error`"
)]
pub(super) enum Answer {
    Text(String),
    Scripted(Scripted),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Scripted {
    pub text: String,
    /// Cut at its bound of tokens.
    pub cut: bool,
    pub model: Option<String>,
    pub ignored_params: Vec<String>,
    /// No text at all, for this reason.
    pub error: Option<NoText>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NoText {
    NoBackend,
    TooLong,
    Unsupported,
    Timeout,
    Cancelled,
    Other,
}

/// The cases in this text. The error is one line: where, and what was expected.
pub fn parse(text: &str) -> Result<Vec<Case>, String> {
    let file: File = toml::from_str(text)
        .map_err(|error| format!("line {}", ConfigError::syntax(text, &error)))?;
    if file.cases.is_empty() || file.cases.len() > CASES_MAX {
        return Err(format!(
            "{} cases: write 1 to {CASES_MAX}, each a `[[case]]`",
            file.cases.len()
        ));
    }
    let mut names = BTreeSet::new();
    for case in &file.cases {
        check(case).map_err(|why| format!("case `{}`: {why}", case.name))?;
        if !names.insert(&case.name) {
            return Err(format!("case `{}`: another has this name", case.name));
        }
    }
    Ok(file.cases)
}

fn check(case: &Case) -> Result<(), String> {
    if case.agent.is_some() {
        return Err("`agent`: this version of the node links no agents, so none can be scripted; leave it out".into());
    }
    let said = [
        ("situation", case.situation.is_some()),
        ("context", case.context.is_some()),
        ("candidates", case.candidates.is_some()),
        ("offer", case.offer.is_some()),
        ("route", case.route.is_some()),
        ("usage", case.usage.is_some()),
        ("output", case.output.is_some()),
        ("evidence", case.evidence.is_some()),
        ("answers", case.answers.is_some()),
        ("deadline_ms", case.deadline_ms.is_some()),
    ];
    let (function, inputs) = (case.function, inputs(case.function));
    if let Some((key, _)) =
        said.into_iter().find(|(key, is_said)| *is_said && !inputs.contains(key))
    {
        return Err(format!(
            "`{key}` is nothing that `{function}` is asked with: there is `job`, `settings`, `{}`",
            inputs.join("`, `")
        ));
    }
    case.expect.check(case.function)
}
