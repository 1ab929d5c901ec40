//! `NAME.cases.toml`: each case is one call with what its answer must be, and a default for
//! whatever it leaves out.

use super::defaults;
use super::expect::Expected;
use super::overlay::{self, Texts, overlay, params};
use super::script::Script;
use pylon_config::ConfigError;
use pylon_core::decision::{Candidate, Offer, QuoteContext, Situation};
use pylon_core::guest::GuestFunction;
use pylon_core::work::{Evidence, Output, Route, Usage};
use pylon_core::{Job, Param};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::{Spanned, Table, Value};

/// More than any guest needs.
const CASES_MAX: usize = 1000;
const DEADLINE_MS: u64 = 60_000;

/// A call and what its answer must be.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique in its file.
    pub name: String,
    /// The function that is called.
    pub function: GuestFunction,
    pub(super) settings: Vec<Param>,
    job: Job,
    /// Otherwise the job has the first kind that the guest serves.
    has_kind: bool,
    /// What the guest reads at each input; `None` is denied.
    pub(super) texts: Vec<Option<String>>,
    pub(super) situation: Situation,
    pub(super) context: QuoteContext,
    pub(super) candidates: Vec<Candidate>,
    pub(super) offer: Option<Offer>,
    pub(super) route: Route,
    pub(super) usage: Usage,
    pub(super) output: Output,
    pub(super) evidence: Evidence,
    /// `None`: each completion has the same answer.
    pub(super) answers: Option<Vec<Script>>,
    pub(super) deadline_ms: u64,
    pub(super) expect: Expected,
}

impl Case {
    /// The job, of this kind if the case names none.
    pub(super) fn job(&self, kind: Option<u16>) -> Job {
        let kind = kind.filter(|_| !self.has_kind).unwrap_or(self.job.kind);
        Job { kind, ..self.job.clone() }
    }
}

/// The sections of a case of this function, in addition to job and settings.
const fn sections(function: GuestFunction) -> &'static [&'static str] {
    match function {
        GuestFunction::Quote => &["situation", "context"],
        GuestFunction::Settle => &["situation", "context", "offer", "route", "usage"],
        GuestFunction::Rank => &["situation", "candidates"],
        GuestFunction::Judge => &["situation", "output", "evidence"],
        GuestFunction::Run => &["answers", "deadline_ms"],
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "case")]
    cases: Vec<Written>,
}

type Section = Option<Spanned<Table>>;

/// A case as it is written. A section is read over its default, in its line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    function: GuestFunction,
    #[serde(default)]
    settings: BTreeMap<String, Texts>,
    job: Section,
    situation: Section,
    context: Section,
    candidates: Option<Vec<Spanned<Table>>>,
    offer: Section,
    route: Section,
    usage: Section,
    output: Section,
    evidence: Section,
    answers: Option<Vec<Spanned<Value>>>,
    deadline_ms: Option<u64>,
    agent: Option<IgnoredAny>,
    expect: Expected,
}

/// The cases in this text. The error is one line: where, and what was expected.
pub fn parse(text: &str) -> Result<Vec<Case>, String> {
    let file: File = toml::from_str(text)
        .map_err(|error| format!("line {}", ConfigError::syntax(text, &error)))?;
    let count = file.cases.len();
    if count == 0 || count > CASES_MAX {
        return Err(format!("{count} cases: write 1 to {CASES_MAX}, each a `[[case]]`"));
    }
    let mut names = BTreeSet::new();
    for written in &file.cases {
        check(written).map_err(|why| format!("case `{}`: {why}", written.name))?;
        if !names.insert(written.name.clone()) {
            return Err(format!("case `{}`: another case has this name", written.name));
        }
    }
    let read = |written| {
        let case = read(written, text)?;
        case.expect.check(case.function).map_err(|why| format!("case `{}`: {why}", case.name))?;
        Ok(case)
    };
    file.cases.into_iter().map(read).collect()
}

