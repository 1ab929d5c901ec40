//! Cases: those of the shipped guests, and each mistake that a case can have.

use super::{cases_of, guest};
use crate::component;
use pylon_authoring::cases::parse;
use pylon_tests::program::{check_failure, said};
use std::path::Path;

/// Goal: each shipped guest passes the cases next to its source. Method: run them.
#[tokio::test]
async fn shipped_guests_pass_their_cases() {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests");
    for folder in ["policies", "handlers"] {
        let sources =
            std::fs::read_dir(guests.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for source in sources.filter(|path| {
            path.extension().is_some_and(|it| it == "rs") && !path.ends_with("build.rs")
        }) {
            let name = source.file_stem().unwrap().to_str().unwrap();
            let cases = std::fs::read_to_string(source.with_extension("cases.toml"))
                .unwrap_or_else(|_| panic!("{name} has no cases"));
            for case in cases_of(component(name), &cases).await {
                assert!(case.unmet.is_empty(), "{name}: {}: {}", case.name, case.unmet.join("; "));
            }
        }
    }
}

/// Goal: an error about a case says what is wrong, where, and what is valid. Method: one wrong file
/// a row.
#[test]
fn invalid_case_is_explained() {
    for (text, words) in [
        ("", "0 cases"),
        (
            "[[case]]\nname = \"a\"\nfunktion = \"quote\"\n",
            "line 3: unknown key `funktion`; did you mean `function`?",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"price\"\nexpect = {}\n",
            "line 3: unknown variant `price`",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\njob.bid = 1\nexpect = {}\n",
            "line 4: unknown key `bid` in `job`; did you mean `bid_msat`?",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\nexpect.note = \"\"\n[case.job]\nkind = 4000\n",
            "line 5: `job.kind` is 4000",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\njob.inputs = [{ urk = \"a\" }]\nexpect.note = \"\"\n",
            "line 4: an input is a text, or a table with one of `text`, `url`, `event`, `job`",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\ncontext.customer.paid = 1\nexpect.note = \"\"\n",
            "line 4: unknown key `paid` in `context.customer`; did you mean `paid_msat`?",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\ncontext.market = { offers = 3, low_msat = 1 }\nexpect.note = \"\"\n",
            "line 4: `context.market`: missing field `median_msat`",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\nsituation.queued = -1\nexpect.note = \"\"\n",
            "line 4: `situation.queued`: invalid value: integer `-1`, expected a whole number",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"settle\"\noffer = { terms = \"hold\" }\nexpect.due_msat = 1\n",
            "line 4: `offer` has no `price_msat`",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"rank\"\ncandidates = [\n  { backend = \"b\" },\n  { limt = 1 },\n]\nexpect.first = \"a\"\n",
            "line 6: unknown key `limt` in `candidates`; did you mean `limit`?",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"judge\"\nevidence.checks = [{ name = \"a\", passd = true }]\nexpect.verdict = \"accept\"\n",
            "line 4: `evidence.checks`: unknown variant `passd`, expected one of `passed`",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"run\"\nanswers = [\"a\", { error = \"late\" }]\nexpect.content = \"\"\n",
            "line 4: `answers.error`: unknown variant `late`, expected one of `no_backend`",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\nsettings.x = 1\nexpect = {}\n",
            "write numbers as texts, too",
        ),
        ("[[case]]\nname = \"a\"\nfunction = \"quote\"\n", "missing field `expect`"),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\nexpect = {}\n",
            "case `a`: `expect` is empty",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\nexpect.prise_msat = 1\n",
            "did you mean `price_msat`?",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\nexpect.price_msat.at_mots = 1\n",
            "did you mean `at_most`?",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"quote\"\nexpect.note.contains = 1\n",
            "`contains` is a text",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"rank\"\nusage = {}\nexpect.first = \"a\"\n",
            "`rank` has no argument `usage`",
        ),
        (
            "[[case]]\nname = \"a\"\nfunction = \"run\"\nagent = {}\nexpect.content = \"\"\n",
            "`agent`: this version has no agents",
        ),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(words) && !error.contains('\n'), "{text}{error}");
    }
    let twice = "[[case]]\nname = \"a\"\nfunction = \"quote\"\nexpect.note = \"\"\n".repeat(2);
    assert_eq!(parse(&twice).unwrap_err(), "case `a`: another case has this name");
}

/// Goal: the author of a component without cases learns where they go, and gets a first one.
/// Method: the proposal for each world is written there and passes.
#[test]
fn first_case_is_proposed_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["token_pricing", "preferred_routing", "basic_verification", "text_generation"] {
        std::fs::write(folder.path().join("mine.wasm"), component(name)).unwrap();
        let bare = guest(folder.path(), &["test", "mine.wasm"]);
        check_failure(name, &bare, &["mine.cases.toml", "guests/README.md"]);
        let output = said(&bare);
        let case = output
            .split_once("start with ")
            .and_then(|(_, rest)| rest.split_once("; see "))
            .unwrap()
            .0;
        let cases = folder.path().join("mine.cases.toml");
        std::fs::write(&cases, case).unwrap();
        let tested = guest(folder.path(), &["test", "."]);
        assert!(
            tested.status.success(),
            "{case}: {} {}",
            said(&tested),
            String::from_utf8_lossy(&tested.stdout)
        );
        std::fs::remove_file(cases).unwrap();
    }
}

