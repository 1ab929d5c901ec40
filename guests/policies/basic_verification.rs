//! Accepts an output that is not empty, has the requested MIME type, comes from work that did not
//! fail, and passed all checks of the host. An empty output or a failed check is retried.

#![no_std]

extern crate alloc;

use alloc::format;
use pylon_guest::description::Manifest;
use pylon_guest::types::{Job, Outcome, Output, Situation};
use pylon_guest::verification::{Evidence, Finish, Verdict, Verification};

struct BasicVerification;

impl Verification for BasicVerification {
    fn describe() -> Manifest {
        let summary = "Not empty, the requested MIME type, no failed work or check.";
        Manifest::policy("basic_verification", env!("CARGO_PKG_VERSION"), summary, [].into())
    }

    fn judge(job: &Job, output: &Output, evidence: &Evidence, _: &Situation) -> Verdict {
        match evidence.finish {
            Finish::Complete | Finish::Length => {}
            Finish::Cancelled => return Verdict::Reject("cancelled".into()),
            Finish::Failed => return Verdict::Reject("the work failed".into()),
        }
        if let Some(requested) = &job.output
            && !essence(requested).eq_ignore_ascii_case(essence(&output.mime))
        {
            return Verdict::Reject("the output does not have the requested MIME type".into());
        }
        if output.content.trim().is_empty() {
            return Verdict::Retry("the output is empty".into());
        }
        match evidence.checks.iter().find(|check| matches!(check.outcome, Outcome::Passed(false))) {
            Some(failed) => Verdict::Retry(format!("the check {} failed", failed.name)),
            None => Verdict::Accept,
        }
    }
}

/// A MIME type without its parameters.
fn essence(mime: &str) -> &str {
    mime.split(';').next().unwrap_or(mime).trim()
}

pylon_guest::verification::export!(BasicVerification);
