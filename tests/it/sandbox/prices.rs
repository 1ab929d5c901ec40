//! The shipped pricing policies: small, never above the agreed price, monotonic, and defined for
//! all inputs.

use super::{context, job, load, param, route, sandbox, situation};
use crate::component;
use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use pylon_core::decision::{History, MarketView, Offer, QuoteContext, Refusal, Terms};
use pylon_core::work::{Route, Usage};
use pylon_core::{Job, Msat, UnixTime};
use pylon_sandbox::{Installed, Setup};
use std::sync::Arc;

const SHIPPED: [&str; 4] =
    ["token_pricing", "market_pricing", "reputation_pricing", "volume_discount"];
/// The price of 1000 tokens read and 512 written with default settings.
const PLAIN: u64 = 1000 + 200 + 512;

/// Names and values.
type Settings<'a> = &'a [(&'a str, &'a str)];

async fn policy(name: &str, settings: Settings<'_>) -> Arc<Installed> {
    let settings = settings.iter().map(|(name, value)| param(name, &[value])).collect();
    load(&sandbox(), "pricing", name, Setup { settings, skip_self_test: true, ..Setup::default() })
        .await
}

/// A job without a bid and without max_tokens.
fn plain_job() -> Job {
    Job { params: Vec::new(), bid: None, ..job(1) }
}

fn plain_context() -> QuoteContext {
    QuoteContext { input_tokens_estimate: 1000, ..context() }
}

fn market(median: u64) -> Option<MarketView> {
    Some(MarketView {
        offers: 3,
        low: Msat::new(1),
        median: Msat::new(median),
        high: Msat::new(u64::MAX),
    })
}

fn record(jobs_completed: u32, jobs_unpaid: u32, recent_paid: u64) -> History {
    let paid = Msat::new(recent_paid);
    History {
        first_seen: Some(UnixTime::new(1)),
        jobs_completed,
        jobs_unpaid,
        jobs_paid: None,
        paid,
        recent_paid: paid,
    }
}

fn quote(guest: &Installed, job: &Job, context: &QuoteContext) -> Result<Offer, Refusal> {
    guest.quote(job, context, &situation()).value.expect("an answer")
}

fn settle(
    guest: &Installed,
    context: &QuoteContext,
    offer: &Offer,
    route: &Route,
    input_tokens: u64,
    output_tokens: u64,
) -> Msat {
    let usage = Usage { input_tokens, output_tokens, ..Usage::default() };
    guest
        .settle(&plain_job(), context, offer, route, &usage, &situation())
        .value
        .expect("an answer")
}

/// Up to this size, measurements show no influence of the size on the time of a call.
#[test]
fn shipped_policies_are_small() {
    for name in SHIPPED.into_iter().chain(["preferred_routing", "basic_verification"]) {
        let bytes = component(name).len();
        assert!(bytes <= 64 << 10, "{name}: {bytes} bytes");
    }
}

