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
        // First of all: where a setting cannot be read, the operator learns it at the installation.
        let Ok(min_bytes) = situation.settings().setting::<usize>("min-bytes") else {
            return Verdict::Reject("wrong setting min-bytes".into());
        };
        if matches!(evidence.finish, Finish::Cancelled | Finish::Failed) {
            return Verdict::Reject("it did not come to its end".into());
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
