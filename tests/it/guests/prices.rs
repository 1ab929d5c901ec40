//! The shipped pricing policies, each in a node: their inputs come from the market and the journal.

use nostr_sdk::prelude::{Client, EventBuilder, EventId, Keys, Kind, Tag};
use pylon_core::decision::Terms;
use pylon_core::machine::{Delivery, JobState, Settlement};
use pylon_core::{JobId, Msat};
use pylon_nostr::nip90::RequestTag;
use pylon_tests::market::{Customer, MarketOptions, TEST_TIMEOUT, TestMarket, param, text};
use std::time::{Duration, Instant};

/// The default price of a typical job, and the prices of other providers: 1.5 times as much.
const TYPICAL: u64 = 1612;
const ASKED: [u64; 3] = [1000, 2418, 9000];

/// A request for 100 tokens. The number makes requests of the same second different events.
fn wanted(number: u32) -> Vec<RequestTag> {
    vec![text(&format!("one two three {number}")), param("max_tokens", "100")]
}

/// The default price by tokens.
fn plain(job: &JobState, permille: u64) -> u64 {
    (1_000_000 + 200 * job.plan.context.input_tokens_estimate + 1000 * 100) * permille / 1_000_000
}

async fn delivered(
    market: &TestMarket,
    customer: &mut Customer,
    number: u32,
) -> (JobId, JobState, Option<String>) {
    let job = customer.ask(wanted(number)).await;
    let bolt11 = customer.result(job).await.due.and_then(|(_, bolt11)| bolt11);
    (job, market.wait_until(job, |state| state.delivery == Delivery::Delivered).await, bolt11)
}

/// Three other providers publish prices for the same kind of job.
async fn others_ask(relay: &str) {
    let client = Client::default();
    client.add_relay(relay).await.unwrap();
    client.connect().await;
    for amount in ASKED {
        let amount = Tag::parse(["amount".to_owned(), amount.to_string(), "lnbc1".into()]).unwrap();
        let result = EventBuilder::new(Kind::from_u16(6050), "done")
            .tags([Tag::event(EventId::from_byte_array([7; 32])), amount]);
        client.send_event(&result.sign_with_keys(&Keys::generate()).unwrap()).await.unwrap();
    }
    client.shutdown().await;
}

/// Goal: the price is the market's level, or the configured part of it. Method: a relay with prices
/// of three other providers; the node's market input, and its price, at and a tenth below the
/// median.
#[tokio::test(flavor = "multi_thread")]
async fn prices_follow_the_market() {
    for (settings, relative) in [(&[][..], 1000), (&[("relative-permille", "900")], 900)] {
        let market = TestMarket::start(MarketOptions {
            policy: "market_pricing",
            pricing: settings,
            ..MarketOptions::default()
        })
        .await;
        let mut customer = market.customer().await;
        let (_, before, _) = delivered(&market, &mut customer, 0).await;
        assert_eq!(
            (before.plan.context.market, before.plan.offer.price.get()),
            (None, plain(&before, 1000))
        );
        others_ask(market.relays[0].url()).await;
        let begun = Instant::now();
        let mut number = 0;
        let job = loop {
            number += 1;
            let (_, job, _) = delivered(&market, &mut customer, number).await;
            // Prices and requests arrive by different subscriptions.
            if job.plan.context.market.is_some() {
                break job;
            }
            assert!(begun.elapsed() < TEST_TIMEOUT, "the market is never seen");
        };
        let market = job.plan.context.market.unwrap();
        assert_eq!(
            (market.offers, market.low, market.median, market.high),
            (3, msat(0), msat(1), msat(2))
        );
        assert_eq!(
            job.plan.offer.price.get(),
            plain(&job, ASKED[1] * relative / TYPICAL),
            "{relative}"
        );
    }
}

fn msat(index: usize) -> Msat {
    Msat::new(ASKED[index])
}

/// Goal: a customer that has not paid must prepay, one that has paid gets credit. Method: two
/// customers, two jobs each; one pays its first job, the other lets it expire.
#[tokio::test(flavor = "multi_thread")]
async fn only_paying_customers_get_credit() {
    let mut market = TestMarket::start(MarketOptions {
        policy: "reputation_pricing",
        pricing: &[("valid-seconds", "1")],
        ..MarketOptions::default()
    })
    .await;
    let (mut bad, mut good) = (market.customer().await, market.customer().await);
    let (lapsing, state, _) = delivered(&market, &mut bad, 1).await;
    assert_eq!(state.plan.offer.terms, Terms::OnDelivery);
    market.wait_until(lapsing, |state| state.settlement == Settlement::Unpaid).await;
    market.stop_node(Duration::ZERO).await;
    market.config.slots.guests.get_mut("pricing").unwrap().settings.clear();
    market.start_node().await;

    let (paid, _, bolt11) = delivered(&market, &mut good, 1).await;
    market.bank.pay(&bolt11.expect("an invoice")).unwrap();
    market.wait_until(paid, |state| state.settlement == Settlement::Paid).await;
    let (_, again, _) = delivered(&market, &mut good, 2).await;
    assert_eq!(
        (again.plan.context.customer.jobs_unpaid, again.plan.offer.terms),
        (0, Terms::OnDelivery)
    );

    let asked = market.stub.requests();
    let job = bad.ask(wanted(2)).await;
    let (amount, bolt11) = bad.feedback(job, "payment-required").await.due.expect("an amount");
    let state = market.job(job).unwrap();
    assert_eq!(
        (state.plan.context.customer.jobs_unpaid, state.plan.offer.terms),
        (1, Terms::BeforeWork)
    );
    assert_eq!(
        (state.plan.offer.price, market.stub.requests()),
        (amount, asked),
        "nothing runs before the money is there"
    );
    market.bank.pay(&bolt11.expect("an invoice")).unwrap();
    bad.result(job).await;
}

/// Goal: a customer that has paid more gets a lower price. Method: jobs one after the other, each
/// paid; one price step for each 2000 msat.
#[tokio::test(flavor = "multi_thread")]
async fn paid_jobs_lower_the_next_price() {
    let settings =
        &[("step-msat", "2000"), ("step-permille", "50"), ("discount-max-permille", "100")];
    let market = TestMarket::start(MarketOptions {
        policy: "volume_discount",
        pricing: settings,
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let mut prices = Vec::new();
    for number in 0..7 {
        let (id, job, bolt11) = delivered(&market, &mut customer, number).await;
        let steps = job.plan.context.customer.recent_paid.get() / 2000;
        let price = job.plan.offer.price.get();
        assert_eq!(price, plain(&job, 1000 - (50 * steps).min(100)), "{steps} steps");
        prices.push(price);
        market.bank.pay(&bolt11.expect("an invoice")).unwrap();
        market.wait_until(id, |state| state.settlement == Settlement::Paid).await;
    }
    prices.dedup();
    assert!(
        prices.len() == 3 && prices.is_sorted_by(|one, next| one > next),
        "two steps, and no further: {prices:?}"
    );
    let (_, stranger, _) = delivered(&market, &mut market.customer().await, 0).await;
    assert_eq!(
        stranger.plan.offer.price.get(),
        plain(&stranger, 1000),
        "a stranger's is as before"
    );
}
