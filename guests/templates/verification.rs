//! Decides whether a result is good: the work did not fail, the output is not too short, and no
//! check of the host failed.

#![no_std]

use pylon_guest::description::{Manifest, Setting};
use pylon_guest::types::{Job, Outcome, Output, Situation};
use pylon_guest::verification::{Evidence, Finish, Verdict, Verification};

struct Policy;

impl Verification for Policy {
    fn describe() -> Manifest {
        let settings = [Setting::new("min-bytes", "1", "Shorter outputs are retried.")];
        Manifest::policy(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Not too short, no failed check.",
            settings.into(),
        )
    }

    fn judge(_: &Job, output: &Output, evidence: &Evidence, situation: &Situation) -> Verdict {
        // Settings first: an invalid value is then found when the policy is installed.
        let min_bytes: usize = match situation.settings().setting("min-bytes") {
            Ok(bytes) => bytes,
            Err(invalid) => return invalid.into(),
        };
        if matches!(evidence.finish, Finish::Cancelled | Finish::Failed) {
            return Verdict::Reject("the work did not complete".into());
        }
        if evidence.checks.iter().any(|check| matches!(check.outcome, Outcome::Passed(false))) {
            return Verdict::Retry("a check failed".into());
        }
        if output.content.len() < min_bytes {
            return Verdict::Retry("too short".into());
        }
        Verdict::Accept
    }
}

pylon_guest::verification::export!(Policy);
