//! Something came out, it ended by itself or at its limit, it has the form that was asked for, and no check of the host failed.
//! What another attempt may mend is tried again; what the customer ended, or the form, is not.

#![no_std]

extern crate alloc;

use pylon_guest::description::About;
use pylon_guest::types::{Job, Outcome, Output, Situation};
use pylon_guest::verification::{Evidence, Finish, Verdict, Verification};

struct BasicVerification;

impl Verification for BasicVerification {
    fn describe() -> About {
        let summary = "Not empty, ended well, of the MIME type asked for, and no failed check.";
        About::policy("basic_verification", env!("CARGO_PKG_VERSION"), summary, [].into())
    }

    fn judge(job: &Job, output: &Output, evidence: &Evidence, _: &Situation) -> Verdict {
        match evidence.finish {
            Finish::Complete | Finish::Length => {}
            Finish::Cancelled => return Verdict::Reject("cancelled".into()),
            Finish::Failed => return Verdict::Reject("the work failed".into()),
        }
        if job
            .output
            .as_deref()
            .is_some_and(|asked| !essence(asked).eq_ignore_ascii_case(essence(&output.mime)))
        {
            return Verdict::Reject("the output is not of the type asked for".into());
        }
        if output.content.trim().is_empty() {
            return Verdict::Retry("the output is empty".into());
        }
        match evidence.checks.iter().find(|check| matches!(check.outcome, Outcome::Passed(false))) {
            Some(failed) => Verdict::Retry(["the check ", &failed.name, " failed"].concat()),
            None => Verdict::Accept,
        }
    }
}

/// A MIME type without its parameters.
fn essence(mime: &str) -> &str {
    mime.split(';').next().unwrap_or(mime).trim()
}

pylon_guest::verification::export!(BasicVerification);
