//! The self-test of a guest before its installation.

use super::{component, granted, sandbox, set, within};
use pylon_core::guest::Fault;
use pylon_sandbox::{InstallError, Limits, Setup};

/// Goal: a broken policy is not installed. Method: the fixture fails on the samples, once for each
/// limit.
#[tokio::test]
async fn a_broken_policy_is_not_installed() {
    let sandbox = sandbox();
    for (what, fault) in [
        ("fuel", Fault::Fuel),
        ("memory", Fault::Memory),
        ("stack", Fault::Stack),
        ("traffic", Fault::HostCallBytes),
        ("trap", Fault::Trap),
        ("terms", Fault::InvalidOutput),
        ("cap", Fault::InvalidOutput),
    ] {
        let setup =
            within(set("tried", &[what]), Limits { hostcall_bytes: 64 << 10, ..Limits::POLICY });
        let refused = sandbox
            .load("pricing".parse().unwrap(), component("hostile_pricing"), setup)
            .await
            .err();
        assert_eq!(
            refused,
            Some(InstallError::SelfTest(format!("a job without a bid: {fault}"))),
            "{what}"
        );
    }
}

/// A policy can refuse all samples, but not for an invalid setting.
#[tokio::test]
async fn an_invalid_setting_is_not_a_refusal() {
    let sandbox = sandbox();
    let tried = async |what: &str| {
        sandbox
            .load("pricing".parse().unwrap(), component("hostile_pricing"), set("tried", &[what]))
            .await
    };
    assert!(tried("refuse").await.is_ok());
    let refused = tried("setting").await.err();
    assert_eq!(refused, Some(InstallError::InvalidSetting("do".into())));
}

/// Goal: a handler with an invalid setting is not installed. Method: one that reports the setting,
/// and ones that fail for another reason, which they can without a backend.
#[tokio::test]
async fn a_handler_reports_an_invalid_setting() {
    let sandbox = sandbox();
    let tried = async |what: &str| {
        sandbox
            .load("handler:5999".parse().unwrap(), component("hostile_handler"), set("do", &[what]))
            .await
    };
    let refused = tried("setting").await.err();
    assert_eq!(refused, Some(InstallError::InvalidSetting("do".into())));
    for fails in ["invalid", "blames", "panic", "wait", "answer"] {
        assert!(tried(fails).await.is_ok(), "{fails}");
    }
}

/// All shipped guests pass with default settings.
#[tokio::test]
async fn shipped_guests_pass() {
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