/// Goal: without any facts all four policies have the same price, and each one reacts to its own
/// facts within its limits. Method: one fact per row, with the price of the quote and of the
/// settlement.
#[tokio::test]
async fn each_policy_reacts_to_its_facts() {
    let of = |customer: History, ours: History, market: Option<MarketView>| QuoteContext {
        customer,
        ours,
        market,
        ..plain_context()
    };
    let none = History::default;
    // The price of a typical job: 1000 + 100 + 512.
    let typical = 1612;
    let rows: [(&str, Settings<'_>, QuoteContext, u64); 17] = [
        ("token_pricing", &[], of(record(900, 9, 1 << 40), record(900, 9, 0), market(1)), PLAIN),
        ("market_pricing", &[], of(none(), none(), None), PLAIN),
        ("market_pricing", &[], of(none(), none(), market(typical)), PLAIN),
        ("market_pricing", &[], of(none(), none(), market(typical * 3 / 2)), PLAIN * 3 / 2),
        (
            "market_pricing",
            &[("relative-permille", "900")],
            of(none(), none(), market(typical)),
            PLAIN * 9 / 10,
        ),
        ("market_pricing", &[], of(none(), none(), market(1)), PLAIN / 2),
        ("market_pricing", &[], of(none(), none(), market(u64::MAX)), PLAIN * 2),
        (
            "market_pricing",
            &[("ceiling-permille", "1100")],
            of(none(), none(), market(u64::MAX)),
            PLAIN * 11 / 10,
        ),
        ("reputation_pricing", &[], of(none(), none(), market(1)), PLAIN),
        ("reputation_pricing", &[], of(none(), record(1000, 0, 0), None), PLAIN * 11 / 10),
        ("reputation_pricing", &[], of(none(), record(u32::MAX, 0, 0), None), PLAIN * 13 / 10),
        (
            "reputation_pricing",
            &[("premium-max-permille", "0")],
            of(none(), record(1000, 0, 0), None),
            PLAIN,
        ),
        ("volume_discount", &[], of(none(), none(), None), PLAIN),
        ("volume_discount", &[], of(record(9, 0, 29_999_999), none(), None), PLAIN * 96 / 100),
        ("volume_discount", &[], of(record(9, 0, 30_000_000), none(), None), PLAIN * 94 / 100),
        ("volume_discount", &[], of(record(9, 0, u64::MAX), none(), None), PLAIN * 8 / 10),
        ("volume_discount", &[("step-msat", "0")], of(record(9, 0, u64::MAX), none(), None), PLAIN),
    ];
    for (name, settings, context, expected) in rows {
        let guest = policy(name, settings).await;
        let offer = quote(&guest, &plain_job(), &context)
            .unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert_eq!(
            (offer.terms, offer.price.get(), offer.cap.get()),
            (Terms::OnDelivery, expected, expected),
            "{name} {settings:?}"
        );
        assert_eq!(
            settle(&guest, &context, &offer, &route(), 1000, 512).get(),
            expected,
            "{name} {settings:?}"
        );
    }
}

/// Settings, terms of the wallet, completed and unpaid jobs, and the expected answer.
type Row<'a> = (Settings<'a>, &'a [Terms], u32, u32, Result<Terms, Refusal>);

/// Goal: customers with unpaid jobs first have to pay before the work and are then not served, and
/// a small part of many jobs is forgiven. Method: one history per row.
#[tokio::test]
async fn customers_with_unpaid_jobs_lose_credit() {
    let first = Ok(Terms::BeforeWork);
    let credit = Ok(Terms::OnDelivery);
    let all = [Terms::Free, Terms::OnDelivery, Terms::BeforeWork, Terms::Hold];
    let rows: [Row<'_>; 11] = [
        (&[], &all, 0, 0, credit.clone()),
        (&[], &all, 1, 1, first.clone()),
        (&[], &all, 2, 2, first.clone()),
        (&[], &all, 3, 3, Err(Refusal::Blocked)),
        (&[], &all, 40, 2, credit.clone()),
        (&[], &all, u32::MAX, u32::MAX, Err(Refusal::Blocked)),
        (&[("unpaid-before-work", "0")], &all, 0, 0, first.clone()),
        (&[("unpaid-blocked", "0")], &all, 9, 9, first.clone()),
        (&[("terms", "hold")], &all, 1, 1, Ok(Terms::Hold)),
        (&[], &[Terms::Free, Terms::OnDelivery], 1, 1, Err(Refusal::Blocked)),
        (&[("terms", "free")], &all, 1, 1, Ok(Terms::Free)),
    ];
    for (settings, terms, completed, unpaid, expected) in rows {
        let guest = policy("reputation_pricing", settings).await;
        let context = QuoteContext {
            customer: record(completed, unpaid, 0),
            terms: terms.to_vec(),
            ..plain_context()
        };
        let found = quote(&guest, &plain_job(), &context).map(|offer| offer.terms);
        assert_eq!(found, expected, "{settings:?}: {unpaid} of {completed}");
    }
}

/// Goal: a policy with an invalid setting refuses all jobs and names the setting. Method: for each
/// setting of each policy, values that are not numbers or above the range; a floor above the
/// ceiling.
#[tokio::test]
async fn invalid_settings_are_reported() {
    for name in SHIPPED {
        let guest = policy(name, &[]).await;
        assert!(quote(&guest, &plain_job(), &plain_context()).is_ok(), "{name}");
        for setting in &guest.manifest().settings {
            assert!(
                !setting.help.is_empty() && !setting.default.is_empty(),
                "{name}: {}",
                setting.name
            );
            for value in ["x", "-1", "1.5", "99999999999999999999", "1000000000001"] {
                let guest = policy(name, &[(setting.name.as_str(), value)]).await;
                let refused = quote(&guest, &plain_job(), &plain_context());
                let expected = Err(Refusal::InvalidSetting(setting.name.clone()));
                assert_eq!(refused, expected, "{name}: {} = {value}", setting.name);
            }
        }
    }
    let guest = policy("market_pricing", &[("floor-permille", "2001")]).await;
    let refused = quote(&guest, &plain_job(), &plain_context());
    assert_eq!(refused, Err(Refusal::InvalidSetting("floor-permille".into())));
}

/// Any number, and edge cases.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), 0_u64..100_000, any::<u64>(), Just(u64::MAX)]
}

