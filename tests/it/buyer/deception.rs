//! Answers that deceive a buyer, or that it could misunderstand.

use super::{TestBuyer, TestProvider};
use nostr_sdk::{Client, EventBuilder, Kind, Tag, TagKind};
use pylon_core::payment::InvoiceRequest;
use pylon_core::ports::payments::Wallet as _;
use pylon_core::{JobId, Msat};
use pylon_nostr::identity::{generate, keys};
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT};
use pylon_tests::stub::Script;
use serde_json::Value;

/// Goal: only the requested provider's answer to this request is shown as the result. Method: a
/// stranger answers for the requested provider, which is silent; then a result that names another
/// request.
#[tokio::test(flavor = "multi_thread")]
async fn result_of_another_provider_or_request_is_not_shown() {
    let buyer =
        TestBuyer::new(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let provider = buyer.market.provider().to_hex();
    let job = buyer.print(&["submit", "hello", "--provider", &provider]).await.trim().to_owned();
    let id = JobId::from_hex(&job).unwrap();
    let state = buyer.market.wait_until(id, |_| true).await;
    let stranger = keys(&generate().unwrap()).unwrap();
    let client = Client::new(stranger.clone());
    client.add_relay(buyer.market.relays[0].url()).await.unwrap();
    client.try_connect(TEST_TIMEOUT).await;
    let tag = |name: &'static str, value: String| Tag::custom(TagKind::custom(name), [value]);
    let lie = EventBuilder::new(Kind::from_u16(6050), "a lie")
        .tags([tag("e", job.clone()), tag("p", state.job.customer.to_hex())]);
    client.send_event(&lie.sign_with_keys(&stranger).unwrap()).await.unwrap();
    let bill = EventBuilder::new(Kind::from_u16(7000), "").tags([
        tag("e", job.clone()),
        tag("p", state.job.customer.to_hex()),
        tag("status", "payment-required".into()),
    ]);
    client.send_event(&bill.sign_with_keys(&stranger).unwrap()).await.unwrap();

    let none = buyer.job(&["results", &job]).await;
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!((none.status.code(), none.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains("no result yet"), "{said}");
    let status = buyer.print_json(&["status", &job, "--json"]).await;
    assert_eq!(
        (status["providers"].as_array().unwrap().len(), &status["providers"][0]["status"]),
        (1, &"processing".into())
    );
}

/// Goal: the buyer of a confidential job is warned that the answer is public and that its price
/// exceeds the bid. Method: a provider that answers an encrypted request in plain text, for more
/// than the bid.
#[tokio::test(flavor = "multi_thread")]
async fn buyer_is_warned_of_plain_text_and_of_a_price_over_its_bid() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = TestProvider::of(&buyer).await;
    let key = provider.key();
    let args = ["submit", "in confidence", "--provider", &key, "--encrypt", "--bid", "1sat"];
    let job = buyer.print(&args).await.trim().to_owned();
    provider.send(6050, &job, "for all to read", &[&["amount", "1001"]]).await;
    let output = buyer.job(&["results", &job]).await;
    let (answer, warning) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(answer.contains("1001 msat due (more than the bid of 1000 msat)\n"), "{answer}");
    assert!(warning.contains("in plain text"), "{warning}");
}

/// Goal: an amount that does not parse is different from no amount. Method: a provider that sends
/// such an amount, before the work and with the result.
#[tokio::test(flavor = "multi_thread")]
async fn invalid_amount_is_not_treated_as_nothing_due() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = TestProvider::of(&buyer).await;
    let job = buyer.submit_to(&provider).await;
    for (kind, amount) in [(7000, "1e9"), (6050, "-21")] {
        let tags: [&[&str]; 2] = [&["status", "payment-required"], &["amount", amount, "lnbc1"]];
        provider.send(kind, &job, "an answer", &tags).await;
        let status = buyer.print(&["status", &job]).await;
        assert!(
            status.contains("the amount due is not a number") && !status.contains("lnbc1"),
            "{amount}: {status}"
        );
        let state = buyer.print_json(&["status", &job, "--json"]).await["providers"][0].clone();
        assert_eq!(
            (&state["amount_invalid"], &state["amount_msats"]),
            (&true.into(), &Value::Null),
            "{amount}"
        );
    }
    let result = buyer.print(&["results", &job]).await;
    assert!(
        result.starts_with("an answer\n") && result.contains("the amount due is not a number"),
        "{result}"
    );
    assert_eq!(buyer.print_json(&["results", &job, "--json"]).await["amount_invalid"], true);
}

/// Goal: an invoice that does not match its message is not shown as one to pay. Method: a right
/// invoice, one of another amount, and a text, as feedback and as result.
#[tokio::test(flavor = "multi_thread")]
async fn invoice_that_differs_from_its_message_is_invalid() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let request = InvoiceRequest {
        id: "1".into(),
        amount: Msat::new(1000),
        description: "a job".into(),
        expiry_seconds: 600,
        hold: false,
    };
    let bolt11 = buyer.market.bank.wallet().invoice(request).await.unwrap().bolt11;
    for (bolt11, amount, problem) in [
        (bolt11.as_str(), "1000", None),
        (&bolt11, "10", Some("the invoice is for 1000 msat, not for 10 msat: do not pay it")),
        ("lnbc1", "1000", Some("the invoice is not valid")),
    ] {
        let provider = TestProvider::of(&buyer).await;
        let job = buyer.submit_to(&provider).await;
        let amount_tag: &[&str] = &["amount", amount, bolt11];
        provider.send(7000, &job, "", &[&["status", "payment-required"], amount_tag]).await;
        let status = buyer.print(&["status", &job]).await;
        provider.send(6050, &job, "done", &[amount_tag]).await;
        let result = buyer.print(&["results", &job]).await;
        let state = buyer.print_json(&["status", &job, "--json"]).await["providers"][0].clone();
        let fields = buyer.print_json(&["results", &job, "--json"]).await;
        for (text, fields) in [(status, state), (result, fields)] {
            let warning = problem.map_or("\n", |problem| problem);
            assert!(text.contains(bolt11) && text.contains(warning), "{amount}: {text}");
            assert_eq!(text.contains("WARNING"), problem.is_some(), "{text}");
            let word = if problem.is_some() { "invalid" } else { "valid" };
            assert_eq!(fields["invoice_state"], word, "{fields}");
            let found = fields["invoice_problem"].as_str().unwrap_or_default();
            assert!(found.contains(problem.unwrap_or_default()), "{fields}");
        }
    }
}
