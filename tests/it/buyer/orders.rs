//! Jobs from their submission to their result or cancellation.

use super::{TestBuyer, TestProvider, Waiting};
use pylon_core::JobId;
use pylon_core::machine::Execution;
use pylon_nostr::identity::npub_of;
use pylon_tests::market::MarketOptions;
use pylon_tests::stub::Script;

/// Goal: a buyer gets the result that it ordered, and finds it again. Method: submit and wait, then
/// status, results and list of the same job.
#[tokio::test(flavor = "multi_thread")]
async fn submitted_job_is_found_by_status_results_and_list() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = buyer.market.provider().to_hex();
    let args = [
        "submit",
        "one two three",
        "--param",
        "max_tokens=32",
        "--bid",
        "50sat",
        "--provider",
        &provider,
        "--wait",
    ];
    let output = buyer.job(&args).await;
    let (answer, news) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        answer.starts_with("one two three\n") && answer.contains(" msat due: lnbcrt"),
        "{answer}"
    );
    assert!(news.contains("waiting for a result, 300 s at most\n"), "{news}");
    assert!(
        news.contains(&format!("{}  processing\n", npub_of(buyer.market.provider()))),
        "{news}"
    );

    let list = buyer.print_json(&["list", "--json"]).await;
    let job = list[0]["job"].as_str().unwrap();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["kind"]), (1, &5050.into()));
    let status = buyer.print_json(&["status", &job[..12], "--json"]).await;
    assert_eq!((&status["job"], status["providers"].as_array().unwrap().len()), (&job.into(), 1));
    let state = &status["providers"][0];
    assert_eq!(
        (&state["provider"], &state["status"]),
        (&provider.clone().into(), &"result".into())
    );
    let result = buyer.print_json(&["results", job, "--json"]).await;
    assert_eq!(
        (&result["content"], &result["provider"]),
        (&"one two three".into(), &provider.into())
    );
    assert!(
        result["bolt11"].as_str().unwrap().starts_with("lnbcrt")
            && result["amount_msats"].as_u64().unwrap() > 0
    );
    assert_eq!(result["guests"].as_array().unwrap().len(), 4);
}

/// Goal: two equal requests in one second are two jobs. Method: the same request from several
/// commands at once.
#[tokio::test(flavor = "multi_thread")]
async fn equal_requests_in_one_second_are_different_jobs() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let args = ["submit", "the same"];
    let jobs = futures::future::join_all((0..4).map(|_| buyer.print(&args))).await;
    let different: std::collections::BTreeSet<&str> = jobs.iter().map(|job| job.trim()).collect();
    assert_eq!(different.len(), 4, "{jobs:?}");
    assert_eq!(buyer.print_json(&["list", "--json"]).await.as_array().unwrap().len(), 4);
}

/// Goal: a buyer can cancel a job. Method: submit without waiting, cancel, and see the provider
/// stop.
#[tokio::test(flavor = "multi_thread")]
async fn cancelled_job_is_stopped_by_the_provider() {
    let buyer =
        TestBuyer::new(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let job = buyer.print(&["submit", "hello"]).await.trim().to_owned();
    let id = JobId::from_hex(&job).unwrap();
    buyer.market.wait_until(id, |state| state.execution == Execution::Processing).await;
    assert!(buyer.print(&["cancel", &job]).await.contains("Withdrawn"));
    buyer.market.wait_until(id, |state| state.execution == Execution::Cancelled).await;
    assert!(buyer.print(&["status", &job]).await.contains("It was withdrawn "));
    assert!(buyer.print_json(&["status", &job, "--json"]).await["withdrawn_at"].is_u64());
    assert!(buyer.print(&["list"]).await.contains(" ago  (withdrawn)\n"));
    let at = buyer.print_json(&["list", "--json"]).await[0]["withdrawn_at"].clone();
    assert!(buyer.print(&["cancel", &job]).await.contains("Withdrawn"));
    assert_eq!(
        buyer.print_json(&["list", "--json"]).await[0]["withdrawn_at"],
        at,
        "once more changes nothing"
    );
    let none = buyer.job(&["results", &job]).await;
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(none.status.code() == Some(1) && said.contains("this job was withdrawn"), "{said}");
}

/// Goal: the buyer of an answered job is told that it cannot be taken back. Method: cancel a job
/// after its result.
#[tokio::test(flavor = "multi_thread")]
async fn cancel_of_an_answered_job_says_that_it_was_answered() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = TestProvider::of(&buyer).await;
    let job = buyer.submit_to(&provider).await;
    provider.send(6050, &job, "done", &[]).await;
    let output = buyer.job(&["cancel", &job]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("already answered"), "{said}");
    assert!(said.contains(&format!("pylon job results {}", &job[..8])), "{said}");
}

/// Goal: a list that is cut shows that, and the next step follows a submission. Method: three jobs,
/// and lists of two and three.
#[tokio::test(flavor = "multi_thread")]
async fn cut_list_ends_in_an_ellipsis() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    for prompt in ["1", "2", "3"] {
        let output = buyer.job(&["submit", prompt]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let id = String::from_utf8_lossy(&output.stdout)[..8].to_owned();
        assert!(said.contains(&format!("pylon job results {id}")), "{said}");
        assert!(said.contains(&format!("pylon job cancel {id}")), "{said}");
    }
    for (limit, is_cut) in [("2", true), ("3", false)] {
        let list = buyer.print(&["list", "--limit", limit]).await;
        assert_eq!(list.ends_with("\n…\n"), is_cut, "{list}");
    }
}

/// Goal: the text of a result is written to a file as it is, and nothing is sent for a file that
/// cannot be written. Method: a text with control characters and an amount; a missing folder.
#[tokio::test(flavor = "multi_thread")]
async fn result_is_written_to_a_file_unchanged() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    let provider = TestProvider::of(&buyer).await;
    let file = buyer.home.path().join("answer.txt");
    let (key, path) = (provider.key(), file.to_str().unwrap().to_owned());
    let waiting = Waiting::start(&buyer, &["x", "--provider", &key, "--output", &path]);
    let text = "a\u{1b}[2J\r\nb";
    provider.send(6050, &waiting.job, text, &[&["amount", "7"]]).await;
    let (code, stdout, said) = waiting.end();
    assert_eq!((code, stdout.as_str()), (Some(0), "7 msat due\n"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);

    let path = buyer.home.path().join("none/answer.txt");
    let output = buyer.job(&["submit", "x", "--wait", "--output", path.to_str().unwrap()]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("nothing was sent"), "{said}");
    assert_eq!(buyer.print_json(&["list", "--json"]).await.as_array().unwrap().len(), 1);
}