/// Goal: a failed case shows the answer, and a fault is an answer like others. Method: a guest that
/// fails on demand.
#[tokio::test]
async fn failed_case_shows_the_answer() {
    let case = |what: &str, expect: &str| {
        format!(
            "[[case]]\nname = 'a'\nfunction = 'quote'\nsettings.do = '{what}'\nexpect = {{ {expect} }}\n"
        )
    };
    for (what, expect, unmet) in [
        (
            "answer",
            "price_msat = 0, terms = 'free', max_work_ms = { at_least = 60000, at_most = 60000 }",
            "",
        ),
        ("answer", "price_msat = 1", "expected price_msat 1, found 0"),
        ("answer", "price_msat = '0'", "expected price_msat \"0\", found 0"),
        (
            "answer",
            "max_work_ms = { at_least = 60001 }",
            "expected max_work_ms { at_least = 60001 }, found 60000",
        ),
        ("answer", "refused = 'blocked'", "expected refused \"blocked\", found none"),
        ("answer", "fuel = { at_most = 1 }", "expected fuel { at_most = 1 }, found "),
        ("refuse", "refused = 'bid_too_low', lowest_msat = { at_least = 1 }", ""),
        ("fuel", "fault = 'fuel', fuel = { at_least = 10000000 }", ""),
        ("memory", "fault = 'memory'", ""),
        ("terms", "fault = 'invalid_output'", ""),
        ("trap", "price_msat = 0", "expected price_msat 0, found none"),
    ] {
        let found = cases_of(component("hostile_pricing"), &case(what, expect)).await;
        let unmet_text = found[0].unmet.join("; ");
        assert!(
            if unmet.is_empty() { unmet_text.is_empty() } else { unmet_text.starts_with(unmet) },
            "{what} {expect}: {unmet_text}"
        );
    }
    let unknown =
        "[[case]]\nname = 'a'\nfunction = 'quote'\nsettings.undo = 'x'\nexpect.note = ''\n";
    assert_eq!(
        cases_of(component("hostile_pricing"), unknown).await[0].unmet,
        ["has no setting `undo`, or it has no value; expected one of `do`, `tried`"]
    );
    let other = "[[case]]\nname = 'a'\nfunction = 'rank'\nexpect.note = ''\n";
    assert_eq!(
        cases_of(component("hostile_pricing"), other).await[0].unmet,
        ["`rank` is a function of a routing-policy, not of a pricing-policy"]
    );
}
