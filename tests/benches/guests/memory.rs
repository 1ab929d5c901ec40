//! Handlers that wait for a backend: the memory of each, and what remains after all have ended.

use crate::host::Host;
use crate::questions::{KIND, job, load};
use pylon_sandbox::{Config, Installed, Sandbox};
use pylon_tests::figures::{Figure, Goal};
use std::sync::Arc;

const HANDLERS: u32 = 1_000;
/// Concurrent handlers, as in a node.
const PLACES: u32 = 256;

/// The first measurement of the run, because others leave memory behind.
pub(crate) async fn measure() -> Vec<Figure> {
    let served = guest(PLACES).await;
    // One call first, to load what is loaded lazily.
    burst(&served, 8, 8).await;
    let quiet = Memory::now();
    burst(&served, HANDLERS, PLACES).await;
    let after = Memory::now();
    drop(served);
    let suspended = guest(HANDLERS).await;
    burst(&suspended, 8, 8).await;
    let before = Memory::now();
    let during = burst(&suspended, HANDLERS, HANDLERS).await;
    let each = (during.private_kb - before.private_kb) / f64::from(HANDLERS);
    vec![
        Figure {
            name: "private memory of a suspended handler (kB)",
            ours: each,
            against: 1.0,
            goal: Goal::AtMost(64.0),
        },
        Figure {
            name: "resident after a burst of 1,000 jobs in the pool of a node ÷ before (kB)",
            ours: after.resident_kb,
            against: quiet.resident_kb,
            goal: Goal::AtMost(1.5),
        },
    ]
}

/// A waiting handler, in a sandbox with this capacity, all for one kind.
async fn guest(places: u32) -> Arc<Installed> {
    let all = Some(places);
    let config = Config {
        handler_instances: places,
        handlers_per_kind: all,
        handlers_per_customer: all,
        ..Config::default()
    };
    let sandbox = Sandbox::open(config).unwrap();
    load(&sandbox, &format!("handler:{KIND}"), "hostile_handler", Some("wait"), None).await
}

/// Memory while this number of handlers waits, which is the capacity; all have answered afterwards.
async fn burst(guest: &Arc<Installed>, handlers: u32, places: u32) -> Memory {
    let host = Arc::new(Host::held());
    let running: Vec<_> = (0..handlers)
        .map(|_| {
            let (guest, host) = (Arc::clone(guest), Arc::clone(&host));
            tokio::spawn(
                async move { guest.run(&job(1), 600_000, host).await.value.unwrap().unwrap() },
            )
        })
        .collect();
    host.until_waiting(places).await;
    let memory = Memory::now();
    host.release(handlers);
    for handler in running {
        handler.await.unwrap();
    }
    memory
}

struct Memory {
    private_kb: f64,
    resident_kb: f64,
}

impl Memory {
    fn now() -> Self {
        let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
        let field = |name: &str| -> f64 {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Self { private_kb: field("Private_Dirty:"), resident_kb: field("Rss:") }
    }
}
