//! A policy is tried before it is put to work.

use super::{component, granted, sandbox, set, within};
use pylon_sandbox::{InstallError, Limits, Setup};

/// Goal: what is broken is found before a customer finds it. Method: the fixture breaks at the samples, once for each limit.
#[tokio::test]
async fn a_broken_policy_is_not_installed() {
    let sandbox = sandbox();
    for (what, words) in [
        ("fuel", "out of fuel"),
        ("memory", "memory limit exceeded"),
        ("stack", "stack limit exceeded"),
        ("traffic", "host call limit exceeded"),
        ("trap", "trapped"),
        ("terms", "invalid output"),
        ("cap", "invalid output"),
    ] {
        let setup =
            within(set("tried", &[what]), Limits { hostcall_bytes: 64 << 10, ..Limits::POLICY });
        let refused = sandbox
            .load("pricing".parse().unwrap(), component("hostile_pricing"), setup)
            .await
            .err();
        assert_eq!(
            refused,
            Some(InstallError::SelfTest(format!("asked about a job without a bid: {words}"))),
            "{what}"
        );
    }
}

/// Refusing everybody is a decision; refusing everybody for a setting is a mistake.
#[tokio::test]
async fn a_complaint_about_a_setting_is_told_from_a_refusal() {
    let sandbox = sandbox();
    let tried = async |what: &str| {
        sandbox
            .load("pricing".parse().unwrap(), component("hostile_pricing"), set("tried", &[what]))
            .await
    };
    assert!(tried("refuse").await.is_ok());
    let refused = tried("setting").await.err();
    assert_eq!(refused, Some(InstallError::Settings("no price: wrong setting do".into())));
}

/// Goal: a handler that cannot read a setting is found before a customer asks. Method: one that says so, and one that fails for another reason, as without a
/// backend it may.
#[tokio::test]
async fn a_handler_complains_about_a_setting() {
    let sandbox = sandbox();
    let tried = async |what: &str| {
        sandbox
            .load("handler:5999".parse().unwrap(), component("hostile_handler"), set("do", &[what]))
            .await
    };
    let refused = tried("setting").await.err();
    assert_eq!(refused, Some(InstallError::Settings("wrong setting do".into())));
    for fails in ["invalid", "blames", "panic", "wait", "answer"] {
        assert!(tried(fails).await.is_ok(), "{fails}");
    }
}

/// What we ship answers them all, with every setting at its default.
#[tokio::test]
async fn what_we_ship_passes() {
    let sandbox = sandbox();
    for (slot, name) in [
        ("routing", "preferred_routing"),
        ("pricing", "token_pricing"),
        ("verification", "basic_verification"),
        ("handler:5050", "text_generation"),
    ] {
        let setup = if slot.starts_with("handler") { granted() } else { Setup::default() };
        sandbox
            .load(slot.parse().unwrap(), component(name), setup)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
