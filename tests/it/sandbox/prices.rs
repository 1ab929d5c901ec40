//! The pricing policies that we ship: small, never more than was agreed, never less for more, and never at a loss for an answer.

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
/// What the defaults ask for 1000 tokens read and 512 written.
const PLAIN: u64 = 1000 + 200 + 512;

/// Names and values.
type Settings<'a> = &'a [(&'a str, &'a str)];

async fn policy(name: &str, settings: Settings<'_>) -> Arc<Installed> {
    let settings = settings.iter().map(|(name, value)| param(name, &[value])).collect();
    load(&sandbox(), "pricing", name, Setup { settings, untested: true, ..Setup::default() }).await
}

/// A job of nobody in particular: no bid, no length.
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

/// What a policy is called for each job weighs no more than this.
#[test]
fn they_are_small() {
    for name in SHIPPED.into_iter().chain(["preferred_routing", "basic_verification"]) {
        let bytes = component(name).len();
        assert!(bytes <= 16 << 10, "{name}: {bytes} bytes");
    }
}

/// Goal: where nothing is known all four ask the same, and each of them moves by what it looks at, as far as it may. Method: one fact a row, and what
/// the quote and the settlement of the very job come to.
#[tokio::test]
async fn each_moves_by_what_it_looks_at() {
    let of = |customer: History, ours: History, market: Option<MarketView>| QuoteContext {
        customer,
        ours,
        market,
        ..plain_context()
    };
    let none = History::default;
    // A typical job costs 1000 + 100 + 512 by tokens.
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

/// Settings, what the wallet can do, jobs completed and unpaid, and the answer.
type Row<'a> = (Settings<'a>, &'a [Terms], u32, u32, Result<Terms, Refusal>);

/// Goal: who does not pay pays first, then is not served, and nobody is punished for a little among much. Method: one record a row.
#[tokio::test]
async fn credit_is_for_those_who_pay() {
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

/// Goal: settings that make no sense sell nothing, and the operator reads which. Method: for each setting of each policy what is no number, one
/// above its range, and a floor above the ceiling.
#[tokio::test]
async fn senseless_settings_sell_nothing() {
    for name in SHIPPED {
        let guest = policy(name, &[]).await;
        assert!(quote(&guest, &plain_job(), &plain_context()).is_ok(), "{name}");
        for setting in &guest.about().settings {
            assert!(
                !setting.help.is_empty() && !setting.default.is_empty(),
                "{name}: {}",
                setting.name
            );
            for value in ["x", "-1", "1.5", "+1", "99999999999999999999", "1000000000001"] {
                let guest = policy(name, &[(setting.name.as_str(), value)]).await;
                let refused = quote(&guest, &plain_job(), &plain_context());
                let told = Err(Refusal::Other(format!("no price: wrong setting {}", setting.name)));
                assert_eq!(refused, told, "{name}: {} = {value}", setting.name);
            }
        }
    }
    let guest = policy("market_pricing", &[("floor-permille", "2001")]).await;
    assert!(matches!(quote(&guest, &plain_job(), &plain_context()), Err(Refusal::Other(_))));
}

/// Any number, and those at which something breaks.
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

/// Goal: whatever a customer, a market or a history is, a policy answers, asks no more than the bid, than can be received and than it offered, and no
/// less for more tokens. Method: numbers up to the largest in every place, in the sandbox; each policy with its defaults and with dear ones.
#[tokio::test]
async fn extremes_are_priced_like_anything_else() {
    let dear =
        ["base-msat", "input-per-1k-msat", "output-per-1k-msat"].map(|name| (name, "10000000000"));
    for name in SHIPPED {
        for settings in [&[][..], &dear] {
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
