//! Back-tests of other policies over recorded decisions.

use super::sold_jobs::SoldJobs;
use crate::component;
use pylon_authoring::backtest::{Counts, Filter, Report, Sum, Unknown, run};
use pylon_core::{Msat, Param, UnixTime};
use pylon_sandbox::{Installed, Role, Setup, Slot};
use std::sync::Arc;

const ALL: Filter = Filter { since: UnixTime::new(0), kind: None };

async fn candidate(
    sold: &SoldJobs,
    role: Role,
    name: &str,
    settings: &[(&str, &str)],
) -> Arc<Installed> {
    let param = |(name, value): &(&str, &str)| Param {
        name: (*name).into(),
        values: vec![(*value).into()],
    };
    let setup = Setup { settings: settings.iter().map(param).collect(), ..Setup::default() };
    sold.past().sandbox().load(Slot::policy(role).unwrap(), component(name), setup).await.unwrap()
}

async fn report(sold: &SoldJobs, role: Role, name: &str, settings: &[(&str, &str)]) -> Report {
    let guest = candidate(sold, role, name, settings).await;
    run(sold.journal(), &guest, role, ALL, |_| {}).unwrap()
}

const fn counts(then: u64, now: u64, both: u64) -> Counts {
    Counts { then, now, both }
}

fn earned(sold: &SoldJobs) -> Msat {
    sold.journal().earnings(0).unwrap().total
}

/// Goal: the same policies change nothing, to the millisatoshi. Method: the serving guest as its
/// own candidate, in every role.
#[tokio::test(flavor = "multi_thread")]
async fn backtest_of_the_same_policy_changes_nothing() {
    let sold = SoldJobs::new().await;
    for (role, name, compared) in [
        (Role::Pricing, "token_pricing", 5),
        (Role::Routing, "preferred_routing", 5),
        (Role::Verification, "basic_verification", 4),
    ] {
        let report = report(&sold, role, name, &[]).await;
        assert_eq!(
            (report.compared, report.changed, report.not_replayable["confidential"]),
            (compared, 0, 1),
            "{name}"
        );
        assert_eq!(report.known.then, earned(&sold), "{name}");
        assert_eq!(report.known.now, earned(&sold), "{name}");
        assert_eq!(report.fuel_then.percentile(50) > 0, report.fuel_now.percentile(50) > 0);
        assert!(report.faults.is_empty() && report.examples.is_empty());
    }
}

/// Goal: a report separates what is known from what cannot be known. Method: a lower, a higher, a
/// generous and a strict price for the same jobs.
#[tokio::test(flavor = "multi_thread")]
async fn backtest_separates_known_from_unknown_outcomes() {
    let sold = SoldJobs::new().await;
    let total = earned(&sold);
    let cheaper = report(&sold, Role::Pricing, "token_pricing", &[("base-msat", "500")]).await;
    let less = Sum { cases: 3, then: total, now: total.saturating_sub(Msat::new(1500)) };
    assert_eq!(
        (cheaper.known, cheaper.accepted, cheaper.changed),
        (less, counts(4, 4, 4), 5),
        "{cheaper:?}"
    );
    // In progress when the node stopped, so its outcome is unknown.
    assert_eq!(cheaper.unknown[&Unknown::InProgress].cases, 1);

    let higher = report(&sold, Role::Pricing, "token_pricing", &[("base-msat", "2000")]).await;
    let more = Sum { cases: 3, then: total, now: total.saturating_add(Msat::new(3000)) };
    assert_eq!(
        (higher.known, higher.unknown[&Unknown::PriceHigher]),
        (Sum::default(), more),
        "reported, not counted"
    );

    let numbers =
        [("base-msat", "2000"), ("input-per-1k-msat", "400"), ("output-per-1k-msat", "2000")];
    let double = report(&sold, Role::Pricing, "token_pricing", &numbers).await;
    let Sum { cases, then, now } = double.unknown[&Unknown::PriceHigher];
    // Each of the three was rounded down to a whole msat.
    assert!(
        (cases, then) == (3, total) && (0..=3).contains(&(now.get() - 2 * total.get())),
        "{double:?}"
    );
    assert_eq!((double.known, double.lost), (Sum::default(), Sum::default()));

    let generous = report(&sold, Role::Pricing, "token_pricing", &[("terms", "free")]).await;
    assert_eq!(
        (generous.accepted, generous.known.now, generous.unknown[&Unknown::Usage].cases),
        (counts(4, 5, 4), Msat::ZERO, 1)
    );
    assert_eq!(generous.refused["bid_too_low"], (1, 0));
    let example = generous.examples.iter().find(|example| example.job == sold.refused).unwrap();
    assert!(
        example.then.starts_with("refused: bid too low") && example.now == "free",
        "{example:?}"
    );

    let strict = report(&sold, Role::Pricing, "token_pricing", &[("base-msat", "60000")]).await;
    let nothing = Sum { cases: 3, then: total, now: Msat::ZERO };
    assert_eq!((strict.accepted, strict.known, strict.lost), (counts(4, 0, 0), nothing, nothing));

    let earlier = report(&sold, Role::Pricing, "token_pricing", &[("terms", "before-work")]).await;
    assert_eq!(earlier.unknown[&Unknown::Terms].cases, 3);
    let shorter = report(&sold, Role::Pricing, "token_pricing", &[("max-tokens-limit", "4")]).await;
    assert_eq!(shorter.unknown[&Unknown::OverLimit].cases, 1, "one of them wrote eight tokens");
}

