//! A job with two routes: pricing is asked about each, and the customer is charged by the offer for
//! the route that did the work.

use pylon_authoring::backtest::{Filter, Unknown, run};
use pylon_authoring::replay::verify;
use pylon_core::guest::GuestFunction;
use pylon_core::machine::{Execution, JobState, Settlement};
use pylon_core::{JobId, Msat, UnixTime};
use pylon_journal::{AnswerPair, ReadOnlyJournal, TextCipher};
use pylon_nostr::identity::purpose_key;
use pylon_sandbox::{Role, Sandbox, Setup, Slot};
use pylon_slots::HistoricalGuests;
use pylon_tests::market::{MarketOptions, TestMarket, bid, param, text};
use pylon_tests::process;
use pylon_tests::stub::Script;
use std::time::Duration;

/// The price of a job is 1000 msat for each token that it may write, and the amount due 1000 msat
/// for each that it wrote, before the factor of the route.
const BY_OUTPUT: [(&str, &str); 3] =
    [("base-msat", "0"), ("input-per-1k-msat", "0"), ("output-per-1k-msat", "1000000")];
const MAX_TOKENS: u64 = 10;
/// Tokens of the answer.
const WRITTEN: u64 = 3;

async fn market(
    second: &'static [(&'static str, u32)],
    pricing: &'static [(&'static str, &'static str)],
) -> TestMarket {
    let options = MarketOptions {
        script: Script::Fail,
        second: Some(Script::Echo),
        price_permille: second,
        pricing,
        ..MarketOptions::default()
    };
    TestMarket::start(options).await
}

/// Price factors of models in thousandths.
type Factors = &'static [(&'static str, u32)];

fn request(bid_msat: u64) -> Vec<pylon_nostr::nip90::RequestTag> {
    vec![text("one two three"), param("max_tokens", "10"), bid(bid_msat)]
}

