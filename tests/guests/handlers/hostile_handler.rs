//! Exceeds one limit, the one that the setting `do` names; with `answer` it behaves.

#![allow(clippy::panic, reason = "a hostile fixture")]

use pylon_guest::Params;
use pylon_guest::description::{Capability, Manifest};
use pylon_guest::handler::{Handler, JobError, inference, inputs, log, progress};
use pylon_guest::types::{Attribute, Job, Output};
use std::hint::black_box;
use std::time::Duration;

struct Hostile;

impl Handler for Hostile {
    fn describe() -> Manifest {
        pylon_test_handlers::manifest(
            "hostile-handler",
            vec![Capability::Inference, Capability::Progress],
        )
    }

    fn run(_: &Job, settings: Params<'_>, _: u64) -> Result<Output, JobError> {
        let mut output =
            Output { content: "fine".into(), mime: "text/plain".into(), attributes: Vec::new() };
        match settings.text("do").unwrap_or_default() {
            "cpu" => loop {
                black_box(());
            },
            "sleep" => std::thread::sleep(Duration::from_secs(3600)),
            "wait" => drop(inputs::read(0)),
            "memory" => drop(black_box(vec![1_u8; 256 << 20])),
            "stack" => output.content = deep(u64::MAX).to_string(),
            "hostcall" => log::write(log::Level::Info, &"x".repeat(9 << 20)),
            "log" => loop {
                log::write(log::Level::Info, "again");
            },
            "lines" => log::write(log::Level::Warn, "first line\nsecond line"),
            "stdout" => loop {
                println!("again");
            },
            "stderr" => loop {
                eprintln!("again");
            },
            "emits" => loop {
                progress::report(None, "");
            },
            "emit-bytes" => {
                progress::partial(&"x".repeat(2048));
            }
            "resources" => {
                let held: Vec<_> = std::iter::repeat_with(|| inference::generate(&empty_request()))
                    .take(1000)
                    .collect();
                drop(black_box(held));
            }
            "output" => output.content = "x".repeat(5 << 20),
            "list" => {
                output.attributes = vec![Attribute { name: "a".into(), value: "b".into() }; 500_000]
            }
            "attributes" => {
                output.attributes = vec![Attribute { name: String::new(), value: String::new() }]
            }
            "mime" => output.mime = "text/\nplain".into(),
            "panic" => panic!("on purpose"),
            "exit" => std::process::exit(0),
            "setting" => output.content = settings.setting::<u64>("do")?.to_string(),
            "blames" => {
                return Err(JobError::Failed("invalid setting: do".into()));
            }
            "invalid" => return Err(JobError::Invalid("no".into())),
            "generate" => output.content = generated(),
            "drop" => drop(inference::generate(&empty_request())),
            _ => {}
        }
        Ok(output)
    }
}

fn generated() -> String {
    let Ok(completion) = inference::generate(&empty_request()) else { return "refused".into() };
    let mut text = String::new();
    while let Ok(Some(more)) = completion.next() {
        text.push_str(&more);
        progress::partial(&text);
    }
    match completion.finish() {
        Ok(summary) => format!("{text} by {}", summary.model),
        Err(error) => format!("{error:?}"),
    }
}

fn empty_request() -> inference::Request {
    inference::Request {
        messages: Vec::new(),
        max_tokens: None,
        temperature: None,
        top_p: None,
        top_k: None,
        frequency_penalty: None,
        stop: Vec::new(),
        seed: None,
        schema: None,
    }
}

/// Recursion that the compiler cannot turn into a loop.
fn deep(depth: u64) -> u64 {
    if depth == 0 {
        return 1;
    }
    let below = deep(depth - 1);
    below.rotate_left((below ^ depth) as u32)
}

pylon_guest::handler::export!(Hostile);
