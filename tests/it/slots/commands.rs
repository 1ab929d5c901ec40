//! The commands for guests, on the real program.

use super::file;
use pylon_tests::market::{TEST_TIMEOUT, text};
use pylon_tests::program::{Program, check_failure, said};
use pylon_tests::stub::Script;

fn names(program: &Program) -> Vec<String> {
    let listed = program.json(&["guest", "list", "--json"]);
    let guests = listed["guests"].as_array().unwrap();
    guests
        .iter()
        .map(|one| format!("{} {} {}", one["slot"], one["name"], one["role"]).replace('"', ""))
        .collect()
}

/// Goal: slots are changed and listed with a node and without one. Method: install, list, roll back
/// and list the history; then the same without a node.
#[tokio::test(flavor = "multi_thread")]
async fn guest_commands_work_with_and_without_a_node() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let path = file(program.home(), "hostile_pricing");
    let path = path.to_str().unwrap();
    let output =
        program.print(&["guest", "install", path, "--slot", "pricing", "--set", "do=answer"]);
    let file =
        program.run(&["guest", "install", path, "--slot", "pricing", "--settings", "cheap.toml"]);
    let expected = "expected NAME=VALUE, such as base-msat=1000";
    assert!(file.status.code() == Some(2) && said(&file).contains(expected), "{}", said(&file));
    assert!(
        output.starts_with("pricing: hostile-pricing 1.0.0, revision 5\n")
            && output.contains("do = answer"),
        "{output}"
    );
    let mut customer = program.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    let result = customer.result(job).await;
    assert!(result.guests.iter().any(|guest| guest.name == "hostile-pricing"));
    let listed = program.json(&["guest", "list", "--json"]);
    let pricing = listed["guests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["slot"] == "pricing")
        .unwrap()
        .clone();
    assert_eq!(
        (&pricing["calls"], &pricing["traps"], &pricing["revision"]),
        (&1.into(), &0.into(), &5.into())
    );
    assert!(
        pricing["p50_us"].is_u64() && pricing["p99_us"].is_u64() && pricing["fuel"].is_u64(),
        "{pricing}"
    );
    check_failure(
        "no digest",
        &program.run(&["guest", "install", "https://x.org/a", "--slot", "pricing"]),
        &["digest: "],
    );
    check_failure(
        "no such file",
        &program.run(&["guest", "install", "prices", "--slot", "pricing"]),
        &["source: ", "prices"],
    );
    check_failure(
        "another slot",
        &program.run(&["guest", "install", path, "--slot", "routing"]),
        &["world: "],
    );
    let back = program.json(&["guest", "rollback", "pricing", "--json"]);
    assert_eq!((&back["name"], &back["revision"]), (&"token_pricing".into(), &6.into()));
    program.print(&["stop"]);
    check_failure(
        "nothing to approve",
        &program.run(&["guest", "approve", "pricing"]),
        &["no_target: no guest waits for approval in pricing"],
    );
    let output = program.print(&["guest", "install", path, "--slot", "pricing:5050"]);
    assert!(output.contains("effective at the next start"), "{output}");
    assert_eq!(
        names(&program)[1..3],
        ["pricing token_pricing serving", "pricing:5050 hostile-pricing serving"]
    );
    let history = program.json(&["guest", "list", "--history", "--json"]);
    let whys: Vec<_> =
        history.as_array().unwrap().iter().map(|row| row["cause"].as_str().unwrap()).collect();
    assert_eq!(whys, ["start", "start", "start", "start", "install", "rollback", "install"]);
    program.print(&["start"]);
    assert!(names(&program).contains(&"pricing:5050 hostile-pricing serving".to_owned()));
    let audit = program.print(&["guest", "audit", "--limit", "3"]);
    assert!(
        audit.contains("approve")
            && audit.contains("no_target")
            && audit.contains("hostile-pricing 1.0.0"),
        "{audit}"
    );
    assert_eq!(program.json(&["guest", "audit", "--json"]).as_array().unwrap().len(), 10);
    let output = program.print(&["guest", "rollback", "pricing", "--to", "5"]);
    assert!(output.starts_with("pricing: hostile-pricing 1.0.0, revision "), "{output}");
    let undo = output.split('`').nth(1).unwrap().strip_prefix("pylon ").unwrap();
    let output = program.print(&undo.split(' ').collect::<Vec<_>>());
    assert!(output.starts_with("pricing: token_pricing "), "{output}");
    check_failure(
        "never filled",
        &program.run(&["guest", "rollback", "routing:5050"]),
        &["no_target: routing:5050 has never had a guest"],
    );
}