/// Goal: a job that falls back is charged by the offer for the route that served, and a route that
/// pricing refuses is not tried. Method: the first backend fails; the second is dearer, cheaper, or
/// above the bid.
#[tokio::test(flavor = "multi_thread")]
async fn fallback_is_charged_by_its_own_offer() {
    const PRICE: u64 = MAX_TOKENS * 1000;
    const ROWS: [(Factors, u64, Option<u64>); 4] = [
        (&[("second/stub-model", 2000)], 2 * PRICE, Some(2 * PRICE)),
        (&[("second/stub-model", 2000)], 2 * PRICE - 1, None),
        (&[("second/stub-model", 500)], PRICE, Some(PRICE / 2)),
        (&[("stub-model", 3000), ("second/stub-model", 1000)], 2 * PRICE, Some(PRICE)),
    ];
    for (factors, bid_msat, price) in ROWS {
        let market = market(factors, &BY_OUTPUT).await;
        let mut customer = market.customer().await;
        let job = customer.ask(request(bid_msat)).await;
        let second = market.second.as_ref().unwrap();
        let Some(price) = price else {
            let error = customer.feedback(job, "error").await;
            assert!(error.message.contains("the backend failed"), "{}", error.message);
            let state = market.wait_until(job, JobState::is_over).await;
            assert_eq!((second.requests(), state.due, state.plan.routes.len()), (0, Msat::ZERO, 1));
            continue;
        };
        let (due, bolt11) = customer.result(job).await.due.unwrap();
        assert_eq!(
            (due.get(), second.requests()),
            (price * WRITTEN / MAX_TOKENS, 1),
            "{factors:?}"
        );
        let is_first_vetoed = price * 3 > bid_msat && factors.len() == 2;
        assert_eq!(market.stub.requests(), usize::from(!is_first_vetoed), "{factors:?}");
        market.bank.pay(&bolt11.unwrap()).unwrap();
        let state = market.wait_until(job, |state| state.settlement == Settlement::Paid).await;
        assert_eq!((state.offer().price.get(), state.paid), (price, due), "{factors:?}");
        let home = market.folder.path();
        let shown: serde_json::Value = serde_json::from_slice(
            &process::run(home, &["jobs", "show", &job.to_hex(), "--json"]).stdout,
        )
        .unwrap();
        assert_eq!((&shown["price_msats"], &shown["backend"]), (&price.into(), &"second".into()));
        let quoted: Vec<_> = shown["decisions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|decision| decision["function"] == "quote")
            .map(|decision| decision["backend"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(quoted, ["llama_cpp", "second"]);
        let page = String::from_utf8(process::run(home, &["jobs", "show", &job.to_hex()]).stdout);
        assert!(page.unwrap().contains("stub-model on second: about"), "{factors:?}");
    }
}

/// Goal: a prepaid job falls back only on a route whose price is not above the invoice, and the
/// customer pays the invoice. Method: a dearer and a cheaper second backend; the hold is cancelled
/// or settled.
#[tokio::test(flavor = "multi_thread")]
async fn prepaid_job_falls_back_only_within_its_invoice() {
    const HOLD: [(&str, &str); 4] = [BY_OUTPUT[0], BY_OUTPUT[1], BY_OUTPUT[2], ("terms", "hold")];
    const ROWS: [(Factors, bool); 2] =
        [(&[("second/stub-model", 1100)], false), (&[("second/stub-model", 900)], true)];
    for (factors, is_served) in ROWS {
        let market = market(factors, &HOLD).await;
        let mut customer = market.customer().await;
        let job = customer.ask(request(1_000_000)).await;
        let (amount, bolt11) = customer.feedback(job, "payment-required").await.due.unwrap();
        assert_eq!(amount.get(), MAX_TOKENS * 1000);
        market.bank.pay(&bolt11.unwrap()).unwrap();
        let state = market.wait_until(job, JobState::is_closed).await;
        let second = market.second.as_ref().unwrap().requests();
        if is_served {
            assert_eq!((state.settlement, state.paid, second), (Settlement::Paid, amount, 1));
            assert_eq!((state.offer().price, customer.result(job).await.due), (amount, None));
        } else {
            assert_eq!((state.execution, second), (Execution::Failed, 0));
            assert_eq!(state.settlement, Settlement::Cancelled);
        }
    }
}

/// Goal: replay, shadow and back-test know the offers for all routes. Method: a job that falls back
/// on a dearer route, and a refused one; the log is replayed, and other prices are compared.
#[tokio::test(flavor = "multi_thread")]
async fn recorded_quotes_of_all_routes_are_replayed_and_compared() {
    let mut market = market(&[("second/stub-model", 2000)], &BY_OUTPUT).await;
    let shadow = pylon_core::slots::SlotChange::Install {
        slot: "pricing".into(),
        guest: pylon_core::slots::GuestConfig {
            source: "token_pricing".into(),
            settings: BY_OUTPUT.map(|(name, value)| (name.into(), value.into())).into(),
            ..Default::default()
        },
        shadow: true,
    };
    let shadow = market.node().change(&shadow).await.unwrap();
    let mut customer = market.customer().await;
    let job = customer.ask(request(100_000)).await;
    let (due, bolt11) = customer.result(job).await.due.unwrap();
    market.bank.pay(&bolt11.unwrap()).unwrap();
    market.wait_until(job, JobState::is_closed).await;
    let refused = customer.ask(request(1)).await;
    let error = customer.feedback(refused, "error").await;
    assert!(error.message.contains("the price is 10000 msat"), "of the first: {}", error.message);
    let database = market.folder.path().join(".openagents/pylon/pylon.db");
    let pairs = || {
        let (journal, since) = (ReadOnlyJournal::open(&database).unwrap(), UnixTime::new(0));
        let mut pairs: Vec<AnswerPair> = Vec::new();
        journal.pairs("pricing", shadow.digest, since, 9, |pair| pairs.push(pair)).unwrap();
        pairs
    };
    // Two quotes for each request, and the amount due.
    market.wait_until(job, |_| pairs().len() == 5).await;
    assert!(pairs().iter().all(|pair| pair.active == pair.shadow), "{:?}", pairs());
    market.stop_node(Duration::ZERO).await;

    let journal = || ReadOnlyJournal::open(&database).unwrap();
    let quotes = |job: JobId| {
        let recorded = journal().recorded_of(job).unwrap();
        let quote = GuestFunction::Quote.as_str();
        recorded.iter().filter(|recorded| recorded.function == quote).count()
    };
    assert_eq!((quotes(job), quotes(refused)), (2, 2));
    let mut past = past(&market);
    let cipher = TextCipher::new(&purpose_key(market.keys(), "journal"));
    let verified = verify(&mut past, &journal(), Some(&cipher), UnixTime::new(0), |_| {}).await;
    let verified = verified.unwrap();
    assert!(verified.is_good() && verified.equal == verified.decisions, "{verified:?}");

    let filter = Filter { since: UnixTime::new(0), kind: None };
    let report = async |settings: &[(&str, &str)]| {
        let param = |(name, value): &(&str, &str)| pylon_core::Param {
            name: (*name).into(),
            values: vec![(*value).into()],
        };
        let setup = Setup { settings: settings.iter().map(param).collect(), ..Setup::default() };
        let slot = Slot::policy(Role::Pricing).unwrap();
        let component = crate::component("token_pricing");
        let guest = past.sandbox().load(slot, component, setup).await.unwrap();
        run(journal(), &guest, Role::Pricing, filter, |_| {}).unwrap()
    };
    let same = report(&BY_OUTPUT).await;
    assert_eq!((same.compared, same.accepted.both, same.changed), (2, 1, 0), "{same:?}");
    assert_eq!((same.known.cases, same.known.then, same.known.now), (1, due, due));
    assert_eq!(same.refused["bid_too_low"], (1, 1));
    let half = report(&[BY_OUTPUT[0], BY_OUTPUT[1], ("output-per-1k-msat", "500000")]).await;
    assert_eq!(half.known.now.get() * 2, due.get());
    // The candidate refuses the route that did the work: the bid does not cover it.
    let above = report(&[BY_OUTPUT[0], BY_OUTPUT[1], ("output-per-1k-msat", "6000000")]).await;
    assert_eq!((above.accepted.both, above.unknown[&Unknown::Route].then), (1, due), "{above:?}");
}

fn past(market: &TestMarket) -> HistoricalGuests {
    let home = pylon_node::home::Home::at(market.folder.path());
    let (state, journal) = (home.open().unwrap(), ReadOnlyJournal::open(&home.database()).unwrap());
    let config = pylon_sandbox::Config {
        cache: Some(state.folder("cache").unwrap()),
        policy_instances: 2,
        handler_instances: 2,
        ..pylon_sandbox::Config::default()
    };
    let sandbox = Sandbox::open(config).unwrap();
    HistoricalGuests::new(sandbox, state.components().unwrap(), journal.installations().unwrap())
}
