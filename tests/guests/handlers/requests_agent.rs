//! Requests an agent, which this build does not support.

use pylon_guest::Params;
use pylon_guest::description::{Capability, Manifest};
use pylon_guest::handler::{Handler, JobError, agent};
use pylon_guest::types::{Job, Output};

struct RequestsAgent;

impl Handler for RequestsAgent {
    fn describe() -> Manifest {
        pylon_test_handlers::manifest("requests-agent", vec![Capability::Agent])
    }

    fn run(_: &Job, _: Params<'_>, _: u64) -> Result<Output, JobError> {
        let task = agent::Task {
            source: agent::Source {
                repository: None,
                revision: None,
                include_paths: Vec::new(),
                exclude_paths: Vec::new(),
            },
            work: agent::Work::Commands(Vec::new()),
            limits: agent::Limits {
                seconds: None,
                memory_mb: None,
                disk_mb: None,
                cpu_permille: None,
            },
            environment: Vec::new(),
            workdir: None,
            model: None,
        };
        agent::run(&task).map_err(|_| JobError::NoBackend)?;
        Err(JobError::NoBackend)
    }
}

pylon_guest::handler::export!(RequestsAgent);
