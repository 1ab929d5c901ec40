//! Returns everything that it can see through std.

use pylon_guest::Params;
use pylon_guest::description::Manifest;
use pylon_guest::handler::{Handler, JobError};
use pylon_guest::types::{Attribute, Job, Output};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

struct Probe;

impl Handler for Probe {
    fn describe() -> Manifest {
        pylon_test_handlers::manifest("probe", Vec::new())
    }

    fn run(_: &Job, _: Params<'_>, _: u64) -> Result<Output, JobError> {
        let mut stdin = Vec::new();
        let read = std::io::stdin().read_to_end(&mut stdin);
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let started = Instant::now();
        let random = RandomState::new().hash_one(0);
        println!("out");
        eprintln!("err");
        print!("unended");
        // Output that std still buffers is lost with the instance.
        let flushed = std::io::stdout().flush();
        let seen = [
            ("environment", std::env::vars().count().to_string()),
            ("arguments", std::env::args().count().to_string()),
            ("stdin", format!("{read:?}")),
            ("flushed", format!("{flushed:?}")),
            ("clock", clock.to_string()),
            ("elapsed", started.elapsed().as_nanos().to_string()),
            ("random", random.to_string()),
        ];
        let attribute = |(name, value): (&str, String)| Attribute { name: name.into(), value };
        Ok(Output {
            content: String::new(),
            mime: String::new(),
            attributes: seen.map(attribute).into(),
        })
    }
}

pylon_guest::handler::export!(Probe);
