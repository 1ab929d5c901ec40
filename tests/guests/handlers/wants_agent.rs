//! Wants an agent, which this build does not have.

use pylon_guest::Params;
use pylon_guest::description::{About, Want};
use pylon_guest::handler::{Handler, JobError, agent};
use pylon_guest::types::{Job, Output};

struct WantsAgent;

impl Handler for WantsAgent {
    fn describe() -> About {
        pylon_test_handlers::about("wants-agent", vec![Want::Agent])
    }

    fn run(_: &Job, _: Params<'_>, _: u64) -> Result<Output, JobError> {
        let task = agent::Task {
            source: agent::Source {
                repository: None,
                revision: None,
                only: Vec::new(),
                without: Vec::new(),
            },
            work: agent::Work::Commands(Vec::new()),
            bounds: agent::Bounds {
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

pylon_guest::handler::export!(WantsAgent);
