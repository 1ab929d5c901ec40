//! The pricing policies that we ship, each in a node: what they are told comes from the market and from the node's own books.

use nostr_sdk::prelude::{Client, EventBuilder, EventId, Keys, Kind, Tag};
use pylon_core::decision::Terms;
use pylon_core::machine::{Delivery, JobState, Settlement};
use pylon_core::{JobId, Msat};
use pylon_nostr::nip90::RequestTag;
use pylon_tests::stage::{Customer, PATIENCE, Set, Stage, param, text};
use std::time::{Duration, Instant};

/// What the defaults ask for a typical job, and what others ask here: half as much again.
const TYPICAL: u64 = 1612;
const ASKED: [u64; 3] = [1000, 2418, 9000];

/// 100 tokens to write. The number makes requests of one second different events.
fn wanted(number: u32) -> Vec<RequestTag> {
    vec![text(&format!("one two three {number}")), param("max_tokens", "100")]
}

/// By tokens, with the defaults.
fn plain(job: &JobState, permille: u64) -> u64 {
    (1_000_000 + 200 * job.plan.context.input_tokens_estimate + 1000 * 100) * permille / 1_000_000
}

async fn delivered(
    stage: &Stage,
    customer: &mut Customer,
    number: u32,
) -> (JobId, JobState, Option<String>) {
    let job = customer.ask(wanted(number)).await;
    let bolt11 = customer.result(job).await.due.and_then(|(_, bolt11)| bolt11);
    (job, stage.until(job, |state| state.delivery == Delivery::Delivered).await, bolt11)
}

/// Three strangers say on the relay what they ask for a job like ours.
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

/// Goal: the market's level is ours, or as far below it as the operator wants. Method: a relay on which three others ask; what the node is told of it,
/// and what it asks, at and a tenth below the median.
#[tokio::test(flavor = "multi_thread")]
async fn prices_follow_the_market() {
    for (settings, relative) in [(&[][..], 1000), (&[("relative-permille", "900")], 900)] {
        let stage =
            Stage::set(Set { policy: "market_pricing", pricing: settings, ..Set::default() }).await;
        let mut customer = stage.customer().await;
        let (_, before, _) = delivered(&stage, &mut customer, 0).await;
        assert_eq!(
            (before.plan.context.market, before.plan.offer.price.get()),
            (None, plain(&before, 1000))
        );
        others_ask(stage.relays[0].url()).await;
        let begun = Instant::now();
        let mut number = 0;
        let job = loop {
            number += 1;
            let (_, job, _) = delivered(&stage, &mut customer, number).await;
            // What others say and what customers ask are two subscriptions.
            if job.plan.context.market.is_some() {
                break job;
            }
            assert!(begun.elapsed() < PATIENCE, "the market is never seen");
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

/// Goal: who did not pay pays first, who paid has credit. Method: two customers, two jobs each; the first job of one is good for a second and lapses.
#[tokio::test(flavor = "multi_thread")]
async fn credit_is_for_who_paid() {
    let mut stage = Stage::set(Set {
        policy: "reputation_pricing",
        pricing: &[("valid-seconds", "1")],
        ..Set::default()
    })
    .await;
    let (mut bad, mut good) = (stage.customer().await, stage.customer().await);
    let (lapsing, state, _) = delivered(&stage, &mut bad, 1).await;
    assert_eq!(state.plan.offer.terms, Terms::OnDelivery);
    stage.until(lapsing, |state| state.settlement == Settlement::Unpaid).await;
    stage.stop(Duration::ZERO).await;
    stage.config.slots.guests.get_mut("pricing").unwrap().settings.clear();
    stage.start().await;

    let (paid, _, bolt11) = delivered(&stage, &mut good, 1).await;
    stage.bank.pay(&bolt11.expect("an invoice")).unwrap();
    stage.until(paid, |state| state.settlement == Settlement::Paid).await;
    let (_, again, _) = delivered(&stage, &mut good, 2).await;
    assert_eq!(
        (again.plan.context.customer.jobs_unpaid, again.plan.offer.terms),
        (0, Terms::OnDelivery)
    );

    let asked = stage.stub.asked();
    let job = bad.ask(wanted(2)).await;
    let (amount, bolt11) = bad.feedback(job, "payment-required").await.due.expect("an amount");
    let state = stage.job(job).unwrap();
    assert_eq!(
        (state.plan.context.customer.jobs_unpaid, state.plan.offer.terms),
        (1, Terms::BeforeWork)
    );
    assert_eq!(
        (state.plan.offer.price, stage.stub.asked()),
        (amount, asked),
        "nothing runs before the money is there"
    );
    stage.bank.pay(&bolt11.expect("an invoice")).unwrap();
    bad.result(job).await;
}

/// Goal: who paid much pays less. Method: jobs one after the other, each paid; a step for each 2000 msat.
#[tokio::test(flavor = "multi_thread")]
async fn paid_jobs_make_the_next_cheaper() {
    let settings =
        &[("step-msat", "2000"), ("step-permille", "50"), ("discount-max-permille", "100")];
    let stage =
        Stage::set(Set { policy: "volume_discount", pricing: settings, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let mut prices = Vec::new();
    for number in 0..7 {
        let (id, job, bolt11) = delivered(&stage, &mut customer, number).await;
        let steps = job.plan.context.customer.recent_paid.get() / 2000;
        let price = job.plan.offer.price.get();
        assert_eq!(price, plain(&job, 1000 - (50 * steps).min(100)), "{steps} steps");
        prices.push(price);
        stage.bank.pay(&bolt11.expect("an invoice")).unwrap();
        stage.until(id, |state| state.settlement == Settlement::Paid).await;
    }
    prices.dedup();
    assert!(
        prices.len() == 3 && prices.is_sorted_by(|one, next| one > next),
        "two steps, and no further: {prices:?}"
    );
    let (_, stranger, _) = delivered(&stage, &mut stage.customer().await, 0).await;
    assert_eq!(
        stranger.plan.offer.price.get(),
        plain(&stranger, 1000),
        "a stranger's is as before"
    );
}
