//! A recorded question, put together from the decision, the job's row and, for a verdict, from what the attempt made.

use super::{Difference, Gone, Subject};
use pylon_core::Job;
use pylon_core::decision::{Candidate, Offer, QuoteContext, Situation};
use pylon_core::guest::{Fault, GuestFunction};
use pylon_core::job::JobError;
use pylon_core::machine::JobState;
use pylon_core::ports::journal::JournalError;
use pylon_core::transcript::Transcript;
use pylon_core::work::{Evidence, Output, Route, Usage};
use pylon_journal::{ReadOnlyJournal, RecordedDecision};
use pylon_sandbox::Role;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// One question to a guest, with all that it needs.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the functions of the WIT, and their arguments")]
pub enum Question {
    Rank {
        job: Job,
        candidates: Vec<Candidate>,
        situation: Situation,
    },
    Quote {
        job: Job,
        context: QuoteContext,
        situation: Situation,
    },
    Settle {
        job: Job,
        context: QuoteContext,
        offer: Offer,
        route: Route,
        usage: Usage,
        situation: Situation,
    },
    Judge {
        job: Job,
        output: Output,
        evidence: Evidence,
        situation: Situation,
    },
    Run {
        job: Arc<Job>,
        deadline_ms: u64,
        transcript: Transcript,
        content: Option<String>,
    },
}

/// Why a question is not asked again.
#[derive(Clone, Debug)]
pub enum Unasked {
    /// Something that it needs is not there.
    Gone(Gone),
    /// Something that it needs is not what was written.
    Differs(Difference),
}

impl From<Gone> for Unasked {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

impl Question {
    /// What was asked.
    pub fn of(
        books: &ReadOnlyJournal,
        recorded: &RecordedDecision,
        subject: &Subject,
    ) -> Result<Result<Self, Unasked>, JournalError> {
        let attempt = if recorded.function == GuestFunction::Judge.as_str() {
            books.recorded_last(recorded.job, GuestFunction::Run, recorded.attempt)?
        } else {
            None
        };
        Ok(Self::put(recorded, subject, attempt.as_ref()))
    }

    fn put(
        recorded: &RecordedDecision,
        subject: &Subject,
        attempt: Option<&RecordedDecision>,
    ) -> Result<Self, Unasked> {
        let job = subject.summary()?;
        if recorded.revision == 0 {
            return Err(Gone::Unrecorded.into());
        }
        if recorded.text_purged_at.is_some() {
            return Err(Gone::Text.into());
        }
        match recorded.function.parse() {
            Ok(GuestFunction::Rank) => {
                let (candidates, situation) = read(recorded)?;
                Ok(Self::Rank { job, candidates, situation })
            }
            Ok(GuestFunction::Quote) => {
                let (context, situation) = read(recorded)?;
                Ok(Self::Quote { job, context, situation })
            }
            Ok(GuestFunction::Settle) => {
                let (route, usage, situation) = read(recorded)?;
                let plan = Arc::clone(&taken(subject, recorded)?.plan);
                Ok(Self::Settle {
                    job,
                    context: plan.context.clone(),
                    offer: plan.offer.clone(),
                    route,
                    usage,
                    situation,
                })
            }
            Ok(GuestFunction::Judge) => {
                let (evidence, situation) = read(recorded)?;
                let made =
                    attempt.filter(|run| run.attempt == recorded.attempt).map(|run| &run.output);
                let Some(Ok(made)) = made else {
                    return Err(not_there(recorded, "its attempt made nothing"));
                };
                match serde_json::from_str::<Result<Output, JobError>>(made) {
                    Ok(Ok(output)) => Ok(Self::Judge { job, output, evidence, situation }),
                    _ => Err(not_there(recorded, "its attempt made no output")),
                }
            }
            Ok(GuestFunction::Run) => Self::run(recorded, taken(subject, recorded)?),
            Err(_) => Err(Unasked::Differs(super::unknown_function(recorded))),
        }
    }

    fn run(recorded: &RecordedDecision, state: &JobState) -> Result<Self, Unasked> {
        if matches!(recorded.output, Err(Fault::Wall | Fault::Cpu)) {
            return Err(Gone::Timed.into());
        }
        let transcript = match serde_json::from_str::<serde_json::Value>(&recorded.input) {
            Ok(serde_json::Value::Null | serde_json::Value::String(_)) => {
                return Err(Gone::Unrecorded.into());
            }
            _ => read(recorded)?,
        };
        let made = recorded
            .output
            .as_ref()
            .ok()
            .and_then(|made| serde_json::from_str::<Result<Output, JobError>>(made).ok());
        let content = made.and_then(Result::ok).map(|output| output.content);
        Ok(Self::Run {
            job: Arc::clone(&state.job),
            deadline_ms: state.plan.offer.max_work_ms,
            transcript,
            content,
        })
    }

    /// The role of the guest that answers it.
    pub const fn role(&self) -> Role {
        match self {
            Self::Rank { .. } => Role::Routing,
            Self::Quote { .. } | Self::Settle { .. } => Role::Pricing,
            Self::Judge { .. } => Role::Verification,
            Self::Run { .. } => Role::Handler,
        }
    }

    /// The job that it is about.
    pub fn job(&self) -> &Job {
        match self {
            Self::Rank { job, .. }
            | Self::Quote { job, .. }
            | Self::Settle { job, .. }
            | Self::Judge { job, .. } => job,
            Self::Run { job, .. } => job,
        }
    }
}

fn taken<'a>(subject: &'a Subject, recorded: &RecordedDecision) -> Result<&'a JobState, Unasked> {
    match subject {
        Subject::Taken(state) => Ok(state),
        Subject::Refused(_) | Subject::Forgotten => {
            Err(not_there(recorded, "its job was never taken"))
        }
    }
}

fn read<T: DeserializeOwned>(recorded: &RecordedDecision) -> Result<T, Unasked> {
    serde_json::from_str(&recorded.input).map_err(|error| not_there(recorded, &error.to_string()))
}

fn not_there(recorded: &RecordedDecision, why: &str) -> Unasked {
    Unasked::Differs(Difference {
        what: "input",
        recorded: recorded.input.clone(),
        found: why.into(),
    })
}
