//! The way of a job through the real node: real relay, real guests, real journal; the backend is a stub and the money play money.

use pylon_adapters::payments::play_money::Paid;
use pylon_core::decision::Terms;
use pylon_core::machine::{Delivery, Execution, Invoicing, Settlement};
use pylon_core::ports::clock::Clock as _;
use pylon_core::{JobId, Msat};
use pylon_node::clock::SystemClock;
use pylon_tests::stage::{Customer, PATIENCE, Set, Stage, bid, param, text};
use pylon_tests::stub::Script;
use std::time::Duration;

const NOW: Duration = Duration::ZERO;

/// Goal: the seed's flow, result first and paid after. Method: buy, check the result's tags and the four columns, pay, read the books.
#[tokio::test(flavor = "multi_thread")]
async fn paid_on_delivery() {
    let mut stage = Stage::set(Set::default()).await;
    let mut customer = stage.customer().await;
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
    let open = stage.until(job, |state| state.delivery == Delivery::Delivered).await;
    assert_eq!(
        (open.execution, open.invoicing, open.settlement),
        (Execution::Completed, Invoicing::Open, Settlement::Pending)
    );
    assert_eq!(
        stage.node().journal().earnings(1).unwrap().total,
        Msat::ZERO,
        "nothing is earned before the wallet says so"
    );
    stage.bank.pay(&bolt11).unwrap();
    stage.until(job, |state| state.settlement == Settlement::Paid).await;
    assert_eq!(stage.node().journal().earnings(1).unwrap().total, amount);
    let session = stage.node().facts().stats().unwrap();
    assert_eq!((session.jobs_completed, session.earnings_msats), (1, amount.get()));
    stage.stop(NOW).await;
    stage.start().await;
    let session = stage.node().facts().stats().unwrap();
    assert_eq!(
        (session.jobs_completed, session.earnings_msats),
        (0, 0),
        "a session begins with the start, to the millisatoshi"
    );
}

/// Goal: without a wallet a node gives its work away. Method: no wallet; the result has no amount.
#[tokio::test(flavor = "multi_thread")]
async fn free_without_a_wallet() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    assert_eq!(customer.result(job).await.due, None);
    let state = stage.until(job, |state| state.delivery == Delivery::Delivered).await;
    assert_eq!((state.plan.offer.terms, state.settlement), (Terms::Free, Settlement::None));
}

