//! Whether a result is good: it ended by itself, it is not too short, and no check of the host failed.

#![no_std]

use pylon_guest::description::{About, Setting};
use pylon_guest::types::{Job, Outcome, Output, Situation};
use pylon_guest::verification::{Evidence, Finish, Verdict, Verification};

struct Policy;

impl Verification for Policy {
    fn describe() -> About {
        let settings = [Setting::new("min-bytes", "1", "A shorter text is tried again.")];
        About::policy(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), "Not too short, no failed check.", settings.into())
    }

    fn judge(_: &Job, output: &Output, evidence: &Evidence, situation: &Situation) -> Verdict {
        if matches!(evidence.finish, Finish::Cancelled | Finish::Failed) {
            return Verdict::Reject("it did not come to its end".into());
        }
        if evidence.checks.iter().any(|check| matches!(check.outcome, Outcome::Passed(false))) {
            return Verdict::Retry("a check failed".into());
        }
        if (output.content.len() as u64) < situation.settings().u64("min-bytes", 1) {
            return Verdict::Retry("too short".into());
        }
        Verdict::Accept
    }
}

pylon_guest::verification::export!(Policy);