fn history() -> impl Strategy<Value = History> {
    (any::<u32>(), any::<u32>(), number())
        .prop_map(|(completed, unpaid, paid)| record(completed, unpaid, paid))
}

fn any_context() -> impl Strategy<Value = QuoteContext> {
    let terms =
        prop::sample::subsequence(vec![Terms::OnDelivery, Terms::BeforeWork, Terms::Hold], 0..=3);
    let permille = prop_oneof![Just(0), Just(1000), any::<u32>()];
    (number(), terms, number(), history(), history(), prop::option::of(number()), permille)
        .prop_map(
            |(
                input_tokens_estimate,
                mut terms,
                max_receivable,
                customer,
                ours,
                median,
                price_permille,
            )| {
                terms.push(Terms::Free);
                let (max_receivable, market) = (Msat::new(max_receivable), median.and_then(market));
                let route = Route { price_permille, ..route() };
                QuoteContext {
                    route,
                    input_tokens_estimate,
                    terms,
                    max_receivable,
                    step: Msat::new(1),
                    customer,
                    ours,
                    market,
                }
            },
        )
}

/// Goal: for any input a policy answers, within the bid, the receivable amount and its own offer,
/// and more tokens do not cost less. Method: random inputs with edge cases; each policy with
/// default and with high prices.
#[tokio::test]
async fn prices_have_limits_for_any_input() {
    let high =
        ["base-msat", "input-per-1k-msat", "output-per-1k-msat"].map(|name| (name, "10000000000"));
    for name in SHIPPED {
        for settings in [&[][..], &high] {
            let guest = policy(name, settings).await;
            let mut runner =
                TestRunner::new(Runs { cases: 300, failure_persistence: None, ..Runs::default() });
            let cases = (
                any_context(),
                prop::option::of(number()),
                number(),
                [number(), number(), number()],
            );
            let checked =
                runner.run(&cases, |(context, bid, max_tokens, [input, output, more])| {
                    let job = Job {
                        bid: bid.map(Msat::new),
                        params: vec![param("max_tokens", &[&max_tokens.to_string()])],
                        ..job(1)
                    };
                    let Ok(offer) = quote(&guest, &job, &context) else { return Ok(()) };
                    prop_assert!(context.terms.contains(&offer.terms), "{offer:?}");
                    prop_assert!(
                        offer.price <= offer.cap && offer.cap <= context.max_receivable,
                        "{offer:?}"
                    );
                    prop_assert!(bid.is_none_or(|bid| offer.cap.get() <= bid), "{offer:?}");
                    let longer = QuoteContext {
                        input_tokens_estimate: context.input_tokens_estimate.saturating_add(more),
                        ..context.clone()
                    };
                    if let Ok(longer) = quote(&guest, &job, &longer) {
                        prop_assert!(longer.price >= offer.price, "{offer:?} {longer:?}");
                    }
                    let due = |input, output| {
                        settle(&guest, &context, &offer, &context.route, input, output)
                    };
                    let (less, read, written) = (
                        due(input, output),
                        due(input.saturating_add(more), output),
                        due(input, output.saturating_add(more)),
                    );
                    prop_assert!(
                        less <= read
                            && less <= written
                            && read <= offer.cap
                            && written <= offer.cap,
                        "{offer:?}"
                    );
                    Ok(())
                });
            checked.unwrap_or_else(|failed| panic!("{name} {settings:?}: {failed}"));
        }
    }
}
