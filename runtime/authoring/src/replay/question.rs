//! A recorded call of a guest with its arguments: from the decision, the row of the job and, for a
//! verdict, the output of the attempt.

use super::{Difference, NotReplayable, ReplaySubject};
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

/// A call of a guest, with its arguments.
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
        context: Box<QuoteContext>,
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

/// Why a call cannot be repeated.
#[derive(Clone, Debug)]
pub enum QuestionError {
    /// Something that it needs is not available.
    NotReplayable(NotReplayable),
    /// Something that it needs was changed.
    Differs(Difference),
}

impl From<NotReplayable> for QuestionError {
    fn from(why: NotReplayable) -> Self {
        Self::NotReplayable(why)
    }
}

impl Question {
    /// Reads the recorded call.
    pub fn read(
        journal: &ReadOnlyJournal,
        recorded: &RecordedDecision,
        subject: &ReplaySubject,
    ) -> Result<Result<Self, QuestionError>, JournalError> {
        let attempt = if recorded.function == GuestFunction::Judge.as_str() {
            journal.recorded_last(recorded.job, GuestFunction::Run, recorded.attempt)?
        } else {
            None
        };
        Ok(Self::build(recorded, subject, attempt.as_ref()))
    }

    fn build(
        recorded: &RecordedDecision,
        subject: &ReplaySubject,
        attempt: Option<&RecordedDecision>,
    ) -> Result<Self, QuestionError> {
        let job = subject.policy_view()?;
        if recorded.revision == 0 {
            return Err(NotReplayable::Unrecorded.into());
        }
        if recorded.text_purged_at.is_some() {
            return Err(NotReplayable::TextPurged.into());
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
                let (route, usage, situation): (Route, Usage, Situation) = read(recorded)?;
                let plan = Arc::clone(&accepted(subject, recorded)?.plan);
                Ok(Self::Settle {
                    job,
                    context: Box::new(plan.context_for(&route)),
                    offer: plan.offer_for(&route).clone(),
                    route,
                    usage,
                    situation,
                })
            }
            Ok(GuestFunction::Judge) => {
                let (evidence, situation) = read(recorded)?;
                let run = attempt.filter(|run| run.attempt == recorded.attempt);
                let Some(Ok(answer)) = run.map(|run| &run.output) else {
                    return Err(invalid_input(recorded, "its attempt has no record"));
                };
                match serde_json::from_str::<Result<Output, JobError>>(answer) {
                    Ok(Ok(output)) => Ok(Self::Judge { job, output, evidence, situation }),
                    _ => Err(invalid_input(recorded, "its attempt has no output")),
                }
            }
            Ok(GuestFunction::Run) => Self::run(recorded, accepted(subject, recorded)?),
            Err(_) => Err(QuestionError::Differs(super::unknown_function(recorded))),
        }
    }

    fn run(recorded: &RecordedDecision, state: &JobState) -> Result<Self, QuestionError> {
        if matches!(recorded.output, Err(Fault::Wall | Fault::Cpu)) {
            return Err(NotReplayable::Timeout.into());
        }
        let transcript = match serde_json::from_str::<serde_json::Value>(&recorded.input) {
            Ok(serde_json::Value::Null | serde_json::Value::String(_)) => {
                return Err(NotReplayable::Unrecorded.into());
            }
            _ => read(recorded)?,
        };
        let answer = recorded
            .output
            .as_ref()
            .ok()
            .and_then(|answer| serde_json::from_str::<Result<Output, JobError>>(answer).ok());
        let content = answer.and_then(Result::ok).map(|output| output.content);
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

fn accepted<'a>(
    subject: &'a ReplaySubject,
    recorded: &RecordedDecision,
) -> Result<&'a JobState, QuestionError> {
    match subject {
        ReplaySubject::Accepted(state) => Ok(state),
        ReplaySubject::Refused(_) | ReplaySubject::Purged => {
            Err(invalid_input(recorded, "its job was never accepted"))
        }
    }
}

fn read<T: DeserializeOwned>(recorded: &RecordedDecision) -> Result<T, QuestionError> {
    serde_json::from_str(&recorded.input)
        .map_err(|error| invalid_input(recorded, &error.to_string()))
}

fn invalid_input(recorded: &RecordedDecision, why: &str) -> QuestionError {
    QuestionError::Differs(Difference {
        what: "input",
        recorded: recorded.input.clone(),
        found: why.into(),
    })
}