/// Goal: a candidate that breaks limits is reported and sells nothing. Method: one that traps.
#[tokio::test(flavor = "multi_thread")]
async fn traps_of_a_candidate_are_counted() {
    let sold = SoldJobs::new().await;
    let report = report(&sold, Role::Pricing, "hostile_pricing", &[("do", "trap")]).await;
    assert_eq!(
        (report.accepted, report.faults["trapped"], report.known.now),
        (counts(4, 0, 0), 5, Msat::ZERO)
    );
}

/// Goal: one command with a table, JSON and a chart; a mistake is one line. Method: the real
/// program on the home of a node that has sold jobs.
#[tokio::test(flavor = "multi_thread")]
async fn backtest_command_prints_table_json_and_chart() {
    let sold = SoldJobs::new().await;
    let home = sold.market.folder.path();
    let run = |args: &[&str]| pylon_tests::process::run(home, args);
    let settings = home.join("cheap.toml");
    std::fs::write(&settings, "base-msat = 500\n").unwrap();
    let (settings, chart) = (settings.to_str().unwrap(), home.join("out.svg"));
    let args = [
        "guest",
        "backtest",
        "token_pricing",
        "--settings",
        settings,
        "--svg",
        chart.to_str().unwrap(),
        "--json",
    ];
    let output = run(&args);
    assert!(output.status.success(), "{}", pylon_tests::program::said(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&found["compared"], &found["accepted"]["both"], &found["not_replayable"]["confidential"]),
        (&5.into(), &4.into(), &1.into())
    );
    let (then, now) = (
        found["earnings"]["then_msats"].as_u64().unwrap(),
        found["earnings"]["now_msats"].as_u64().unwrap(),
    );
    assert_eq!((then, then - now), (earned(&sold).get(), 1500));
    assert_eq!(found["models"][0]["model"], "stub-model");
    let drawn = std::fs::read_to_string(&chart).unwrap();
    assert!(
        drawn.starts_with("<svg")
            && drawn.trim_end().ends_with("</svg>")
            && drawn.contains("Earnings by day"),
        "{drawn}"
    );
    let page = String::from_utf8(run(&args[..5]).stdout).unwrap();
    for words in [
        "on 5 decisions",
        "earned, msats",
        "  not counted  ",
        "Not counted, because it cannot be known:",
        "CUSTOMER",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let wrong = |text: &str| {
        std::fs::write(home.join("wrong.toml"), text).unwrap();
        let file = home.join("wrong.toml");
        run(&["guest", "backtest", "token_pricing", "--settings", file.to_str().unwrap()])
    };
    pylon_tests::program::check_failure("no setting", &wrong("base = 1\n"), &["base"]);
    pylon_tests::program::check_failure(
        "no TOML",
        &wrong("base-msat"),
        &["wrong.toml", "such as base-msat = 1000"],
    );
    let pair = run(&["guest", "backtest", "token_pricing", "--settings", "base-msat=500"]);
    pylon_tests::program::check_failure(
        "no file",
        &pair,
        &["needs a TOML file", "such as base-msat = 1000"],
    );
    pylon_tests::program::check_failure(
        "a list",
        &wrong("base-msat = [1]\n"),
        &["`base-msat` must be a string"],
    );
    let empty = tempfile::tempdir().unwrap();
    let nothing = pylon_tests::process::run(empty.path(), &["guest", "backtest", "token_pricing"]);
    pylon_tests::program::check_failure("no journal", &nothing, &["there is no pylon.db"]);
    for (words, args) in [
        ("not a policy", vec!["text_generation"]),
        ("no decisions of pricing", vec!["token_pricing", "--kind", "5999"]),
        ("the file absent does not exist", vec!["absent"]),
        ("is not a slot", vec!["token_pricing", "--slot", "prices"]),
        ("the guest is for pricing", vec!["token_pricing", "--slot", "routing"]),
        ("has kind 5050", vec!["token_pricing", "--slot", "pricing:5050", "--kind", "5051"]),
    ] {
        let args = [vec!["guest", "backtest"], args].concat();
        pylon_tests::program::check_failure(words, &run(&args), &[words]);
    }
}