fn check(written: &Written) -> Result<(), String> {
    if written.agent.is_some() {
        return Err(
            "`agent`: this version has no agents, so none can be scripted; leave it out".into()
        );
    }
    let given = [
        ("situation", written.situation.is_some()),
        ("context", written.context.is_some()),
        ("candidates", written.candidates.is_some()),
        ("offer", written.offer.is_some()),
        ("route", written.route.is_some()),
        ("usage", written.usage.is_some()),
        ("output", written.output.is_some()),
        ("evidence", written.evidence.is_some()),
        ("answers", written.answers.is_some()),
        ("deadline_ms", written.deadline_ms.is_some()),
    ];
    let (function, sections) = (written.function, sections(written.function));
    let foreign = given.into_iter().find(|(key, is_given)| *is_given && !sections.contains(key));
    if let Some((key, _)) = foreign {
        let known = sections.join("`, `");
        return Err(format!(
            "`{function}` has no argument `{key}`; expected one of `job`, `settings`, `{known}`"
        ));
    }
    Ok(())
}

fn read(written: Written, text: &str) -> Result<Case, String> {
    let at = |span: Range<usize>| at(text, span);
    let (job, texts) = match &written.job {
        Some(table) => job(&written.name, table.get_ref()).map_err(at(table.span()))?,
        None => (defaults::job(&written.name), Vec::new()),
    };
    let situation = section(text, "situation", defaults::situation(&job), &written.situation)?;
    let context = section(text, "context", defaults::context(&job), &written.context)?;
    let offer = match &written.offer {
        Some(table) => Some(offer(table.get_ref()).map_err(at(table.span()))?),
        None => None,
    };
    let route = match &written.route {
        Some(table) => overlay::route("route", &defaults::route(), table.get_ref())
            .map_err(at(table.span()))?,
        None => context.route.clone(),
    };
    let candidate = |table: Spanned<Table>| {
        overlay::candidate("candidates", &defaults::candidate(), table.get_ref())
            .map_err(at(table.span()))
    };
    let candidates = match written.candidates {
        Some(tables) => tables.into_iter().map(candidate).collect::<Result<_, _>>()?,
        None => vec![defaults::candidate()],
    };
    let script = |value: Spanned<Value>| Script::read(value.get_ref()).map_err(at(value.span()));
    let answers = written.answers.map(|all| all.into_iter().map(script).collect());
    Ok(Case {
        name: written.name,
        function: written.function,
        settings: params(written.settings),
        has_kind: written.job.is_some_and(|table| table.get_ref().contains_key("kind")),
        job,
        texts,
        situation,
        context,
        candidates,
        offer,
        route,
        usage: section(text, "usage", Usage::default(), &written.usage)?,
        output: section(text, "output", defaults::output(), &written.output)?,
        evidence: section(text, "evidence", defaults::evidence(), &written.evidence)?,
        answers: answers.transpose()?,
        deadline_ms: written.deadline_ms.unwrap_or(DEADLINE_MS),
        expect: written.expect,
    })
}

fn section<T: Serialize + DeserializeOwned>(
    text: &str,
    name: &str,
    default: T,
    written: &Section,
) -> Result<T, String> {
    let Some(table) = written else { return Ok(default) };
    overlay(name, &default, table.get_ref()).map_err(at(text, table.span()))
}

/// Adds the line to an error.
fn at(text: &str, span: Range<usize>) -> impl FnOnce(String) -> String {
    let line = text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
    move |why| format!("line {line}: {why}")
}

/// The job, and what the guest reads at each of its inputs.
fn job(case: &str, table: &Table) -> Result<(Job, Vec<Option<String>>), String> {
    let mut table = table.clone();
    let inputs = match table.remove("inputs") {
        Some(Value::Array(inputs)) => inputs,
        Some(_) => return Err("`job.inputs` is a list".into()),
        None => Vec::new(),
    };
    let mut job = overlay("job", &defaults::job(case), &table)?;
    if !matches!(job.kind, 5000..=5999) {
        return Err(format!("`job.kind` is {}: the kinds of jobs are 5000 to 5999", job.kind));
    }
    let inputs = inputs.iter().map(overlay::input).collect::<Result<Vec<_>, _>>()?;
    let (inputs, texts) = inputs.into_iter().unzip();
    job.inputs = inputs;
    Ok((job, texts))
}

/// Without a cap of its own, an offer is capped at its price.
fn offer(table: &Table) -> Result<Offer, String> {
    if let Some(missing) = ["terms", "price_msat"].iter().find(|key| !table.contains_key(**key)) {
        return Err(format!("`offer` has no `{missing}`"));
    }
    let mut offer = overlay("offer", &defaults::offer(), table)?;
    if !table.contains_key("cap_msat") {
        offer.cap = offer.price;
    }
    Ok(offer)
}