/// Goal: settings and commands change the same slots. Method: a changed table, `pylon reload`, and
/// a rule that the serving guest breaks.
#[tokio::test(flavor = "multi_thread")]
async fn settings_and_commands_change_the_same_slots() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let path = file(program.home(), "hostile_pricing");
    let table = format!(
        "[guests.pricing]\nsource = {:?}\nsettings = {{ do = \"answer\" }}",
        path.to_str().unwrap()
    );
    program.configure(&table);
    program.print(&["reload"]);
    assert!(names(&program).contains(&"pricing hostile-pricing serving".to_owned()));
    program.configure(&format!("{table}\ndigest = \"{}\"", "0".repeat(64)));
    check_failure(
        "another digest",
        &program.run(&["reload"]),
        &["guests.pricing", "(digest)", "nothing was changed"],
    );
    program.configure(&format!("{table}\n[lockdown]\nrequire_signature = true"));
    check_failure(
        "not signed",
        &program.run(&["reload"]),
        &["hostile-pricing", "has no release", "nothing was changed"],
    );
    let doctor = program.run(&["doctor"]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("the running node has other rules"));
    let audit = program.json(&["guest", "audit", "--json", "--limit", "2"]);
    let refused =
        |row: usize| format!("{} {}", audit[row]["action"], audit[row]["outcome"]).replace('"', "");
    assert_eq!((refused(0), refused(1)), ("reload unavailable".into(), "reload digest".into()));
    program.print(&["stop"]);
    check_failure("not signed", &program.run(&["start"]), &["hostile-pricing", "has no release"]);
    let doctor = program.run(&["doctor"]);
    let doctor = String::from_utf8_lossy(&doctor.stdout);
    for words in [
        "pricing has no guest (unavailable)",
        "has no release",
        "-> `pylon guest rollback pricing`",
    ] {
        assert!(doctor.contains(words), "{words}: {doctor}");
    }
    program.configure("[lockdown]\nrequire_signature = true");
    program.print(&["start"]);
    assert!(
        names(&program).contains(&"pricing token_pricing serving".to_owned()),
        "what the settings put there leaves with them"
    );
    let doctor = program.print(&["doctor"]);
    assert!(doctor.contains("signed guests of any author"), "{doctor}");
}

/// Goal: a shadow is compared before it serves. Method: a shadow pricing with other limits; one
/// job, both offers, and the swap.
#[tokio::test(flavor = "multi_thread")]
async fn shadow_is_compared_and_activated_by_commands() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    check_failure("no shadow", &program.run(&["guest", "compare", "pricing"]), &["--shadow"]);
    let install = [
        "guest",
        "install",
        "token_pricing",
        "--slot",
        "pricing",
        "--settings",
        "max-tokens-limit=7",
        "--shadow",
    ];
    assert!(program.print(&install).contains("as a shadow"));
    let mut customer = program.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    customer.result(job).await;
    let compared = tokio::time::timeout(TEST_TIMEOUT, async {
        loop {
            let compared = program.json(&["guest", "compare", "pricing", "--json"]);
            if compared["questions"] == 1 {
                return compared;
            }
        }
    });
    let compared = compared.await.unwrap();
    assert_eq!((&compared["same"], &compared["quotes"]["both"]), (&0.into(), &1.into()));
    assert_eq!(compared["examples"][0]["job"], job.to_hex());
    let page = program.print(&["guest", "compare", "pricing"]);
    assert!(
        page.contains("0 of 1 answers are equal") && page.contains("max_output_tokens 512 / 7"),
        "{page}"
    );
    let serving = program.json(&["guest", "activate", "pricing", "--json"]);
    assert_eq!(serving["settings"]["max-tokens-limit"], "7");
    check_failure(
        "no shadow any more",
        &program.run(&["guest", "activate", "pricing"]),
        &["no_target: pricing has no shadow"],
    );
}

/// Goal: the operator decides about a result that verification cannot judge. Method: a result that
/// makes verification fail, found in the list, and accepted.
#[tokio::test(flavor = "multi_thread")]
async fn result_in_review_is_accepted_by_command() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let path = file(program.home(), "hostile_verification");
    program.print(&["guest", "install", path.to_str().unwrap(), "--slot", "verification"]);
    let mut customer = program.customer().await;
    let job = customer.ask(vec![text("please break")]).await;
    let waits = async {
        while program.json(&["jobs", "list", "--json"])[0]["delivery"] != "in_review" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, waits).await.unwrap();
    let doctor = program.run(&["doctor"]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("occupy 1 of 64 places"));
    let id = job.to_hex();
    let page = program.print(&["guest", "replay", &id]);
    assert!(
        page.contains("delivery in_review") && page.contains("equal   no answer: trapped\n"),
        "{page}"
    );
    assert_eq!(
        program.print(&["jobs", "accept", &id[..10]]),
        format!("accepted {}\n", job.short())
    );
    assert_eq!(customer.result(job).await.content, "please break");
    check_failure("twice", &program.run(&["jobs", "reject", &id]), &["no result in review"]);
}
