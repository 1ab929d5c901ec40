//! A job through the real node: real relay, guests and journal; stub backend and play money.

use pylon_adapters::payments::play_money::Paid;
use pylon_core::decision::Terms;
use pylon_core::machine::{Delivery, Execution, Invoicing, Settlement};
use pylon_core::ports::clock::Clock as _;
use pylon_core::{JobId, Msat};
use pylon_node::clock::SystemClock;
use pylon_tests::market::{Customer, MarketOptions, TEST_TIMEOUT, TestMarket, bid, param, text};
use pylon_tests::stub::Script;
use std::time::Duration;

const NOW: Duration = Duration::ZERO;

/// Goal: the default flow, result first and payment after. Method: buy, check the tags of the
/// result and the four columns, pay, read the journal.
#[tokio::test(flavor = "multi_thread")]
async fn job_is_paid_on_delivery() {
    let mut market = TestMarket::start(MarketOptions::default()).await;
    let mut customer = market.customer().await;
    let job =
        customer.ask(vec![text("one two three"), param("max_tokens", "32"), bid(50_000)]).await;
    customer.feedback(job, "processing").await;
    let result = customer.result(job).await;
    assert_eq!(result.content, "one two three");
    let slots: Vec<_> = result.guests.iter().map(|guest| guest.slot.as_str()).collect();
    assert_eq!(slots, ["routing", "pricing", "handler", "verification"]);
    assert!(
        result.attributes.iter().any(|fact| fact.name == "model" && fact.value == "stub-model")
    );
    let (amount, bolt11) = result.due.expect("something is due");
    let bolt11 = bolt11.expect("with an invoice");
    assert!(bolt11.starts_with("lnbcrt"), "{bolt11}");
    let open = market.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
    assert_eq!(
        (open.execution, open.invoicing, open.settlement),
        (Execution::Completed, Invoicing::Open, Settlement::Pending)
    );
    assert_eq!(
        market.node().journal().earnings(1).unwrap().total,
        Msat::ZERO,
        "nothing is earned before the wallet says so"
    );
    market.bank.pay(&bolt11).unwrap();
    market.wait_until(job, |state| state.settlement == Settlement::Paid).await;
    assert_eq!(market.node().journal().earnings(1).unwrap().total, amount);
    let session = market.node().status().stats().unwrap();
    assert_eq!((session.jobs_completed, session.earnings_msats), (1, amount.get()));
    market.stop_node(NOW).await;
    market.start_node().await;
    let session = market.node().status().stats().unwrap();
    assert_eq!(
        (session.jobs_completed, session.earnings_msats),
        (0, 0),
        "a session begins with the start, to the millisatoshi"
    );
}

/// Goal: a node without a wallet serves for free. Method: no wallet; the result has no amount.
#[tokio::test(flavor = "multi_thread")]
async fn results_are_free_without_a_wallet() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    assert_eq!(customer.result(job).await.due, None);
    let state = market.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
    assert_eq!((state.plan.offer.terms, state.settlement), (Terms::Free, Settlement::None));
}