/// Goal: with these terms nothing runs before the money is there. Method: count what the backend was asked, before and after paying.
async fn paid_first(terms: &'static [(&'static str, &'static str)], settled_at_once: bool) {
    let stage = Stage::set(Set { pricing: terms, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    let (amount, bolt11) = customer.feedback(job, "payment-required").await.due.expect("an amount");
    assert_eq!(stage.stub.asked(), 0);
    assert_eq!(stage.job(job).unwrap().execution, Execution::AwaitingPayment);
    let paid = stage.bank.pay(bolt11.as_deref().expect("an invoice")).unwrap();
    assert_eq!(matches!(paid, Paid::Settled(_)), settled_at_once);
    let result = customer.result(job).await;
    assert_eq!((result.content.as_str(), result.due), ("hello", None), "paid already");
    stage
        .until(job, |state| {
            state.settlement == Settlement::Paid && state.delivery == Delivery::Delivered
        })
        .await;
    assert_eq!(stage.node().journal().earnings(1).unwrap().total, amount);
}

#[tokio::test(flavor = "multi_thread")]
async fn paid_before_work() {
    paid_first(&[("terms", "before-work")], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn held_until_success() {
    paid_first(&[("terms", "hold")], false).await;
}

/// Goal: two customers at once never see each other's text. Method: canaries both ways, jobs at work and waiting at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn customers_never_see_each_others_text() {
    let stage = Stage::set(Set { script: Script::Wait, ..Set::default() }).await;
    let (mut alice, mut bob) = (stage.customer().await, stage.customer().await);
    let mut jobs = Vec::new();
    for round in 0..5 {
        jobs.push((
            alice.ask(vec![text(&format!("canary-alice-{round}"))]).await,
            bob.ask(vec![text(&format!("canary-bob-{round}"))]).await,
        ));
    }
    for _ in 0..10 {
        stage.stub.release();
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

/// Goal: what cannot be served gets one clear error, runs nothing and costs nothing. Method: one bad request a row.
#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_one_clear_error() {
    let stage = Stage::set(Set::default()).await;
    let mut customer = stage.customer().await;
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
    assert_eq!(stage.stub.asked(), 0, "nothing ran");
    assert_eq!(stage.node().journal().earnings(1).unwrap().total, Msat::ZERO);
}

/// Goal: strangers are not answered for what is not ours. Method: bad requests to all, to another, and of a kind nobody serves; then a
/// good one, whose answer must be the first thing heard.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_met_with_silence() {
    use pylon_nostr::nip90::RequestTag;
    let stage = Stage::set(Set::default()).await;
    let mut customer = stage.customer().await;
    let somebody = pylon_core::PublicKey::from_bytes([0x11; 32]);
    customer.broadcast(5050, vec![]).await;
    customer.broadcast(5050, vec![text("hello"), bid(1)]).await;
    customer.broadcast(5050, vec![text("hello"), RequestTag::Provider(somebody)]).await;
    customer.broadcast(5999, vec![text("hello")]).await;
    let good = customer.broadcast(5050, vec![text("hello")]).await;
    let first = tokio::time::timeout(PATIENCE, customer.buyer.next()).await.unwrap().unwrap();
    let about = match first {
        pylon_nostr::buyer::ProviderMessage::Feedback(feedback) => feedback.job,
        pylon_nostr::buyer::ProviderMessage::Result(result) => result.job,
        pylon_nostr::buyer::ProviderMessage::Unreadable { job, .. } => job,
    };
    assert_eq!(about, good);
    customer.result(good).await;
    assert_eq!(stage.stub.asked(), 1);
}

/// Goal: the backend's failure is told, with how it failed, and not charged, and no word of the backend leaks. Method: one that breaks, one that breaks
/// off, one that says nothing; what the customer reads in the tag and in the content.
#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_fails_costs_nothing() {
    for (script, words) in [
        (Script::Break, "processing error: the backend failed: it reports an error of its own"),
        (Script::BreakOff, "processing error: the backend failed: its answer broke off"),
        (Script::Nothing, "rejected"),
    ] {
        let stage = Stage::set(Set { script, ..Set::default() }).await;
        let mut customer = stage.customer().await;
        let job = customer.ask(vec![text("hello")]).await;
        let error = customer.feedback(job, "error").await;
        assert!(
            error.message.contains(words) && !error.message.contains("out of order"),
            "{}",
            error.message
        );
        assert_eq!(error.content, error.message);
        let state = stage.until(job, |state| state.execution == Execution::Failed).await;
        assert_eq!((state.invoicing, state.settlement), (Invoicing::None, Settlement::None));
    }
}

/// Goal: one event is one job, however many relays bring it, and also after a restart. Method: three relays, then the same home again.
#[tokio::test(flavor = "multi_thread")]
async fn one_event_is_one_job() {
    let mut stage = Stage::set(Set { relays: 3, wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let job = customer.ask(vec![text("once")]).await;
    customer.result(job).await;
    stage.until(job, |state| state.delivery == Delivery::Delivered).await;
    stage.stop(PATIENCE).await;
    stage.start().await;
    // The relays bring the first request again before this one, which came after it.
    let second = customer.ask(vec![text("twice")]).await;
    assert_eq!(customer.result(second).await.content, "twice");
    assert_eq!(stage.stub.asked(), 2);
    assert_eq!(stage.job(job).unwrap().attempt, 1);
}

/// Goal: what was at work or waiting when the node stopped is done after the next start, once. Method: a stop that waits for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on() {
    let mut stage = Stage::set(Set { script: Script::Wait, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let first = customer.ask(vec![text("at work")]).await;
    stage.until(first, |state| state.execution == Execution::Processing).await;
    let second = customer.ask(vec![text("waiting")]).await;
    stage.until(second, |state| state.execution == Execution::Received).await;
    stage.stop(NOW).await;
    stage.stub.release();
    stage.stub.release();
    stage.stub.release();
    stage.start().await;
    let (one, two) = (customer.result(first).await, customer.result(second).await);
    assert_eq!((one.content.as_str(), two.content.as_str()), ("at work", "waiting"));
    assert_eq!(stage.until(first, |state| state.is_over()).await.attempt, 2);
    assert_eq!(stage.until(second, |state| state.is_over()).await.attempt, 1);
}

/// Goal: a customer may withdraw at any point, and nobody else may. Method: a stranger withdraws through a relay that does not know the jobs,
/// so that only the node can see who it is; what the stranger asks for next on that relay shows that the node has read it.
#[tokio::test(flavor = "multi_thread")]
async fn a_customer_may_withdraw() {
    let stage = Stage::set(Set { script: Script::Wait, relays: 2, ..Set::default() }).await;
    let (mut alice, mallory) =
        (stage.customer_on(&stage.relays[..1]).await, stage.customer_on(&stage.relays[1..]).await);
    let running = alice.ask(vec![text("running")]).await;
    stage.until(running, |state| state.execution == Execution::Processing).await;
    let waiting = alice.ask(vec![text("waiting")]).await;
    stage.until(waiting, |state| state.execution == Execution::Received).await;
    mallory.buyer.cancel(running, 5050).await.unwrap();
    mallory.buyer.cancel(waiting, 5050).await.unwrap();
    let later = mallory.ask(vec![text("later")]).await;
    stage.until(later, |_| true).await;
    assert_eq!(stage.job(running).unwrap().execution, Execution::Processing);
    assert_eq!(stage.job(waiting).unwrap().execution, Execution::Received);
    alice.buyer.cancel(running, 5050).await.unwrap();
    stage.until(running, |state| state.execution == Execution::Cancelled).await;
    for _ in 0..3 {
        stage.stub.release();
    }
    assert_eq!(alice.result(waiting).await.content, "waiting");
}

/// Goal: the queue has a bound, and who comes too late hears so at once. Method: one place at work, one to wait, and a third.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_busy() {
    let stage =
        Stage::set(Set { script: Script::Wait, max_queued_jobs: 1, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let mut taken: Vec<JobId> = Vec::new();
    for words in ["first", "second"] {
        let job = customer.ask(vec![text(words)]).await;
        stage.until(job, |_| true).await;
        taken.push(job);
    }
    let third = customer.ask(vec![text("third")]).await;
    assert!(customer.feedback(third, "error").await.message.contains("busy"));
    stage.stub.release();
    stage.stub.release();
    for job in taken {
        customer.result(job).await;
    }
}

/// Goal: a node that is new answers nothing that others have answered long ago, and one that was away what was asked meanwhile. Method: an empty home, with
/// an old and a young request on the relay; then a request while the node is stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_does_not_look_back() {
    let mut stage = Stage::set(Set::default()).await;
    stage.stop(NOW).await;
    stage.folder = tempfile::tempdir().unwrap();
    let mut customer = stage.customer().await;
    let now = SystemClock.now();
    let ask = async |customer: &Customer, words: &str, seconds_ago: u64| {
        let request = customer.buyer.sign(5050, &[text(words)], now.minus(seconds_ago)).unwrap();
        customer.buyer.submit(&request).await.unwrap();
        request.id()
    };
    let old = ask(&customer, "asked ten minutes ago", 600).await;
    let young = ask(&customer, "asked a minute ago", 60).await;
    stage.start().await;
    assert_eq!(customer.result(young).await.content, "asked a minute ago");
    stage.stop(NOW).await;
    let meanwhile = ask(&customer, "asked meanwhile", 0).await;
    stage.start().await;
    assert_eq!(customer.result(meanwhile).await.content, "asked meanwhile");
    let live = customer.ask(vec![text("asked now")]).await;
    assert_eq!(customer.result(live).await.content, "asked now");
    assert_eq!(
        stage.job(old),
        None,
        "the relay has it, and would have sent it before what is live"
    );
}