/// Goal: with these terms nothing runs before the payment is there. Method: count the backend's
/// requests before and after paying.
async fn paid_first(terms: &'static [(&'static str, &'static str)], settled_at_once: bool) {
    let market =
        TestMarket::start(MarketOptions { pricing: terms, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    let (amount, bolt11) = customer.feedback(job, "payment-required").await.due.expect("an amount");
    assert_eq!(market.stub.requests(), 0);
    assert_eq!(market.job(job).unwrap().execution, Execution::AwaitingPayment);
    let paid = market.bank.pay(bolt11.as_deref().expect("an invoice")).unwrap();
    assert_eq!(matches!(paid, Paid::Settled(_)), settled_at_once);
    let result = customer.result(job).await;
    assert_eq!((result.content.as_str(), result.due), ("hello", None), "paid already");
    market
        .wait_until(job, |state| {
            state.settlement == Settlement::Paid && state.delivery == Delivery::Delivered
        })
        .await;
    assert_eq!(market.node().journal().earnings(1).unwrap().total, amount);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_before_prepayment() {
    paid_first(&[("terms", "before-work")], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn held_payment_is_settled_on_success() {
    paid_first(&[("terms", "hold")], false).await;
}

/// Goal: two customers at once never see each other's text. Method: distinct markers both ways,
/// with running and waiting jobs at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn customers_never_see_each_others_text() {
    let market =
        TestMarket::start(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let (mut alice, mut bob) = (market.customer().await, market.customer().await);
    let mut jobs = Vec::new();
    for round in 0..5 {
        jobs.push((
            alice.ask(vec![text(&format!("canary-alice-{round}"))]).await,
            bob.ask(vec![text(&format!("canary-bob-{round}"))]).await,
        ));
    }
    for _ in 0..10 {
        market.stub.release();
    }
    for (round, (of_alice, of_bob)) in jobs.into_iter().enumerate() {
        let (for_alice, for_bob) = tokio::join!(alice.result(of_alice), bob.result(of_bob));
        assert_eq!(for_alice.content, format!("canary-alice-{round}"));
        assert_eq!(for_bob.content, format!("canary-bob-{round}"));
        assert!(
            !format!("{for_alice:?}").contains("canary-bob")
                && !format!("{for_bob:?}").contains("canary-alice")
        );
    }
}

/// Goal: a request that cannot be served gets one clear error, runs nothing and costs nothing.
/// Method: one bad request a row.
#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_one_clear_error() {
    let market = TestMarket::start(MarketOptions::default()).await;
    let mut customer = market.customer().await;
    let long = "x".repeat(66_000);
    let rows = [
        ("no input", vec![], "no usable input"),
        ("blank input", vec![text("  \n ")], "no usable input"),
        ("unknown model", vec![text("hello"), param("model", "gpt-9")], "gpt-9"),
        ("bid below price", vec![text("hello"), bid(1)], "bid too low"),
        ("oversize", vec![text(&long)], "bytes"),
        ("not a number", vec![text("hello"), param("temperature", "NaN")], "temperature"),
        (
            "not a MIME type we make",
            vec![text("hello"), pylon_nostr::nip90::RequestTag::Output("image/png".into())],
            "text/plain or text/markdown",
        ),
    ];
    for (what, tags, words) in rows {
        let job = customer.ask(tags).await;
        let error = customer.feedback(job, "error").await;
        assert!(error.message.contains(words), "{what}: {}", error.message);
        assert!(!error.message.contains('\n'), "{what}: one line");
        assert_eq!(error.due, None, "{what}");
    }
    assert_eq!(market.stub.requests(), 0, "nothing ran");
    assert_eq!(market.node().journal().earnings(1).unwrap().total, Msat::ZERO);
}

/// Goal: requests that are not for this node get no reply. Method: bad requests to any provider, to
/// another one, and of a kind that is not served; then a good one, whose answer must be the first
/// reply.
#[tokio::test(flavor = "multi_thread")]
async fn requests_for_others_are_not_answered() {
    use pylon_nostr::nip90::RequestTag;
    let market = TestMarket::start(MarketOptions::default()).await;
    let mut customer = market.customer().await;
    let other = pylon_core::PublicKey::from_bytes([0x11; 32]);
    customer.broadcast(5050, vec![]).await;
    customer.broadcast(5050, vec![text("hello"), bid(1)]).await;
    customer.broadcast(5050, vec![text("hello"), RequestTag::Provider(other)]).await;
    customer.broadcast(5999, vec![text("hello")]).await;
    let good = customer.broadcast(5050, vec![text("hello")]).await;
    let first = tokio::time::timeout(TEST_TIMEOUT, customer.buyer.next()).await.unwrap().unwrap();
    let about = match first {
        pylon_nostr::buyer::ProviderMessage::Feedback(feedback) => feedback.job,
        pylon_nostr::buyer::ProviderMessage::Result(result) => result.job,
        pylon_nostr::buyer::ProviderMessage::Unreadable { job, .. } => job,
    };
    assert_eq!(about, good);
    customer.result(good).await;
    assert_eq!(market.stub.requests(), 1);
}

/// Goal: a backend failure is reported by kind and not charged, and no backend message leaks.
/// Method: one that fails, one that breaks off, one that returns nothing; what the customer reads
/// in tag and content.
#[tokio::test(flavor = "multi_thread")]
async fn failed_backend_is_reported_and_not_charged() {
    for (script, words) in [
        (Script::Fail, "processing error: the backend failed: it reports an internal error"),
        (Script::Truncate, "processing error: the backend failed: its answer was truncated"),
        (Script::Empty, "rejected"),
    ] {
        let market = TestMarket::start(MarketOptions { script, ..MarketOptions::default() }).await;
        let mut customer = market.customer().await;
        let job = customer.ask(vec![text("hello")]).await;
        let error = customer.feedback(job, "error").await;
        assert!(
            error.message.contains(words) && !error.message.contains("out of order"),
            "{}",
            error.message
        );
        assert_eq!(error.content, error.message);
        let state = market.wait_until(job, |state| state.execution == Execution::Failed).await;
        assert_eq!((state.invoicing, state.settlement), (Invoicing::None, Settlement::None));
    }
}

/// Goal: one event is one job, on however many relays, and also after a restart. Method: three
/// relays, then the same home again.
#[tokio::test(flavor = "multi_thread")]
async fn one_event_is_one_job() {
    let mut market =
        TestMarket::start(MarketOptions { relays: 3, wallet: false, ..MarketOptions::default() })
            .await;
    let mut customer = market.customer().await;
    let job = customer.ask(vec![text("once")]).await;
    customer.result(job).await;
    market.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
    market.stop_node(TEST_TIMEOUT).await;
    market.start_node().await;
    // The relays send the first request again before this one.
    let second = customer.ask(vec![text("twice")]).await;
    assert_eq!(customer.result(second).await.content, "twice");
    assert_eq!(market.stub.requests(), 2);
    assert_eq!(market.job(job).unwrap().attempt, 1);
}

/// Goal: jobs that were running or waiting at a stop are done after the next start, once. Method: a
/// stop without drain.
#[tokio::test(flavor = "multi_thread")]
async fn restart_continues_running_and_waiting_jobs() {
    let mut market =
        TestMarket::start(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let first = customer.ask(vec![text("running")]).await;
    market.wait_until(first, |state| state.execution == Execution::Processing).await;
    let second = customer.ask(vec![text("waiting")]).await;
    market.wait_until(second, |state| state.execution == Execution::Received).await;
    market.stop_node(NOW).await;
    market.stub.release();
    market.stub.release();
    market.stub.release();
    market.start_node().await;
    let (one, two) = (customer.result(first).await, customer.result(second).await);
    assert_eq!((one.content.as_str(), two.content.as_str()), ("running", "waiting"));
    assert_eq!(market.wait_until(first, |state| state.is_over()).await.attempt, 2);
    assert_eq!(market.wait_until(second, |state| state.is_over()).await.attempt, 1);
}

/// Goal: a customer can cancel at any point, and no one else can. Method: a stranger cancels
/// through a relay that does not know the jobs, so that only the node can tell the author; the
/// stranger's next request on that relay shows that the node has read it.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_customer_can_cancel() {
    let market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        relays: 2,
        ..MarketOptions::default()
    })
    .await;
    let (mut alice, mallory) = (
        market.customer_on(&market.relays[..1]).await,
        market.customer_on(&market.relays[1..]).await,
    );
    let running = alice.ask(vec![text("running")]).await;
    market.wait_until(running, |state| state.execution == Execution::Processing).await;
    let waiting = alice.ask(vec![text("waiting")]).await;
    market.wait_until(waiting, |state| state.execution == Execution::Received).await;
    mallory.buyer.cancel(running, 5050).await.unwrap();
    mallory.buyer.cancel(waiting, 5050).await.unwrap();
    let later = mallory.ask(vec![text("later")]).await;
    market.wait_until(later, |_| true).await;
    assert_eq!(market.job(running).unwrap().execution, Execution::Processing);
    assert_eq!(market.job(waiting).unwrap().execution, Execution::Received);
    alice.buyer.cancel(running, 5050).await.unwrap();
    market.wait_until(running, |state| state.execution == Execution::Cancelled).await;
    for _ in 0..3 {
        market.stub.release();
    }
    assert_eq!(alice.result(waiting).await.content, "waiting");
}

/// Goal: the queue has a limit, and a request over it gets an immediate reply; a request to any
/// provider gets none, and is counted. Method: one running job, one waiting, one to any provider,
/// and a third.
#[tokio::test(flavor = "multi_thread")]
async fn full_queue_answers_busy() {
    let market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        max_queued_jobs: 1,
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let mut taken: Vec<JobId> = Vec::new();
    for words in ["first", "second"] {
        let job = customer.ask(vec![text(words)]).await;
        market.wait_until(job, |_| true).await;
        taken.push(job);
    }
    customer.broadcast(5050, vec![text("to any provider")]).await;
    let third = customer.ask(vec![text("third")]).await;
    assert!(customer.feedback(third, "error").await.message.contains("busy"));
    let counted = tokio::time::timeout(TEST_TIMEOUT, async {
        while market.node().status().refused().unwrap().by_code.get("dropped") != Some(&1) {
            tokio::task::yield_now().await;
        }
    });
    counted.await.expect("the dropped request is counted");
    market.stub.release();
    market.stub.release();
    for job in taken {
        customer.result(job).await;
    }
}

/// Goal: a new node does not answer old requests, and a restarted one answers those it missed.
/// Method: an empty home, with an old and a recent request on the relay; then a request while the
/// node is stopped.
#[tokio::test(flavor = "multi_thread")]
async fn new_node_ignores_old_requests() {
    let mut market = TestMarket::start(MarketOptions::default()).await;
    market.stop_node(NOW).await;
    market.folder = tempfile::tempdir().unwrap();
    let mut customer = market.customer().await;
    let now = SystemClock.now();
    let ask = async |customer: &Customer, words: &str, seconds_ago: u64| {
        let request = customer.buyer.sign(5050, &[text(words)], now.minus(seconds_ago)).unwrap();
        customer.buyer.submit(&request).await.unwrap();
        request.id()
    };
    let old = ask(&customer, "asked ten minutes ago", 600).await;
    let young = ask(&customer, "asked a minute ago", 60).await;
    market.start_node().await;
    assert_eq!(customer.result(young).await.content, "asked a minute ago");
    market.stop_node(NOW).await;
    let meanwhile = ask(&customer, "asked meanwhile", 0).await;
    market.start_node().await;
    assert_eq!(customer.result(meanwhile).await.content, "asked meanwhile");
    let live = customer.ask(vec![text("asked now")]).await;
    assert_eq!(customer.result(live).await.content, "asked now");
    assert_eq!(
        market.job(old),
        None,
        "the relay has it, and would have sent it before what is live"
    );
}
